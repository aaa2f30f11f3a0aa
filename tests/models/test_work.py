"""Work of a network, against hand arithmetic."""

import keras
import pytest

import bnkeras
from bnkeras.errors import ModelError
from bnkeras.models.work import work


def by_name(model, input_shape=None):
    return {layer.name: layer for layer in work(model, input_shape)}


def in_front_of(*layers, shape):
    """Return what `layers` do one behind the other."""
    return work(keras.Sequential([keras.Input(shape), *layers]))


def test_resnet14_layer_by_layer():
    model = bnkeras.set_regime(bnkeras.build("resnet_cifar", depth=14), "bnonly")
    layers = by_name(model)
    stem = layers["stem_conv"]
    assert (stem.kind, stem.multiply_adds) == ("conv", 32 * 32 * 16 * 9 * 3)
    assert (stem.activations, stem.inputs) == (32 * 32 * 16, 32 * 32 * 3)
    assert (stem.parameters, stem.trained, stem.channels) == (9 * 3 * 16, 0, 16)
    norm = layers["stem_bn"]
    assert (norm.kind, norm.multiply_adds, norm.activations) == ("batch_norm", 0, 16_384)
    assert (norm.parameters, norm.trained) == (32, 32)
    strided = layers["group2_block0_conv1"]
    assert strided.multiply_adds == 16 * 16 * 32 * 9 * 16
    # One zero on each side of 32×32 positions.
    assert layers["group2_block0_conv1_pad"].activations == 34 * 34 * 16
    assert layers["group2_block0_shortcut_conv"].multiply_adds == 16 * 16 * 32 * 16
    add = layers["group3_block1_add"]
    assert (add.kind, add.activations, add.inputs) == ("add", 8 * 8 * 64, 2 * 8 * 8 * 64)
    assert (layers["pool"].kind, layers["pool"].activations) == ("pool", 64)
    output = layers["output"]
    assert (output.kind, output.multiply_adds, output.parameters) == ("dense", 640, 650)


def test_resnet14_as_a_whole():
    model = bnkeras.set_regime(bnkeras.build("resnet_cifar", depth=14), "bnonly")
    layers = work(model)
    # Six 3×3 convolutions in a group; where the width doubles, one has half of the inputs.
    group = 32 * 32 * 9 * 16 * 16
    stem, shortcuts = 32 * 32 * 9 * 3 * 16, 2 * 16 * 16 * 16 * 32
    expected = stem + 4 * group + 2 * (3 * group + group // 2) + shortcuts + 640
    assert sum(layer.multiply_adds for layer in layers) == expected == 26_657_408
    counts = bnkeras.parameter_counts(model)
    assert sum(layer.parameters for layer in layers) == counts["total"]
    assert sum(layer.trained for layer in layers) == counts["trainable"]


@pytest.mark.parametrize("network", ["resnet14", "vgg11", "mlp", "tweet_lstm"])
@pytest.mark.parametrize("regime", ["all", "bnonly", "random2", "output"])
def test_parameters_are_those_that_are_counted(network, regime):
    name, arguments = {
        "resnet14": ("resnet_cifar", {"depth": 14}),
        "vgg11": ("vgg_cifar", {"depth": 11, "width": 1 / 8}),
        "mlp": ("mlp", {"hidden": (8, 4)}),
        "tweet_lstm": ("tweet_lstm", {"vocabulary_size": 50}),
    }[network]
    model = bnkeras.set_regime(bnkeras.build(name, **arguments), regime)
    layers, counts = work(model), bnkeras.parameter_counts(model)
    assert sum(layer.parameters for layer in layers) == counts["total"]
    assert sum(layer.trained for layer in layers) == counts["trainable"]


def test_which_layers_get_a_gradient_at_their_inputs():
    model = bnkeras.build("resnet_cifar", depth=8)
    names = [layer.name for layer in work(model)]

    def without(regime):
        layers = work(bnkeras.set_regime(model, regime))
        return [layer.name for layer in layers if not layer.passes_back]

    assert without("bnonly") == ["stem_conv", "stem_bn"]
    assert without("all") == ["stem_conv"]
    assert without("output") == names
    # The shortcut of group 2 is the first to train, and block 1's convolutions beside it do not
    # lead back to anything.
    assert "group2_block0_conv2" in without("shortcutoutput")
    assert "group2_block0_add" not in without("shortcutoutput")


def test_which_kernels_train():
    model = bnkeras.build("mlp", hidden=(8, 4))

    def trains(regime):
        layers = work(bnkeras.set_regime(model, regime))
        return [layer.name for layer in layers if layer.trains_kernel]

    assert trains("bnonly") == []
    assert trains("bnoutput") == ["output"]
    assert trains("random2") == ["hidden1_dense", "hidden2_dense"]
    # A bias has no products of its own.
    assert trains([("*/bias", "train"), ("*", "freeze")]) == []


def test_tweets_of_30_words():
    layers = by_name(bnkeras.build("tweet_lstm", vocabulary_size=1000), (30,))
    lstm = layers["lstm"]
    assert (lstm.kind, lstm.steps) == ("recurrent", 30)
    assert lstm.multiply_adds == 30 * 4 * 100 * (200 + 100)
    assert lstm.parameters == 4 * 100 * (200 + 100 + 1)
    embedding = layers["embedding"]
    assert (embedding.kind, embedding.multiply_adds) == ("embedding", 0)
    assert (embedding.activations, embedding.parameters) == (30 * 200, 200_000)
    assert layers["last_step"].activations == 100


def test_photographs_of_any_size():
    model = bnkeras.build("resnet_imagenet", depth=18, width=1 / 8)
    stem = by_name(model, (224, 160, 3))["stem_conv"]
    assert stem.multiply_adds == 112 * 80 * 7 * 7 * 3 * 8
    open_sizes = by_name(model)
    assert open_sizes["stem_conv"].multiply_adds is None
    assert open_sizes["stem_conv"].activations is None
    assert open_sizes["output"].multiply_adds == 64 * 1000


@pytest.mark.parametrize("norm", ["instance", "group", "layer"])
def test_other_norms(norm):
    one = by_name(bnkeras.build("resnet_cifar", depth=8, norm=norm))["stem_bn"]
    assert (one.kind, one.parameters, one.activations) == ("norm", 32, 16_384)


def test_foreign_layers():
    def products(layer, shape):
        return in_front_of(layer, shape=shape)[0].multiply_adds

    layers = keras.layers
    assert products(layers.Conv2D(6, 3, groups=2, padding="same"), (5, 7, 4)) == 35 * 6 * 9 * 2
    assert products(layers.DepthwiseConv2D(3, padding="same"), (5, 7, 4)) == 35 * 9 * 4
    assert products(layers.SeparableConv2D(6, 3), (5, 7, 4)) == 15 * (9 * 4 + 4 * 6)
    assert products(layers.Conv2DTranspose(6, 3, strides=2), (5, 7, 4)) == 35 * 9 * 4 * 6
    assert products(layers.EinsumDense("abc,cd->abd", (5, 6)), (5, 4)) == 5 * 4 * 6
    assert products(layers.GRU(6), (5, 4)) == 5 * 3 * 6 * (4 + 6)
    assert products(layers.Bidirectional(layers.LSTM(6)), (5, 4)) is None
    assert products(layers.LSTM(6), (None, 4)) is None


def test_nested_models_and_shared_layers():
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, name="inner")])
    twice = keras.layers.Dense(4, name="twice")
    inputs = keras.Input((4,))
    found = work(keras.Model(inputs, inner(twice(twice(inputs)))))
    assert [layer.name for layer in found] == ["twice", "twice", "inner"]
    assert [layer.multiply_adds for layer in found] == [16, 16, 16]
    assert [layer.parameters for layer in found] == [20, 0, 20]


def test_errors():
    class Subclassed(keras.Model):
        pass

    with pytest.raises(ModelError, match=r"'mine' is a Subclassed without one.*keras\.Model"):
        work(Subclassed(name="mine"))
    model = bnkeras.build("resnet_cifar", depth=8)
    with pytest.raises(ModelError, match=r"\(32, 32, 3\); received \(28, 28, 3\)"):
        work(model, (28, 28, 3))
    with pytest.raises(ModelError, match=r"received \(32, 32\)"):
        work(model, (32, 32))
