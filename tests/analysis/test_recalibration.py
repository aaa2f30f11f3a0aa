"""Moving statistics measured anew: exact averages, and the old ones as before."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnkeras
from bnkeras.analysis.recalibration import recalibrate
from bnkeras.errors import InputError
from bnkeras.layers import BatchNormalization


@pytest.mark.parametrize("kind", [BatchNormalization, keras.layers.BatchNormalization])
def test_statistics_are_exact_averages(kind, batches_of):
    draw = np.random.default_rng(3)
    training = draw.normal(2, 3, size=(5, 8, 2)).astype(np.float32)
    train = tf.data.Dataset.from_tensor_slices((training, np.zeros((5, 8), np.int64)))
    norm = kind(epsilon=0.25, momentum=0.9, name="bn")
    model = keras.Sequential([keras.Input((2,)), norm])
    norm.moving_mean.assign([1.0, 2.0])
    norm.moving_variance.assign([4.0, 0.5])
    state = [np.array(variable) for variable in model.non_trainable_variables]
    test = draw.normal(2, 3, size=(31, 2)).astype(np.float32)
    labels = draw.integers(0, 2, 31)
    found = recalibrate(model, batches_of(test, labels, 8, train), count=4)

    assert (found.batches, found.batch_size, found.examples) == (4, 8, 31)
    mean = training[:4].mean(axis=1, dtype=np.float64).mean(axis=0)
    variance = training[:4].var(axis=1, dtype=np.float64).mean(axis=0)
    (shift,) = found.shifts
    deviation = np.sqrt(np.array([4.25, 0.75]))
    assert shift.layer == "bn"
    assert shift.mean == pytest.approx(np.mean(np.abs(mean - [1, 2]) / deviation), rel=1e-5)
    ratio = np.exp(np.mean(np.log((variance + 0.25) / [4.25, 0.75])))
    assert shift.variance == pytest.approx(ratio, rel=1e-5)
    before = np.argmax((test - [1, 2]) / deviation, axis=1)
    after = np.argmax((test - mean) / np.sqrt(variance + 0.25), axis=1)
    assert found.right_before == np.sum(before == labels)
    assert found.right_after == np.sum(after == labels)
    assert found.same == np.sum(before == after) < 31
    for variable, values in zip(model.non_trainable_variables, state, strict=True):
        assert np.array(variable).tobytes() == values.tobytes()
    assert norm.momentum == 0.9


def test_statistics_are_restored_when_it_is_interrupted(batches_of):
    model = bnkeras.build("mlp", hidden=(3,), input_shape=(2, 2, 1))
    state = [np.array(variable) for variable in model.variables]
    images = np.random.default_rng(0).normal(size=(4, 2, 2, 1)).astype(np.float32)
    train = tf.data.Dataset.from_tensors((images, np.zeros(4, np.int64)))
    calls = iter(range(9))

    def stop():
        if next(calls) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recalibrate(model, batches_of(images, np.zeros(4, np.int64), 4, train), tick=stop)
    for variable, values in zip(model.variables, state, strict=True):
        assert np.array(variable).tobytes() == values.tobytes()


def test_other_norms_have_none():
    model = bnkeras.build("mlp", hidden=(4,), input_shape=(2, 2, 1), norm="layer")
    with pytest.raises(InputError, match="'mlp' has no batch norm"):
        recalibrate(model, None)
