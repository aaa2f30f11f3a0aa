"""Zeros behind ReLUs, against NumPy."""

import keras
import numpy as np
import pytest

import bnkeras
from bnkeras.analysis.activations import relu_zeros
from bnkeras.errors import ModelError

LABELS = np.zeros(100, np.int64)


def test_zeros_are_those_of_numpy(batches_of):
    layers = keras.layers
    image = keras.Input((4, 3, 2))
    x = layers.Conv2D(5, 1, name="mix")(image)
    x = layers.ReLU(name="first")(x)
    x = layers.Activation("relu", name="second")(layers.Rescaling(1.0, -0.5)(x))
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(4, activation="relu", name="fused")(x)
    x = layers.LeakyReLU(name="leaky")(x)
    model = keras.Model(image, layers.Dense(2)(keras.ops.relu(x)))
    images = np.random.default_rng(1).normal(size=(11, 4, 3, 2)).astype(np.float32)
    first, second, fused, free = relu_zeros(model, batches_of(images, LABELS[:11], 4))

    kernel = model.get_layer("mix").kernel.numpy()[0, 0]
    rectified = np.maximum(images @ kernel, 0)
    assert (first.layer, first.positions) == ("first", 11 * 4 * 3)
    assert first.zeros.tolist() == np.sum(rectified == 0, axis=(0, 1, 2)).tolist()
    shifted = np.maximum(rectified - np.float32(0.5), 0)
    assert second.zeros.tolist() == np.sum(shifted == 0, axis=(0, 1, 2)).tolist()
    assert second.probability.tolist() == (second.zeros / (11 * 4 * 3)).tolist()
    assert (fused.layer, fused.positions) == ("fused", 11)
    given = shifted.mean(axis=(1, 2)) @ model.get_layer("fused").kernel.numpy()
    assert fused.zeros.tolist() == np.sum(given <= 0, axis=0).tolist()
    assert free.zeros.tolist() == fused.zeros.tolist()  # behind a leaky one


def test_of_a_text_only_the_words_count(batches_of):
    """More padding changes nothing."""
    model = bnkeras.build("tweet_lstm", vocabulary_size=9, embedding=4, units=3, seed=2)
    ids = np.array([[3, 4, 0, 0], [5, 0, 0, 0], [8, 7, 6, 2]], np.int32)
    words, last = relu_zeros(model, batches_of(ids, LABELS[:3], 2))
    assert (words.layer, words.positions, words.zeros.shape) == ("embedding_relu", 7, (4,))
    assert (last.layer, last.positions, last.zeros.shape) == ("lstm_relu", 3, (3,))
    padded = np.pad(ids, ((0, 0), (0, 3)))
    again, _ = relu_zeros(model, batches_of(padded, LABELS[:3], 3))
    assert (again.positions, again.zeros.tolist()) == (7, words.zeros.tolist())
    vectors = model.get_layer("embedding").embeddings.numpy()[ids[ids > 0]]
    norm = model.get_layer("embedding_bn")
    # The moving mean is 0 and β is 0, so the sign of γ · x decides.
    assert words.zeros.tolist() == np.sum(vectors * norm.gamma.numpy() <= 0, axis=0).tolist()


def test_a_layer_called_twice_has_two_entries(batches_of):
    relu = keras.layers.ReLU(name="relu")
    x = keras.Input((2,))
    model = keras.Model(x, relu(keras.layers.Rescaling(-1.0)(relu(x))))
    inputs = np.array([[1, -1], [2, 3]], np.float32)
    found = relu_zeros(model, batches_of(inputs, LABELS[:2], 2))
    assert [(one.layer, one.zeros.tolist()) for one in found] == [
        ("relu", [0, 1]),
        ("relu#2", [2, 2]),
    ]


def test_refusals():
    linear = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)], name="linear")
    with pytest.raises(ModelError, match="'linear' has no ReLU"):
        relu_zeros(linear, None)

    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ModelError, match=r"'own' \(Own\) has none that Keras knows"):
        relu_zeros(Own(name="own"), None)
