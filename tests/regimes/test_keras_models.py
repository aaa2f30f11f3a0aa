"""Regimes for models of other origin: Keras' applications, nested, subclassed, with other norms."""

import keras
import numpy as np
import pytest

import bnkeras
from bnkeras.layers import BatchNormalization
from bnkeras.models.variables import Group, grouped_variables, layers_of, output_layers

L = keras.layers


def plain_network(norm=L.BatchNormalization):
    """Return a network of Keras' own layers, as a user brings it."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((12, 12, 3))
    x = L.Conv2D(6, 3, name="conv")(inputs)
    x = L.ReLU()(norm(name="norm1", momentum=0.9)(x))
    shortcut = L.Conv2D(8, 1, strides=2, name="shortcut")(x)
    x = L.Conv2D(8, 3, strides=2, padding="same", name="conv2")(x)
    x = L.Add()([norm(name="norm2", momentum=0.9)(x), shortcut])
    x = L.Dropout(0.2, seed=1)(L.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, L.Dense(4, name="head")(x), name="plain")


PLAIN = {
    "all": {"conv", "conv2", "shortcut", "head", "norm1", "norm2"},
    "bnonly": {"norm1", "norm2"},
    "bnoutput": {"norm1", "norm2", "head"},
    "output": {"head"},
    "bnshortcutoutput": {"norm1", "norm2", "shortcut", "head"},
    "shortcutoutput": {"shortcut", "head"},
    "frozenbn": {"conv", "conv2", "shortcut", "head"},
}


@pytest.mark.parametrize("regime", PLAIN)
def test_a_network_of_keras_layers(regime, compiled, examples, values, changed):
    model = compiled(bnkeras.set_regime(plain_network(), regime))
    layers = {variable.path.split("/")[0] for variable in model.trainable_variables}
    assert layers == PLAIN[regime]
    assert len(model.trainable_variables) == 2 * len(layers)
    before = values(model)
    model.train_step(examples(model))
    moved = {path for path in before if "/moving_" in path or "seed" in path}
    allowed = {path for path in before if path.split("/")[0] in layers} | moved
    # A bias of 0 in front of BatchNorm may stay where it is.
    assert allowed - {"conv/bias", "conv2/bias"} <= changed(before, model) <= allowed


def test_the_keras_formula_in_training_mode(examples):
    """Our layer and Keras' compute the same with γ and β frozen."""
    outputs = []
    for model in (plain_network(), plain_network(BatchNormalization)):
        x, _ = examples(model)
        bnkeras.set_regime(model, "output")
        until = keras.Model(model.input, model.get_layer("norm1").output)
        outputs.append(until(x, training=True).numpy())
        np.testing.assert_allclose(outputs[-1].mean((0, 1, 2)), 0, atol=1e-5)
        np.testing.assert_allclose(outputs[-1].std((0, 1, 2)), 1, atol=0.01)
    np.testing.assert_allclose(*outputs, atol=1e-5)


def nested_network():
    inner = plain_network()
    inputs = keras.Input((12, 12, 3))
    x = L.Dense(5, name="mixer")(inner(inputs))
    x = L.BatchNormalization(name="last_norm")(x)
    return keras.Model(inputs, L.Dense(2, name="top")(x), name="outer")


def test_a_network_within_a_network():
    model = bnkeras.set_regime(nested_network(), "bnoutput")
    trained = {variable.path for variable in model.trainable_variables}
    assert {path.split("/")[-2] for path in trained} == {"norm1", "norm2", "last_norm", "top"}
    bnkeras.set_regime(model, "output")
    assert [v.path for v in model.trainable_variables] == ["top/kernel", "top/bias"]
    assert bnkeras.regime_of(model) == "output"


@pytest.mark.parametrize("frozen", ["model", "submodel", "layers"])
def test_a_network_that_the_user_froze(frozen):
    """As one does for transfer learning. A norm frozen so would ignore the batch."""
    model = nested_network()
    if frozen == "layers":
        for layer in model._flatten_layers(include_self=False):
            layer.trainable = False
    else:
        (model if frozen == "model" else model.get_layer("plain")).trainable = False
    assert len(model.trainable_variables) == (6 if frozen == "submodel" else 0)
    bnkeras.set_regime(model, "bnonly")
    assert len(model.trainable_variables) == 6
    assert all(layer.trainable for layer in model._flatten_layers())


class Block(L.Layer):
    """A layer of layers, whose variables Keras lists in another order than the layer does."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first, self.norm = L.Dense(6, name="first"), L.LayerNormalization(name="norm")
        self.second = L.Dense(6, name="second")

    def call(self, inputs):
        return self.second(self.norm(self.first(inputs)))


class Subclassed(keras.Model):
    """A model whose graph Keras does not know, with a weight of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.blocks = [Block(name="block0"), Block(name="block1")]
        self.norm = L.BatchNormalization(name="bn")
        self.head = L.Dense(4, name="head")
        self.offset = self.add_weight(shape=(6,), initializer="ones", name="offset")

    def call(self, inputs, training=None):
        x = keras.ops.reshape(inputs, (-1, 432))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x + self.offset))


def subclassed():
    keras.utils.set_random_seed(2)
    model = Subclassed(name="own")
    model(np.ones((2, 12, 12, 3), np.float32))
    return model


@pytest.mark.parametrize(
    ("regime", "layers"),
    [
        ("bnonly", {"norm", "bn"}),
        ("output", {"head"}),
        ("bnoutput", {"norm", "bn", "head"}),
        ("frozenbn", {"first", "second", "head", "own"}),
        ("all", {"first", "second", "head", "own", "norm", "bn"}),
        ("random2", {"first", "second"}),
        ("random2output", {"first", "second", "head"}),
    ],
)
def test_a_subclassed_model(regime, layers, compiled, values, changed):
    model = compiled(bnkeras.set_regime(subclassed(), regime))
    before = values(model)
    trained = {variable.path for variable in model.trainable_variables}
    assert {path.split("/")[-2] for path in trained} == layers
    x = np.random.default_rng(0).normal(size=(32, 12, 12, 3)).astype(np.float32)
    model.train_step((x, np.arange(32) % 4))
    allowed = {path for path in before if "/moving_" in path} | trained
    # A bias of 0 in front of BatchNorm may stay where it is.
    assert allowed - {"own/block1/second/bias"} <= changed(before, model) <= allowed
    assert bnkeras.regime_of(model) == regime


def test_a_subclassed_model_under_a_table():
    table = [("own/offset", "train"), ("*/block1/*", "train"), ("*", "freeze")]
    model = bnkeras.set_regime(subclassed(), table)
    trained = {variable.path for variable in model.trainable_variables}
    assert len(trained) == 7
    assert all(path == "own/offset" or "/block1/" in path for path in trained)


def test_the_weights_of_a_subclassed_model_with_masks(tmp_path):
    """Its code makes plain layers, so the regime is set before the weights are loaded."""
    model, x = bnkeras.set_regime(subclassed(), "random2"), np.ones((2, 12, 12, 3), np.float32)
    for variable in model.trainable_variables:
        variable.assign_add(keras.ops.ones(variable.shape))
    model.save_weights(tmp_path / "own.weights.h5")
    other = bnkeras.set_regime(subclassed(), "random2")
    assert other(x).numpy().tobytes() != model(x).numpy().tobytes()
    other.load_weights(tmp_path / "own.weights.h5")
    assert other(x).numpy().tobytes() == model(x).numpy().tobytes()


def test_the_order_of_layers_within_layers():
    names = [layer.name for layer in layers_of(subclassed())]
    inner = ["first", "norm", "second"]
    assert names == ["own", "block0", *inner, "block1", *inner, "bn", "head"]


@pytest.mark.parametrize("norm", [L.GroupNormalization, L.LayerNormalization, L.RMSNormalization])
def test_norms_that_leave_the_batch_alone(norm, compiled, values, changed):
    keras.utils.set_random_seed(1)
    groups = {"groups": 3} if norm is L.GroupNormalization else {}
    layers = [keras.Input((5, 5, 3)), L.Conv2D(6, 3), norm(name="norm", **groups), L.ReLU()]
    model = keras.Sequential([*layers, L.Flatten(), L.Dense(4)], name="other")
    compiled(bnkeras.set_regime(model, "bnonly"))
    before = values(model)
    x = np.random.default_rng(0).normal(size=(32, 5, 5, 3)).astype(np.float32)
    model.train_step((x, np.arange(32) % 4))
    own = {path for path in before if "/norm/" in path}
    assert own
    assert changed(before, model) == own
    assert bnkeras.regime_of(model) == "bnonly"


def outputs_of(model):
    return [layer.name for layer in output_layers(model)]


def test_the_output_layer():
    inputs = keras.Input((8,))
    x = L.Dense(8, name="trunk")(inputs)
    late = L.Dense(3, name="late")(x)
    early = L.Dense(2, name="early")(inputs)
    # In order of definition, of depth, of outputs: each output has its own.
    assert outputs_of(keras.Model(inputs, [late, early])) == ["late", "early"]
    assert outputs_of(keras.Model(inputs, late)) == ["late"]
    assert outputs_of(keras.Model(inputs, L.Add()([L.BatchNormalization()(x), inputs]))) == [
        "trunk"
    ]
    inner = keras.Sequential([L.Dense(3, name="a"), L.Dense(2, name="b"), L.Softmax()])
    assert outputs_of(keras.Model(inputs, inner(x))) == ["b"]
    assert outputs_of(keras.Model(inputs, [inner(x), L.ReLU()(inner(inputs))])) == ["b"]
    assert outputs_of(inner) == ["b"]
    words = keras.Input((4, 8))
    each = L.TimeDistributed(L.Dense(3, name="inside"))(words)
    assert outputs_of(keras.Model(words, each)) == ["inside"]
    assert outputs_of(subclassed()) == ["head"]
    images = keras.Input((12, 12, 3))
    assert outputs_of(keras.Model(images, L.ReLU()(subclassed()(images)))) == ["head"]
    assert outputs_of(keras.Model(inputs, L.ReLU()(inputs))) == []


def test_a_frozen_head_of_two():
    inputs = keras.Input((8,))
    x = L.BatchNormalization()(L.Dense(8, name="trunk")(inputs))
    heads = [L.Dense(3, name="one")(x), L.Dense(2, name="two")(x)]
    model = bnkeras.set_regime(keras.Model(inputs, heads), "output")
    assert {v.path.split("/")[0] for v in model.trainable_variables} == {"one", "two"}
    bnkeras.set_regime(model, "random2")
    assert {v.path for v in model.trainable_variables} == {"trunk/random_kernel"}


APPLICATIONS = {
    "MobileNetV2": ({"alpha": 0.35}, 14_080, 52 * 2),
    "EfficientNetB0": ({}, 42_016, 49 * 2),
    "ConvNeXtTiny": ({}, 16_320, 23 * 2),
}


@pytest.mark.parametrize("name", APPLICATIONS)
def test_applications(name, compiled, values, changed):
    """Depthwise convolutions, a Normalization with statistics, LayerNorm and layer scales."""
    arguments, count, variables = APPLICATIONS[name]
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(
        weights=None, classes=4, classifier_activation=None, input_shape=(32, 32, 3), **arguments
    )
    # The softmax is theirs; what follows is the output layer all the same.
    assert len(output_layers(model)) == 1
    assert bnkeras.parameter_counts(bnkeras.set_regime(model, "bnonly"))["trainable"] == count
    norms = {path for path, group, _ in grouped_variables(model) if group is Group.BATCHNORM}
    assert {variable.path for variable in model.trainable_variables} == norms
    assert len(norms) == variables
    compiled(model)
    before = values(model)
    x = np.random.default_rng(0).uniform(0, 255, (8, 32, 32, 3)).astype(np.float32)
    model.train_step((x, np.arange(8) % 4))
    statistics = {p for p in before if "/moving_" in p or "seed_generator" in p}
    assert changed(before, model) - statistics == norms


def test_resnet50_of_keras_has_the_papers_count():
    """53.1K γ and β; two random weights of each channel are as many."""
    model = keras.applications.ResNet50(weights=None)
    counts = bnkeras.parameter_counts(bnkeras.set_regime(model, "bnonly"))
    assert (counts["batchnorm"], counts["output"]) == (53_120, 2_049_000)
    assert bnkeras.parameter_counts(bnkeras.set_regime(model, "random2"))["trainable"] == 53_120
