"""Batch normalization of rows against the formula in float64, its gradient against Keras."""

import numpy as np
import pytest
import tensorflow as tf

from bnkeras.layers.rows import normalize_rows

RANDOM = np.random.default_rng(0)
GAMMA, BETA = (RANDOM.normal(1, 0.5, 5).astype(np.float32) for _ in range(2))


def by_hand(x, epsilon):
    rows = x.astype(np.float64).reshape(-1, 5)
    mean, variance = rows.mean(0), rows.var(0)
    y = GAMMA * (rows - mean) / np.sqrt(variance + epsilon) + BETA
    return y.reshape(x.shape), mean, variance


@pytest.mark.parametrize("shape", [(32, 5), (4, 7, 5)])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_values(shape, offset):
    x = (RANDOM.normal(0, 1, shape) + offset).astype(np.float32)
    y, mean, variance = normalize_rows(tf.constant(x), GAMMA, BETA, 1e-5)
    expected = by_hand(x, 1e-5)
    # A value near 1,000 has steps of 6e-5.
    tolerance = 2e-4 if offset else 2e-6
    for value, other in zip((y, mean, variance), expected, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-5, atol=tolerance)


def test_gradients():
    x = tf.constant(RANDOM.normal(0, 2, (6, 4, 5)), tf.float32)
    weights = tf.constant(RANDOM.normal(0, 1, (6, 4, 5)), tf.float32)

    def plain(x, gamma, beta):
        mean, variance = tf.nn.moments(x, [0, 1])
        return gamma * (x - mean) / tf.sqrt(variance + 1e-5) + beta

    def gradients(normalize):
        values = [x, tf.constant(GAMMA), tf.constant(BETA)]
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = tf.reduce_sum(weights * normalize(*values))
        return tape.gradient(loss, values)

    mine = gradients(lambda *values: normalize_rows(*values, 1e-5)[0])
    for one, other in zip(mine, gradients(plain), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_bfloat16_rows_have_float32_statistics():
    x = tf.cast(RANDOM.normal(0, 1, (32, 5)), tf.bfloat16)
    y, mean, variance = normalize_rows(x, GAMMA, BETA, 1e-5)
    assert (y.dtype, mean.dtype, variance.dtype) == (tf.bfloat16, tf.float32, tf.float32)
    np.testing.assert_allclose(mean, np.mean(tf.cast(x, tf.float32), axis=0), atol=1e-6)
