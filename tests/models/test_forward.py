"""The networks compute what the papers' PyTorch networks compute: a second implementation.

It is written in NumPy and float64 from the papers' descriptions and PyTorch's rules
for padding, and takes the weights by their names.
"""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.lib.stride_tricks import sliding_window_view

import bnkeras
from bnkeras.errors import ModelError
from bnkeras.models.blocks import groups_of

EPSILON = 1e-5


class Weights:
    """The variables of a model by path, and the statistics that a training step leaves."""

    def __init__(self, model, training):
        self.values = {v.path: v.numpy().astype(np.float64) for v in model.variables}
        self.training = training
        self.moved = {}
        self.used = set()

    def __getitem__(self, path):
        self.used.add(path)
        return self.values[path]

    def norm(self, x, name):
        axes = tuple(range(x.ndim - 1))
        mean, variance = self[f"{name}/moving_mean"], self[f"{name}/moving_variance"]
        if self.training:
            # PyTorch's momentum of 0.1 is 0.9 in Keras. (Its running variance is
            # n / (n − 1) times this one; Keras' is the biased one.)
            self.moved[f"{name}/moving_mean"] = 0.9 * mean + 0.1 * x.mean(axes)
            self.moved[f"{name}/moving_variance"] = 0.9 * variance + 0.1 * x.var(axes)
            mean, variance = x.mean(axes), x.var(axes)
        scaled = (x - mean) / np.sqrt(variance + EPSILON)
        return self[f"{name}/gamma"] * scaled + self[f"{name}/beta"]

    def conv(self, x, name, stride):
        """`torch.nn.Conv2d(..., kernel, stride, padding=(kernel - 1) // 2, bias=False)`."""
        kernel = self[f"{name}/kernel"]
        size = kernel.shape[0]
        margin = (size - 1) // 2
        padded = np.pad(x, [(0, 0), (margin, margin), (margin, margin), (0, 0)])
        windows = sliding_window_view(padded, (size, size), (1, 2))[:, ::stride, ::stride]
        return np.einsum("nijchw,hwco->nijo", windows, kernel)


def relu(x):
    return np.maximum(x, 0)


def resnet(w, x, depth):
    x = relu(w.norm(w.conv(x, "stem_conv", 1), "stem_bn"))
    for group in (1, 2, 3):
        for block in range((depth - 2) // 6):
            name, stride = f"group{group}_block{block}", 2 if group > 1 and block == 0 else 1
            shortcut = x
            if stride == 2:
                shortcut = w.conv(x, f"{name}_shortcut_conv", 2)
                shortcut = w.norm(shortcut, f"{name}_shortcut_bn")
            y = relu(w.norm(w.conv(x, f"{name}_conv1", stride), f"{name}_bn1"))
            y = w.norm(w.conv(y, f"{name}_conv2", 1), f"{name}_bn2")
            x = relu(y + shortcut)
    return x.mean((1, 2)) @ w["output/kernel"] + w["output/bias"]


def perceptron(w, x, hidden):
    x = x.reshape(len(x), -1)
    for index in range(1, hidden + 1):
        name = f"hidden{index}"
        x = x @ w[f"{name}_dense/kernel"] + w[f"{name}_dense/bias"]
        x = relu(w.norm(x, f"{name}_bn"))
    return x @ w["output/kernel"] + w["output/bias"]


def perturbed(model):
    """Give β and the statistics values that are not their neutral ones."""
    random = np.random.default_rng(3)
    for variable in model.variables:
        if variable.path.endswith(("beta", "moving_mean")):
            variable.assign(random.normal(0, 0.3, variable.shape))
        elif variable.path.endswith("moving_variance"):
            variable.assign(random.uniform(0.5, 2, variable.shape))
    return model


def compare(model, second, shape, training, tolerance=2e-4):
    x = np.random.default_rng(4).normal(0, 1, (5, *shape))
    weights = Weights(perturbed(model), training)
    expected = second(weights, x)
    logits = model(tf.constant(x, tf.float32), training=training)
    np.testing.assert_allclose(logits, expected, atol=tolerance * np.abs(expected).max())
    statistics = {path for path in weights.values if "/moving_" in path}
    # Nothing is left over: every variable had a part in it.
    assert weights.used == set(weights.values)
    assert set(weights.moved) == (statistics if training else set())
    for variable in model.variables:
        values = weights.moved.get(variable.path, weights.values[variable.path])
        np.testing.assert_allclose(variable.numpy(), values, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("depth", "width"), [(8, 0.25), (14, 0.125)])
@pytest.mark.parametrize("size", [(8, 8), (9, 11), (12, 9), (32, 32)])
def test_resnet(size, depth, width, training):
    model = bnkeras.build("resnet_cifar", depth=depth, width=width, input_shape=(*size, 3), seed=5)
    compare(model, lambda w, x: resnet(w, x, depth), (*size, 3), training)


@pytest.mark.parametrize("training", [False, True])
def test_resnet_for_images_of_any_size(training):
    model = bnkeras.build("resnet_cifar", depth=8, width=0.25, input_shape=(None, None, 3))
    for size in ((8, 8), (9, 11)):
        compare(model, lambda w, x: resnet(w, x, 8), (*size, 3), training)


@pytest.mark.parametrize("training", [False, True])
def test_mlp(training):
    model = bnkeras.build("mlp", hidden=(20, 12), input_shape=(6, 5, 3), classes=4, seed=5)
    compare(model, lambda w, x: perceptron(w, x, 2), (6, 5, 3), training)


@pytest.mark.parametrize("training", [False, True])
def test_mixed_precision_is_near(training):
    x = np.random.default_rng(4).normal(0, 1, (16, 16, 16, 3)).astype(np.float32)
    arguments = {"depth": 8, "width": 0.5, "input_shape": (16, 16, 3), "seed": 5}
    full = perturbed(bnkeras.build("resnet_cifar", **arguments))
    mixed = perturbed(bnkeras.build("resnet_cifar", dtype="mixed_bfloat16", **arguments))
    expected, logits = full(x, training=training), mixed(x, training=training)
    assert logits.dtype == tf.float32
    np.testing.assert_allclose(logits, expected, atol=0.05 * np.abs(expected).max())


TWEETS = np.array([[7, 3, 1, 8, 5], [4, 0, 0, 0, 0], [2, 9, 6, 0, 0]])


def tweets(**arguments):
    sizes = {"vocabulary_size": 10, "embedding": 12, "units": 8, "classes": 3}
    return perturbed(bnkeras.build("tweet_lstm", seed=5, **sizes, **arguments))


@pytest.mark.parametrize("norm", ["batch", "group", "layer"])
def test_a_tweet_is_read_to_its_last_word(norm):
    model = tweets(norm=norm)
    logits = model(TWEETS).numpy()
    assert np.ptp(logits, axis=0).max() > 0.01
    # More padding, other neighbours and another row 0 of the embedding make no difference.
    np.testing.assert_allclose(model(np.pad(TWEETS, ((0, 0), (0, 4)))), logits, atol=1e-6)
    np.testing.assert_allclose(model(TWEETS[1:2, :1]), logits[1:2], atol=1e-6)
    embeddings = model.get_layer("embedding").embeddings
    embeddings.assign(np.concatenate([np.full((1, 12), 9.0), embeddings.numpy()[1:]]))
    np.testing.assert_array_equal(model(TWEETS), logits)


def test_batch_statistics_count_padding():
    model = tweets()
    words = np.where(TWEETS[..., None], model.get_layer("embedding").embeddings.numpy()[TWEETS], 0)
    before = model.get_layer("embedding_bn").moving_mean.numpy()
    model(TWEETS, training=True)
    after = model.get_layer("embedding_bn").moving_mean.numpy()
    np.testing.assert_allclose(after, 0.9 * before + 0.1 * words.mean((0, 1)), atol=1e-6)


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_logits_are_not_normalized_by_themselves(norm):
    """Two of them would be 1 and −1."""
    model = tweets(norm=norm)
    layer = model.get_layer("output_bn")
    expected = layer.gamma.numpy() * np.array([1.0, 2.0, 4.0]) + layer.beta.numpy()
    np.testing.assert_allclose(layer(np.array([[1.0, 2.0, 4.0]], np.float32))[0], expected)


def test_a_tweet_network_in_mixed_precision_is_near():
    full, mixed = tweets(), tweets(dtype="mixed_bfloat16")
    expected, logits = full(TWEETS).numpy(), mixed(TWEETS)
    assert logits.dtype == tf.float32
    np.testing.assert_allclose(logits, expected, atol=0.05 * np.abs(expected).max())


WITH_NORMS = {
    "resnet_imagenet": ({"depth": 18, "width": 1 / 8}, (64, 64, 3)),
    "vgg_cifar": ({"depth": 11, "width": 1 / 8}, (32, 32, 3)),
    "mlp": ({"hidden": (20, 12), "input_shape": (6, 5, 3)}, (6, 5, 3)),
}


@pytest.mark.parametrize(
    ("name", "norm"),
    [
        *itertools.product(["resnet_imagenet", "vgg_cifar"], ["instance", "group", "layer"]),
        *itertools.product(["mlp"], ["group", "layer"]),
    ],
)
def test_norms_of_one_image_leave_the_batch_alone(name, norm):
    arguments, shape = WITH_NORMS[name]
    x = np.random.default_rng(4).normal(0, 1, (3, *shape)).astype(np.float32)
    model = perturbed(bnkeras.build(name, norm=norm, seed=5, **arguments))
    logits = model(x).numpy()
    np.testing.assert_allclose(model(x, training=True), logits, atol=1e-6)
    np.testing.assert_allclose(model(x[1:2]), logits[1:2], atol=1e-4 * np.abs(logits).max())
    assert np.ptp(logits, axis=0).max() > 0.01


def test_instance_normalization_of_one_position_is_refused():
    message = (
        "Instance normalization takes mean and variance over the positions of an image, and at "
        "'group4_block0_shortcut_bn' there is one position: every value would become 0. Choose "
        "the norm batch, group or layer; received 'instance'."
    )
    arguments = {"depth": 18, "width": 1 / 8, "input_shape": (32, 32, 3)}
    with pytest.raises(ModelError) as caught:
        bnkeras.build("resnet_imagenet", norm="instance", **arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("channels", "groups"),
    [(1, 1), (2, 1), (3, 1), (6, 3), (16, 8), (100, 25), (64, 32), (512, 32)],
)
def test_groups(channels, groups):
    assert groups_of(channels) == groups


def test_strided_convolutions_are_not_padded_as_keras_pads_them():
    """The test above would see it: Keras' "same" gives other values."""
    x = np.random.default_rng(4).normal(0, 1, (1, 8, 8, 4)).astype(np.float32)
    model = bnkeras.build("resnet_cifar", depth=8, width=0.25, input_shape=(8, 8, 3))
    layer = model.get_layer("group2_block0_conv1")
    assert (layer.strides, layer.padding) == ((2, 2), "valid")
    same = keras.ops.conv(x, layer.kernel, 2, "same")
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    padded = keras.ops.conv(padded, layer.kernel, 2, "valid")
    assert same.shape == padded.shape
    assert not np.allclose(same, padded)
