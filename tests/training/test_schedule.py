"""The learning rate as a function of the step."""

import doctest

import keras
import numpy as np
import pytest
import tensorflow as tf

from bnkeras.training import schedule
from bnkeras.training.schedule import StepSchedule


def rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


def near(*values):
    return pytest.approx(values, rel=3e-7)


def test_a_drop_takes_effect_at_its_step():
    # Step 80 · 390 is the first of epoch 80: the update that 80 · 390 updates precede.
    papers = StepSchedule(0.1, [80 * 390, 120 * 390])
    steps = [0, 1, 80 * 390 - 1, 80 * 390, 120 * 390 - 1, 120 * 390, 160 * 390 - 1]
    assert rates(papers, steps) == near(0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001)


def test_the_exact_values():
    """Each drop is one product in float32."""
    one, tenth = np.float32(0.1), np.float32(0.1)
    papers = StepSchedule(0.1, [5, 10, 15])
    assert rates(papers, [4, 5, 10, 15]) == [
        one,
        one * tenth,
        one * tenth * tenth,
        one * tenth * tenth * tenth,
    ]


def test_without_drops_it_is_constant():
    assert rates(StepSchedule(0.25), [0, 1, 10**6]) == [0.25] * 3


def test_another_decay():
    assert rates(StepSchedule(1.0, [2, 4], decay=0.5), range(6)) == [1, 1, 0.5, 0.5, 0.25, 0.25]


def test_warm_up_ends_at_the_base_rate():
    # The first step has a part of the rate, not none; step `warmup_steps` - 1 has all.
    warm = StepSchedule(0.4, [8], warmup_steps=5)
    assert rates(warm, range(9)) == near(0.08, 0.16, 0.24, 0.32, 0.4, 0.4, 0.4, 0.4, 0.04)


def test_a_drop_within_the_warm_up():
    warm = StepSchedule(1.0, [2], warmup_steps=4)
    assert rates(warm, range(5)) == near(0.25, 0.5, 0.075, 0.1, 0.1)


def test_a_drop_at_the_first_step():
    assert rates(StepSchedule(1.0, [0], 0.5), [0, 1]) == [0.5, 0.5]


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
def test_traced_and_with_the_optimizers_counter(dtype):
    warm = StepSchedule(0.4, [8, 12], warmup_steps=5)
    traced = tf.function(lambda step: warm(step))
    compiled = tf.function(lambda step: warm(step), jit_compile=True)
    for step in range(14):
        expected = float(warm(step))
        assert float(traced(tf.constant(step, dtype))) == expected
        assert float(compiled(tf.constant(step, dtype))) == pytest.approx(expected, rel=2e-7)
    assert warm(tf.constant(3, dtype)).dtype == tf.float32


def test_the_optimizer_follows_it():
    variable = keras.Variable([1.0])
    optimizer = keras.optimizers.SGD(StepSchedule(1.0, [2, 3], 0.5, warmup_steps=2))
    steps = []
    for _ in range(5):
        before = float(variable[0])
        optimizer.apply([tf.constant([0.01])], [variable])
        steps.append((before - float(variable[0])) / 0.01)
    assert steps == pytest.approx([0.5, 1, 0.5, 0.25, 0.25], rel=1e-4)


def test_serialisation():
    warm = StepSchedule(0.4, (8, 12), 0.2, 5)
    config = warm.get_config()
    assert config == {"base": 0.4, "boundaries": [8, 12], "decay": 0.2, "warmup_steps": 5}
    serialized = keras.saving.serialize_keras_object(warm)
    assert serialized["registered_name"] == "bnkeras>StepSchedule"
    again = keras.saving.deserialize_keras_object(serialized)
    assert again.get_config() == config
    assert rates(again, range(14)) == rates(warm, range(14))


def test_examples():
    assert doctest.testmod(schedule, extraglobs={"StepSchedule": StepSchedule}).failed == 0
