"""Sequences that are padded with 0 at their end."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from bnkeras.layers import LSTM, Embedding, LastStep


def test_padding_is_zero_whatever_its_row_holds():
    layer = Embedding(5, 3, embeddings_initializer="ones")
    ids = tf.constant([[4, 2, 0], [1, 0, 0]])
    np.testing.assert_array_equal(layer(ids)[..., 0], [[1, 1, 0], [1, 0, 0]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(ids))
    gradient = tf.convert_to_tensor(tape.gradient(loss, layer.embeddings.value))
    np.testing.assert_array_equal(gradient[:, 0], [0, 1, 1, 0, 1])


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_ids_of_any_integer_type(dtype):
    layer = Embedding(5, 3, embeddings_initializer="ones")
    np.testing.assert_array_equal(layer(np.array([[4, 0]], dtype))[0, :, 0], [1, 0])


def test_no_mask_goes_on():
    inputs = keras.Input((None,), dtype="int32")
    outputs = LastStep()(LSTM(4, return_sequences=True)(Embedding(5, 3)(inputs)), inputs)
    assert getattr(outputs, "_keras_mask", None) is None
    assert keras.Model(inputs, outputs).output_shape == (None, 4)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_the_last_real_step(dtype):
    sequences = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    ids = np.array([[7, 8, 9], [7, 8, 0], [7, 0, 0], [0, 0, 0]])
    y = LastStep(dtype=dtype)(sequences, ids)
    # An empty sequence has its first step.
    np.testing.assert_array_equal(tf.cast(y, tf.float32), [[4, 5], [8, 9], [12, 13], [18, 19]])


def test_the_gradient_of_the_last_real_step():
    sequences = tf.zeros((2, 3, 2))
    with tf.GradientTape() as tape:
        tape.watch(sequences)
        loss = tf.reduce_sum(LastStep()(sequences, tf.constant([[7, 8, 0], [7, 0, 0]])))
    gradient = tape.gradient(loss, sequences)
    np.testing.assert_array_equal(gradient[..., 1], [[0, 1, 0], [1, 0, 0]])


def test_the_lstm_is_that_of_keras_without_its_random_state():
    x = np.random.default_rng(0).normal(0, 1, (3, 5, 4)).astype(np.float32)
    mine, theirs = LSTM(6, name="lstm"), keras.layers.LSTM(6, name="lstm")
    mine(x), theirs(x)
    for variable, other in zip(mine.trainable_variables, theirs.trainable_variables, strict=True):
        assert variable.path == other.path
        variable.assign(other)
    np.testing.assert_array_equal(mine(x), theirs(x))
    assert [variable.name for variable in theirs.non_trainable_variables] == [
        "seed_generator_state"
    ]
    assert not mine.non_trainable_variables
    assert len(mine.variables) == 3


@pytest.mark.parametrize("dropout", [{"dropout": 0.5}, {"recurrent_dropout": 0.5}])
def test_an_lstm_with_dropout_keeps_it(dropout):
    x = np.ones((3, 5, 4), np.float32)
    layer = LSTM(6, **dropout)
    assert not np.allclose(layer(x, training=True), layer(x, training=True))
    assert len(layer.non_trainable_variables) == 1


def test_a_keras_file(tmp_path):
    inputs = keras.Input((None,), dtype="int32")
    x = LSTM(4, return_sequences=True)(Embedding(5, 3)(inputs))
    model = keras.Model(inputs, LastStep()(x, inputs))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    ids = np.array([[4, 2, 0], [1, 0, 0]])
    np.testing.assert_array_equal(model(ids), again(ids))
    assert len(again.variables) == 4
