"""Norms that leave the batch alone, against NumPy and the Keras layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from bnkeras.errors import ModelError
from bnkeras.layers import Affine, GroupNormalization

EPSILON = 1e-5


def filled(layer, shape):
    """Build a layer for inputs of `shape`, with a γ and a β of its own for each channel."""
    layer.build(shape)
    layer.gamma.assign(np.linspace(-1, 2, shape[-1]))
    layer.beta.assign(np.linspace(3, -2, shape[-1]))
    return layer


def by_hand(x, groups, per_position=False):
    """Normalize in float64, group by group."""
    x = x.astype(np.float64)
    channels = x.shape[-1]
    size = channels // groups
    y = np.empty_like(x)
    for group in range(groups):
        part = x[..., group * size : (group + 1) * size]
        axes = -1 if per_position else tuple(range(1, x.ndim))
        mean, variance = part.mean(axes, keepdims=True), part.var(axes, keepdims=True)
        y[..., group * size : (group + 1) * size] = (part - mean) / np.sqrt(variance + EPSILON)
    return np.linspace(-1, 2, channels) * y + np.linspace(3, -2, channels)


def random(*shape, mean=0.0):
    return np.random.default_rng(1).normal(mean, 2, shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(3, 5, 4, 12), (3, 7, 12), (3, 2, 3, 4, 12), (3, 1, 2, 12)])
@pytest.mark.parametrize("groups", [1, 2, 4, 12])
def test_values(shape, groups):
    x = random(*shape)
    layer = filled(GroupNormalization(groups, epsilon=EPSILON), shape)
    expected = by_hand(x, groups)
    for training in (False, True):
        np.testing.assert_allclose(layer(x, training=training), expected, atol=1e-5)
    np.testing.assert_allclose(layer(x[1:2]), expected[1:2], atol=1e-5)
    assert len(layer.variables) == 2


@pytest.mark.parametrize("shape", [(3, 12), (3, 7, 12), (3, 5, 4, 12)])
@pytest.mark.parametrize("groups", [1, 3])
def test_values_per_position(shape, groups):
    x = random(*shape)
    layer = filled(GroupNormalization(groups, per_position=True, epsilon=EPSILON), shape)
    np.testing.assert_allclose(layer(x), by_hand(x, groups, per_position=True), atol=1e-5)


@pytest.mark.parametrize("groups", [1, 4, -1])
def test_it_is_the_keras_layer(groups):
    x = tf.constant(random(3, 5, 4, 12))
    layers = [GroupNormalization(groups, epsilon=1e-3), keras.layers.GroupNormalization(groups)]
    results = []
    for layer in layers:
        filled(layer, x.shape)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(y * tf.sin(3 * x))
        results.append([y, *tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])])
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)


def test_without_gamma_and_beta():
    x = random(3, 5, 4, 12)
    y = GroupNormalization(4, center=False, scale=False, epsilon=EPSILON)(x).numpy()
    grouped = y.reshape(3, 20, 4, 3)
    np.testing.assert_allclose(grouped.mean((1, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(grouped.std((1, 3)), 1, atol=1e-4)


@pytest.mark.parametrize("groups", [1, 4, -1])
def test_a_mean_far_from_zero(groups):
    """A variance of E[x²] − E[x]² in float32 would have no digit right."""
    x = random(3, 8, 8, 12, mean=1e4)
    layer = filled(GroupNormalization(groups, epsilon=EPSILON), x.shape)
    np.testing.assert_allclose(layer(x), by_hand(x, 12 if groups < 0 else groups), atol=0.02)


@pytest.mark.parametrize("groups", [1, 4, -1])
def test_statistics_are_of_float32_in_mixed_precision(groups):
    x = tf.cast(random(3, 8, 8, 12, mean=30), tf.bfloat16)
    layer = filled(GroupNormalization(groups, epsilon=EPSILON, dtype="mixed_bfloat16"), x.shape)
    assert {variable.dtype for variable in layer.variables} == {"float32"}
    y = layer(x)
    assert y.dtype == tf.bfloat16
    exact = filled(GroupNormalization(groups, epsilon=EPSILON), x.shape)(tf.cast(x, tf.float32))
    # Nothing is rounded but the result.
    np.testing.assert_array_equal(y, tf.cast(exact, tf.bfloat16))


def test_shapes_that_are_known_when_it_runs():
    layer = filled(GroupNormalization(4, epsilon=EPSILON), (None, None, None, 12))
    traced = tf.function(
        layer.call, input_signature=[tf.TensorSpec([None, None, None, 12])], autograph=False
    )
    for shape in ((3, 5, 4, 12), (1, 2, 9, 12)):
        x = random(*shape)
        np.testing.assert_allclose(traced(x), by_hand(x, 4), atol=1e-5)
    inputs = keras.Input((None, None, 12))
    assert keras.Model(inputs, layer(inputs)).output_shape == (None, None, None, 12)


@pytest.mark.parametrize(
    "layer", [GroupNormalization(4, per_position=True, epsilon=1e-5, name="norm"), Affine(name="a")]
)
def test_a_keras_file(layer, tmp_path):
    inputs = keras.Input((6, 12))
    model = keras.Model(inputs, layer(inputs))
    layer.gamma.assign(np.linspace(-1, 2, 12))
    model.save(tmp_path / "model.keras")
    x = random(3, 6, 12)
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(x), model(x))


def test_an_axis_that_is_refused():
    with pytest.raises(ModelError, match=r"The channels are the last axis, -1; received axis=1\."):
        GroupNormalization(4, axis=1)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_affine(policy):
    x = random(5, 3)
    layer = filled(Affine(dtype=policy), x.shape)
    assert {variable.path.rpartition("/")[2] for variable in layer.variables} == {"gamma", "beta"}
    assert {variable.dtype for variable in layer.variables} == {"float32"}
    expected = np.array([-1, 0.5, 2]) * x + np.array([3, 0.5, -2])
    y = layer(x)
    assert y.dtype == ("bfloat16" if policy == "mixed_bfloat16" else "float32")
    tolerance = 0.05 if policy == "mixed_bfloat16" else 1e-6
    np.testing.assert_allclose(tf.cast(y, tf.float32), expected, atol=tolerance)
