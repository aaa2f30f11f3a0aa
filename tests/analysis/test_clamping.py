"""Small γ set to zero: accuracies by hand, and γ as before."""

import keras
import numpy as np
import pytest

from bnkeras.analysis.clamping import clamp
from bnkeras.errors import InputError


@pytest.fixture
def model():
    """Logits are γ · x + β of a norm whose statistics are those of the standard normal."""
    norm = keras.layers.BatchNormalization(epsilon=0.0, name="bn")
    model = keras.Sequential([keras.Input((3,)), norm])
    norm.gamma.assign([0.5, -0.05, 0.005])
    norm.beta.assign([0.0, 0.25, 0.1])
    return model


def by_hand(model, inputs, threshold):
    gamma, beta = (np.array(getattr(model.get_layer("bn"), name)) for name in ("gamma", "beta"))
    return np.argmax(np.where(np.abs(gamma) < threshold, 0, gamma) * inputs + beta, axis=1)


def test_accuracies_are_those_of_numpy(model, batches_of):
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(23, 3)).astype(np.float32) * 5
    labels = draw.integers(0, 3, 23)
    ticks = []
    found = clamp(model, batches_of(inputs, labels, 5), [0.6, 0.01, 0.1], lambda: ticks.append(1))
    assert found.thresholds.tolist() == [0, 0.01, 0.1, 0.6]  # 0 is added
    assert found.clamped.tolist() == [0, 1, 2, 3]
    assert found.share.tolist() == [0, 1 / 3, 2 / 3, 1]
    answers = [by_hand(model, inputs, threshold) for threshold in found.thresholds]
    assert found.right.tolist() == [int(np.sum(answer == labels)) for answer in answers]
    assert found.same.tolist() == [int(np.sum(answer == answers[0])) for answer in answers]
    assert len(set(found.right.tolist())) > 1
    assert (found.examples, found.scales, len(ticks)) == (23, 3, 5)
    assert found.accuracy.tolist() == (found.right / 23).tolist()


def test_gamma_is_as_before_bit_for_bit(model, batches_of):
    before = np.array(model.get_layer("bn").gamma)
    inputs = np.ones((4, 3), np.float32)
    clamp(model, batches_of(inputs, np.zeros(4, np.int64), 4), [1.0])
    assert np.array(model.get_layer("bn").gamma).tobytes() == before.tobytes()

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clamp(model, batches_of(inputs, np.zeros(4, np.int64), 4), [1.0], stop)
    assert np.array(model.get_layer("bn").gamma).tobytes() == before.tobytes()


def test_refusals(model, batches_of):
    with pytest.raises(InputError, match=r"from 0 on; received -0\.1"):
        clamp(model, None, [-0.1, 0.2])
    plain = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], name="plain")
    with pytest.raises(InputError, match="'plain' has no scale γ"):
        clamp(plain, None)
