"""The networks compute what the papers' PyTorch networks compute: a second implementation.

It is written in NumPy and float64 from the papers' descriptions and PyTorch's rules
for padding, and takes the weights by their names.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.lib.stride_tricks import sliding_window_view

import bnkeras

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
        x = relu(w.norm(x @ w[f"hidden{index}_dense/kernel"], f"hidden{index}_bn"))
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
