"""The learning rate as a function of the step."""

import doctest
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from bnkeras.recipe import load
from bnkeras.training import schedule
from bnkeras.training.schedule import CosineSchedule, OneCycleSchedule, StepSchedule
from bnkeras.training.setup import learning_rate


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


def torchs_one_cycle(base, total, step):
    """`torch.optim.lr_scheduler.OneCycleLR(optimizer, base, total)` with its defaults."""
    pct_start, div_factor, final_div_factor = 0.3, 25.0, 1e4
    initial_lr = base / div_factor
    min_lr = initial_lr / final_div_factor
    phases = [
        (float(pct_start * total) - 1, initial_lr, base),
        (total - 1, base, min_lr),
    ]
    start_step = 0.0
    for number, (end_step, start, end) in enumerate(phases):
        if step <= end_step or number == len(phases) - 1:
            pct = (step - start_step) / (end_step - start_step)
            return end + (start - end) / 2.0 * (math.cos(math.pi * pct) + 1)
        start_step = end_step
    raise AssertionError


# 1 to 3: no rise. 4: its end is between steps 0 and 1. 3,520 = 160 epochs of 22 steps.
@pytest.mark.parametrize("total", [1, 2, 3, 4, 5, 10, 11, 17, 70, 3520])
def test_one_cycle_is_pytorchs(total):
    ours = OneCycleSchedule(0.05, total)
    steps = range(total) if total < 100 else [*range(0, total, 55), *range(1050, 1060), total - 1]
    theirs = [torchs_one_cycle(0.05, total, step) for step in steps]
    # The last rates are thousands of times smaller than the highest: each to its own size.
    assert rates(ours, steps) == pytest.approx(theirs, rel=2e-6)


def test_one_cycle_by_hand():
    # Up in the steps 0 to 5, down in 5 to 19: half of each way is 2.5 and 12.
    cycle = OneCycleSchedule(1.0, 20)
    assert rates(cycle, [0, 5, 12, 19]) == near(0.04, 1.0, (1 + 4e-6) / 2, 4e-6)
    assert rates(cycle, [2, 3]) == near(
        0.04 + 0.96 * (1 - math.cos(0.4 * math.pi)) / 2,
        0.04 + 0.96 * (1 - math.cos(0.6 * math.pi)) / 2,
    )
    every = rates(cycle, range(20))
    assert every[:6] == sorted(every[:6])
    assert every[5:] == sorted(every[5:], reverse=True)
    assert rates(cycle, [20, 10**6]) == [every[-1]] * 2


def test_cosine_by_hand():
    # Without warm-up: all at step 0, half at 10, none at 20, the last.
    plain = CosineSchedule(0.4, 21)
    assert rates(plain, [0, 5, 10, 15]) == near(
        0.4, 0.2 * (1 + math.sqrt(0.5)), 0.2, 0.2 * (1 - math.sqrt(0.5))
    )
    assert rates(plain, [20, 21, 10**6]) == [0, 0, 0]
    numpys = 0.2 * (1 + np.cos(np.pi * np.arange(21) / 20))
    assert rates(plain, range(20)) == pytest.approx(numpys[:20], rel=1e-6)


def test_cosine_after_a_warm_up():
    # The warm-up is the steps'; its last step, 4, has all of the rate; step 24 is the last.
    warm = CosineSchedule(0.4, 25, warmup_steps=5)
    assert rates(warm, range(5)) == rates(StepSchedule(0.4, warmup_steps=5), range(5))
    assert rates(warm, [4, 14, 19]) == near(0.4, 0.2, 0.2 * (1 - math.sqrt(0.5)))
    assert rates(warm, [5])[0] < 0.4
    assert rates(warm, [24, 25]) == [0, 0]


def test_a_cosine_without_room():
    assert rates(CosineSchedule(0.4, 1), [0]) == near(0.4)
    assert rates(CosineSchedule(0.4, 2), [0, 1]) == near(0.4, 0)
    warm = StepSchedule(0.4, warmup_steps=5)
    for total in (3, 5):
        assert rates(CosineSchedule(0.4, total, 5), range(total)) == rates(warm, range(total))
    assert rates(CosineSchedule(0.4, 6, 5), range(6)) == [*rates(warm, range(5)), 0]


OTHERS = [CosineSchedule(0.4, 14), CosineSchedule(0.4, 14, 5), OneCycleSchedule(0.4, 14)]


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: str(list(other.get_config())))
def test_others_traced_and_with_the_optimizers_counter(other):
    traced = tf.function(lambda step: other(step))
    compiled = tf.function(lambda step: other(step), jit_compile=True)
    for dtype in (tf.int32, tf.int64):
        for step in range(14):
            eager = float(other(step))
            assert 0 <= eager <= 0.4 * (1 + 2e-7)
            assert float(traced(tf.constant(step, dtype))) == pytest.approx(eager, rel=5e-7)
            assert float(compiled(tf.constant(step, dtype))) == pytest.approx(eager, rel=5e-7)
        assert other(tf.constant(3, dtype)).dtype == tf.float32


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: str(list(other.get_config())))
def test_serialisation_of_others(other):
    serialized = keras.saving.serialize_keras_object(other)
    assert serialized["registered_name"] == f"bnkeras>{type(other).__name__}"
    assert serialized["config"] == other.get_config()
    again = keras.saving.deserialize_keras_object(serialized)
    assert type(again) is type(other)
    assert rates(again, range(16)) == rates(other, range(16))
    optimizer = keras.optimizers.SGD(other)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert again._learning_rate.get_config() == other.get_config()


def test_the_schedule_of_a_recipe():
    def of(*settings):
        made = learning_rate(load("resnet14_bnonly", ["train.epochs=20", *settings]), 100)
        return type(made), made.get_config()

    assert of("train.warmup_epochs=2") == (
        StepSchedule,
        {"base": 0.1, "boundaries": [8000, 12000], "decay": 0.1, "warmup_steps": 200},
    )
    assert of("train.schedule=cosine", "train.warmup_epochs=2") == (
        CosineSchedule,
        {"base": 0.1, "total_steps": 2000, "warmup_steps": 200},
    )
    assert of("train.schedule=one_cycle") == (OneCycleSchedule, {"base": 0.1, "total_steps": 2000})


def test_examples():
    names = {name: getattr(schedule, name) for name in dir(schedule) if name.endswith("Schedule")}
    assert len(names) == 3
    assert doctest.testmod(schedule, extraglobs=names).failed == 0
