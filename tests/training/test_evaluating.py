"""Right answers, counted without the padding of the last batch."""

from types import SimpleNamespace

import keras
import numpy as np
import tensorflow as tf

from bnkeras.training.evaluating import Evaluation, evaluate_test


def test_answers_are_counted_by_hand():
    """The networks answer with the larger of two inputs, and with the smaller."""
    inputs = keras.Input((2,))
    larger = keras.Model(inputs, keras.layers.Identity()(inputs))
    smaller = keras.Model(inputs, keras.layers.Rescaling(-1.0)(inputs))
    batches = [
        ([[1, 0], [0, 1], [2, 3]], [0, 1, 0], [1, 1, 1]),
        ([[5, 4], [0, 0], [0, 0]], [0, 0, 0], [1, 0, 0]),  # two rows of padding
    ]
    test = [tuple(tf.constant(part, tf.float32) for part in batch) for batch in batches]
    found = evaluate_test([larger, smaller], SimpleNamespace(test=test))
    assert found == Evaluation(examples=4, right=(3, 1), agree=(4, 0))
    assert np.sum(found.right) == found.examples
