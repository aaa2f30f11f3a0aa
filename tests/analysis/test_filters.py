"""Filters of the first layer, before and after the norm."""

import keras
import numpy as np
import pytest

import bnkeras
from bnkeras.analysis.filters import first_filters


def test_a_convolution_and_its_batch_norm():
    model = bnkeras.build("resnet_cifar", depth=8, input_shape=(8, 8, 3))
    norm = model.get_layer("stem_bn")
    gamma, variance = np.linspace(-1, 0.5, 16), np.linspace(0.5, 2, 16)
    norm.gamma.assign(gamma)
    norm.moving_variance.assign(variance)
    found = first_filters(model)
    assert (found.layer, found.norm, found.of) == ("stem_conv", "stem_bn", 16)
    scale = gamma / np.sqrt(variance + 1e-5)
    order = np.argsort(-np.abs(scale), kind="stable")
    assert found.units.tolist() == order.tolist()
    assert found.scale == pytest.approx(scale[order], rel=1e-6)
    kernel = model.get_layer("stem_conv").kernel.numpy()
    assert np.array_equal(found.kernels, kernel.transpose(3, 0, 1, 2)[order])
    assert found.scaled[0] == pytest.approx(found.kernels[0] * found.scale[0])


def test_units_on_all_pixels_are_images():
    model = bnkeras.build("mlp", hidden=(100, 8), input_shape=(4, 5, 3), norm="layer")
    found = first_filters(model)
    assert (found.layer, found.norm, found.of) == ("hidden1_dense", "hidden1_bn", 100)
    assert found.kernels.shape == (64, 4, 5, 3)
    kernel = model.get_layer("hidden1_dense").kernel.numpy()
    unit = found.units[0]
    assert np.array_equal(found.kernels[0], kernel[:, unit].reshape(4, 5, 3))
    # Without moving statistics γ alone is the scale.
    gamma = model.get_layer("hidden1_bn").gamma.numpy()
    assert found.scale[0] == gamma[unit] == gamma.max()


def test_where_there_is_none():
    assert first_filters(bnkeras.build("tweet_lstm", vocabulary_size=9, units=4)) is None
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3)(image)
    alone = first_filters(keras.Model(image, keras.layers.ReLU()(x)))
    assert (alone.norm, alone.scale.tolist()) == (None, [1, 1, 1, 1])
