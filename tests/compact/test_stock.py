"""Networks in Keras' own layers alone."""

import keras
import numpy as np
import pytest
from keras import layers

import bnkeras
from bnkeras.compact.provenance import weights_of
from bnkeras.compact.stock.model import needed_classes, stock_model
from bnkeras.layers import LSTM, Affine, BatchNormalization, Embedding, GroupNormalization

_TWEETS = {"name": "tweet_lstm", "vocabulary_size": 50, "embedding": 8, "units": 6}


@keras.saving.register_keras_serializable(package="test_stock")
class Doubled(layers.Layer):
    def call(self, inputs):
        return 2 * inputs


@keras.saving.register_keras_serializable(package="test_stock")
def halved(inputs):
    return inputs / 2


def _inputs(model, seed=0):
    random = np.random.default_rng(seed)
    (given,) = model.inputs
    shape = (4, *(size or 7 for size in given.shape[1:]))
    if given.dtype == "int32":
        ids = random.integers(1, 50, shape).astype(np.int32)
        ids[1, 3:] = ids[2, 1:] = ids[3] = 0
        return ids
    return random.normal(size=shape).astype(np.float32)


def _assert_same_outputs(model, stock):
    inputs = _inputs(model)
    wanted, given = (np.asarray(m(inputs, training=False), np.float64) for m in (model, stock))
    assert wanted.std() > 0
    np.testing.assert_allclose(given, wanted, rtol=0, atol=2e-6 * np.abs(wanted).max())


def _values(model):
    return [entry.variable.numpy() for entry in weights_of(model)]


@pytest.mark.parametrize(
    "network",
    [
        {"depth": 8, "input_shape": (8, 8, 1)},
        {"depth": 8, "input_shape": (8, 8, 1), "norm": "group"},
        {"name": "mlp", "hidden": (16, 12), "input_shape": (4, 4, 1), "norm": "group"},
        {**_TWEETS, "dtype": "mixed_bfloat16"},
        {**_TWEETS, "norm": "group"},
        {**_TWEETS, "norm": "layer"},
    ],
    ids=lambda network: "-".join(map(str, network.values())),
)
def test_a_built_network(trained, network):
    model = trained(seed=3, **network)
    stock = stock_model(model)
    assert needed_classes(model)
    assert needed_classes(stock) == []
    for wanted, given in zip(_values(model), _values(stock), strict=True):
        assert given.tobytes() == wanted.tobytes()
    names = {layer.name for layer in model.layers if layer.name != "tokens"}
    assert names <= {layer.name for layer in stock.layers}
    if network.get("dtype") != "mixed_bfloat16":
        _assert_same_outputs(model, stock)
    else:
        given = (np.asarray(m(_inputs(model), training=False)) for m in (model, stock))
        np.testing.assert_allclose(*given, atol=2e-2)


def test_padding_stays_zero_whatever_its_vector_is(trained):
    model = trained(seed=3, **_TWEETS)
    vectors = model.get_layer("embedding").embeddings
    vectors.assign(np.concatenate([np.full((1, 8), 9, np.float32), vectors.numpy()[1:]]))
    embedded = stock_model(model).get_layer("embedding")(np.array([[0, 4]], np.int32))
    np.testing.assert_array_equal(embedded[0, 0], np.zeros(8))
    np.testing.assert_array_equal(embedded[0, 1], vectors.numpy()[4])


def test_a_masked_kernel_is_the_one_in_effect(small):
    model = small(seed=4, regime="random2")
    layer, frozen = model.get_layer("stem_conv"), model.get_layer("stem_conv")._kernel.numpy()
    expected = frozen.copy()
    positions = layer.kernel_mask.positions(np.arange(frozen.size).reshape(-1, 16))
    expected.ravel()[positions] = layer.random_kernel.numpy()
    stock = stock_model(model).get_layer("stem_conv")
    assert type(stock) is layers.Conv2D
    np.testing.assert_array_equal(stock.kernel.numpy(), expected)
    assert (expected != frozen).sum() == 2 * 16
    # The model itself has its masks still.
    assert bnkeras.regime_of(model) == "random2"


@pytest.mark.parametrize("regime", ["all", "bnonly", "bnoutput", "bnshortcutoutput"])
def test_what_trains(small, regime):
    model = small(seed=4, regime=regime)
    wanted, given = (
        {variable.path for variable in m.trainable_variables} for m in (model, stock_model(model))
    )
    assert given == wanted


@pytest.mark.parametrize("regime", ["output", "frozenbn", "random2"])
def test_a_norm_with_statistics_is_not_frozen(small, regime):
    model = small(seed=4, regime=regime)
    given = {variable.path for variable in stock_model(model).trainable_variables}
    wanted = {variable.path for variable in model.trainable_variables}
    norms = {path for path in given if path.endswith(("gamma", "beta"))}
    assert norms
    assert given - norms == {path for path in wanted if not path.endswith("random_kernel")}


def test_layers_within_layers(perturb):
    inputs = keras.Input((5, 6), name="inputs")
    x = layers.Bidirectional(LSTM(4, return_sequences=True), name="both")(inputs)
    x = layers.TimeDistributed(BatchNormalization(), name="each")(x)
    inner = keras.Input((5, 8))
    y = GroupNormalization(2, per_position=True, name="words")(inner)
    x = keras.Model(inner, Affine(name="affine")(y), name="inner")(x)
    outputs = layers.Dense(3, name="dense")(layers.Flatten(name="flat")(x))
    model = bnkeras.reseed(keras.Model(inputs, outputs), 5)
    perturb(model)
    stock = stock_model(model)
    assert needed_classes(stock) == []
    _assert_same_outputs(model, stock)
    assert type(stock.get_layer("both").forward_layer) is layers.LSTM


def test_a_sequential_model(perturb):
    first = keras.Input((None,), dtype="int32")
    norm = BatchNormalization(name="bn")
    model = keras.Sequential([first, Embedding(50, 6, name="words"), norm, layers.LSTM(3)])
    perturb(model)
    stock = stock_model(model)
    assert needed_classes(stock) == []
    _assert_same_outputs(model, stock)


def test_initializers_have_the_distribution_of_the_law():
    model = bnkeras.build(
        "mlp", hidden=(4,), input_shape=(2, 2, 1), features="he_uniform", beta="constant(0.5)"
    )
    stock = stock_model(model)
    dense, norm = stock.get_layer("hidden1_dense"), stock.get_layer("hidden1_bn")
    assert isinstance(dense.kernel_initializer, keras.initializers.HeUniform)
    assert dense.bias_initializer.maxval == 0.5  # 1 / √4
    assert (norm.gamma_initializer.minval, norm.gamma_initializer.maxval) == (0, 1)
    assert norm.beta_initializer.value == 0.5
    normal = stock_model(bnkeras.build("mlp", hidden=(999,), input_shape=(10, 10, 1)))
    drawn = normal.get_layer("hidden1_dense").kernel_initializer((100, 999))
    assert np.std(drawn) == pytest.approx((2 / 100) ** 0.5, rel=0.02)


def test_what_is_of_the_user_stays_and_is_named(perturb, monkeypatch):
    inputs = keras.Input((6,))
    x = Doubled(name="doubled")(layers.Dense(4, activation=halved, name="dense")(inputs))
    model = perturb(keras.Model(inputs, BatchNormalization(name="bn")(x)))
    stock = stock_model(model)
    assert needed_classes(stock) == sorted([f"{Doubled.__module__}.Doubled", "test_stock>halved"])
    assert type(stock.get_layer("bn")) is layers.BatchNormalization
    _assert_same_outputs(model, stock)
    # Keras leaves out this module.
    monkeypatch.setattr(Doubled, "__module__", "__main__")
    assert "__main__.Doubled" in needed_classes(stock)


def test_an_embedding_whose_mask_would_be_lost_stays():
    inputs = keras.Input((None,), dtype="int32")
    x = Embedding(50, 6, mask_zero=True, name="words")(inputs)
    stock = stock_model(keras.Model(inputs, layers.LSTM(3)(x)))
    assert needed_classes(stock) == ["bnkeras.layers.sequences.Embedding"]
