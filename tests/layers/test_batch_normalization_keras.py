"""The fused layer as a drop-in: what Keras does with it, and what it does as part of a model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from bnkeras.layers import BatchNormalization


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(1.0, 2.0, shape).astype(np.float32)


def network(norm=BatchNormalization, **arguments):
    """Return a small network whose statistics are not those it starts with."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False, name="conv")(inputs)
    x = norm(momentum=0.9, name="bn1", **arguments)(x)
    x = keras.layers.Flatten()(keras.layers.ReLU()(x))
    x = norm(momentum=0.9, name="bn2", **arguments)(keras.layers.Dense(5, name="dense")(x))
    model = keras.Model(inputs, x)
    for index, variable in enumerate(model.variables):
        if "kernel" not in variable.path:
            noise = np.random.default_rng(index).uniform(0.5, 1.5, variable.shape)
            variable.assign(noise.astype(np.float32))
    return model


def test_configuration():
    arguments = {
        "axis": -1,
        "momentum": 0.9,
        "epsilon": 1e-5,
        "center": True,
        "scale": True,
        "gamma_initializer": keras.initializers.Constant(0.5),
        "beta_regularizer": keras.regularizers.L2(0.1),
        "gamma_constraint": keras.constraints.NonNeg(),
        "name": "norm",
        "dtype": "mixed_bfloat16",
    }
    layer = BatchNormalization(**arguments)
    theirs = keras.layers.BatchNormalization(**arguments)
    config = layer.get_config()
    assert config == theirs.get_config()
    again = BatchNormalization.from_config(config)
    assert again.get_config() == config
    serialized = keras.saving.serialize_keras_object(layer)
    assert serialized["registered_name"] == "bnkeras>BatchNormalization"
    again = keras.saving.deserialize_keras_object(serialized)
    assert type(again) is BatchNormalization
    assert again.get_config() == config


def test_the_axis_may_be_given_by_position():
    assert BatchNormalization(1).axis == keras.layers.BatchNormalization(1).axis == 1


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_variables(policy):
    layer, theirs = BatchNormalization(dtype=policy), keras.layers.BatchNormalization(dtype=policy)
    for norm in (layer, theirs):
        norm.build((None, 8, 8, 6))
    for mine, other in zip(layer.variables, theirs.variables, strict=True):
        assert (mine.name, mine.shape, mine.dtype) == (other.name, other.shape, "float32")
        assert mine.trainable == other.trainable
    assert [v.name for v in layer.trainable_variables] == ["gamma", "beta"]
    assert [v.name for v in layer.non_trainable_variables] == ["moving_mean", "moving_variance"]


def test_shapes_of_a_symbolic_call():
    for shape in [(5,), (None, 5), (None, None, 3), (4, None, None, 2)]:
        for policy in ("float32", "mixed_bfloat16"):
            layer = BatchNormalization(dtype=policy)
            outputs = layer(keras.Input(shape, dtype=layer.compute_dtype))
            assert outputs.shape == (None, *shape)
            assert outputs.dtype == layer.compute_dtype


@pytest.mark.parametrize(
    ("shape", "static"),
    [
        ((8, 5), (None, 5)),
        ((8, 5), (None, None)),
        ((4, 6, 5), (None, None, 5)),
        ((4, 6, 7, 5), (None, None, None, 5)),
        ((4, 6, 7, 5), (None, None, None, None)),
        ((2, 3, 4, 5, 5), (None, 3, None, None, 5)),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_sizes_that_are_unknown_when_traced(shape, static, training):
    x = random(*shape)
    mine, theirs = BatchNormalization(), keras.layers.BatchNormalization()
    for layer in (mine, theirs):
        layer.build((*static[:-1], 5))
    traced = tf.function(
        lambda x: mine(x, training=training), input_signature=[tf.TensorSpec(static)]
    )
    np.testing.assert_allclose(traced(x), theirs(x, training=training), atol=1e-5)
    np.testing.assert_allclose(
        mine.moving_variance.numpy(), theirs.moving_variance.numpy(), rtol=1e-6
    )


def test_the_static_shape_is_kept():
    layer = BatchNormalization()
    layer.build((None, 3, 5))
    traced = tf.function(lambda x: layer(x, training=True))
    concrete = traced.get_concrete_function(tf.TensorSpec((7, 3, 5)))
    assert concrete.structured_outputs.shape == (7, 3, 5)


def test_an_empty_batch_is_what_it_is_in_keras():
    empty = np.zeros((0, 5), np.float32)
    mine, theirs = BatchNormalization(), keras.layers.BatchNormalization()
    assert mine(empty, training=True).shape == theirs(empty, training=True).shape == (0, 5)
    assert np.isnan(mine.moving_mean.numpy()).all() == np.isnan(theirs.moving_mean.numpy()).all()


@pytest.mark.parametrize("cls", [BatchNormalization, keras.layers.BatchNormalization])
def test_a_layer_frozen_as_a_whole_uses_moving_statistics(cls):
    """Keras' rule for `layer.trainable = False`, which regimes therefore never use."""
    x = random(16, 5)
    layer = cls()
    layer.build(x.shape)
    layer.trainable = False
    outputs = layer(x, training=True)
    np.testing.assert_allclose(outputs, x / np.sqrt(1 + 1e-3), rtol=1e-5)
    assert not layer.moving_mean.numpy().any()
    layer.trainable = True
    assert abs(layer(x, training=True).numpy().mean()) < 1e-5


@pytest.mark.parametrize("cls", [BatchNormalization, keras.layers.BatchNormalization])
def test_frozen_variables_leave_batch_statistics_in_use(cls):
    x = random(16, 5)
    layer = cls(momentum=0.5)
    layer.build(x.shape)
    layer.gamma.trainable = layer.beta.trainable = False
    assert layer.trainable_variables == []
    outputs = layer(x, training=True)
    np.testing.assert_allclose(outputs, (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3), atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.5 * x.mean(0), rtol=1e-5)


def test_loading_the_weights_of_the_keras_layer(tmp_path):
    mine, theirs = network(), network(keras.layers.BatchNormalization)
    for variable in theirs.variables:
        variable.assign(variable.value * 1.25)
    x = random(6, 8, 8, 3)
    mine.set_weights([variable.numpy() for variable in theirs.variables])
    np.testing.assert_allclose(mine(x), theirs(x), rtol=1e-4, atol=1e-5)


def test_a_weights_file_of_the_keras_layer(tmp_path):
    mine, theirs = network(), network(keras.layers.BatchNormalization)
    for variable in theirs.variables:
        variable.assign(variable.value * 1.25)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    mine.load_weights(tmp_path / "theirs.weights.h5")
    for one, other in zip(mine.variables, theirs.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_saved_model(tmp_path, policy):
    keras.config.set_dtype_policy(policy)
    model = network()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.get_layer("bn1")) is BatchNormalization
    x = random(6, 8, 8, 3)
    for training in (False, True):
        outputs = [tf.cast(m(x, training=training), tf.float32).numpy() for m in (model, again)]
        np.testing.assert_array_equal(*outputs)
    for one, other in zip(model.variables, again.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_a_clone_has_the_layer():
    clone = keras.models.clone_model(network())
    assert type(clone.get_layer("bn2")) is BatchNormalization


def test_fit_does_what_it_does_with_the_keras_layer():
    x, y = random(32, 8, 8, 3), random(32, 5, seed=1)
    models = [network(), network(keras.layers.BatchNormalization)]
    for model in models:
        model.compile(keras.optimizers.SGD(0.05), "mse")
        model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for mine, theirs in zip(*(model.variables for model in models), strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-3, atol=1e-4)
    losses = [model.evaluate(x, y, verbose=0) for model in models]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_fit_moves_the_statistics_once_a_step():
    x = random(16, 5)
    model = keras.Sequential([keras.Input((5,)), BatchNormalization(momentum=0.75, name="bn")])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(x, x, batch_size=16, epochs=3, verbose=0)
    share = 1 - 0.75**3
    layer = model.get_layer("bn")
    np.testing.assert_allclose(layer.moving_mean.numpy(), share * x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(
        layer.moving_variance.numpy(), (1 - share) + share * x.var(0), rtol=1e-5
    )


def test_keras_does_not_compile_the_kernel_with_xla():
    """XLA's variance is E[x²] − E[x]², which is NaN where the mean is large."""
    model = network()
    assert not model.get_layer("bn1").supports_jit
    with pytest.warns(UserWarning, match="doesn't support `jit_compile=True`"):
        model.compile("sgd", "mse", jit_compile=True)
    assert model.jit_compile is False


def test_in_a_stateless_scope():
    """Tensors put in place of the variables are used; the variables stay as they are."""
    x = random(16, 5)
    layer = BatchNormalization(momentum=0.5)
    layer.build(x.shape)
    gamma = tf.constant([1.0, 2.0, 3.0, 4.0, 5.0])
    with keras.StatelessScope(state_mapping=[(layer.gamma, gamma)]) as scope:
        outputs = layer(x, training=True)
        moved = scope.get_current_value(layer.moving_mean)
    expected = gamma.numpy() * (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3)
    np.testing.assert_allclose(outputs, expected, atol=1e-4)
    np.testing.assert_allclose(moved, 0.5 * x.mean(0), rtol=1e-5)
    assert not layer.moving_mean.numpy().any()
    assert (layer.gamma.numpy() == 1).all()


def test_regularizers_and_constraints():
    layer = BatchNormalization(
        gamma_regularizer=keras.regularizers.L2(0.5), gamma_constraint=keras.constraints.NonNeg()
    )
    layer(random(16, 4), training=True)
    assert float(sum(layer.losses)) == pytest.approx(0.5 * 4)
    assert isinstance(layer.gamma.constraint, keras.constraints.NonNeg)


def test_the_channels_must_be_those_it_was_built_for():
    layer = BatchNormalization()
    layer.build((None, 5))
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 5"):
        layer(random(4, 6))
