"""The precision of a run, chosen by timing; the clock is moved by the steps."""

import pytest

from bnkeras.training.precision import faster_precision


class Bench:
    """Steps that take the given seconds, round by round, and a clock that shows them."""

    def __init__(self, **seconds):
        self.seconds = {name: list(times) for name, times in seconds.items()}
        self.now, self.ran = 0.0, []

    def training_step(self, precision):
        def step():
            self.ran.append(precision)
            self.now += self.seconds[precision].pop(0)

        return step

    def choice(self, **arguments):
        return faster_precision(self.training_step, clock=lambda: self.now, **arguments)


@pytest.mark.parametrize(
    ("float32", "bfloat16", "chosen"),
    [
        (0.060, 0.040, "mixed_bfloat16"),  # 1.5 times as fast
        (0.007, 0.019, "float32"),  # slower, as an LSTM
        (0.105, 0.100, "float32"),  # faster by less than the margin of 1.1
        (0.112, 0.100, "mixed_bfloat16"),
    ],
)
def test_bfloat16_is_taken_where_it_is_faster_by_a_margin(float32, bfloat16, chosen):
    assert Bench(float32=[float32] * 7, mixed_bfloat16=[bfloat16] * 7).choice() == chosen


def test_the_margin_is_a_setting():
    bench = {"float32": [0.105] * 7, "mixed_bfloat16": [0.1] * 7}
    assert Bench(**bench).choice(margin=1.04) == "mixed_bfloat16"
    assert Bench(**bench).choice(margin=1.06) == "float32"


def test_tracing_does_not_count():
    """The first two steps of each are slow, and decide nothing."""
    bench = Bench(float32=[1, 1, *[2] * 5], mixed_bfloat16=[90, 90, *[1] * 5])
    assert bench.choice() == "mixed_bfloat16"


def test_one_disturbed_round_decides_nothing():
    bench = Bench(float32=[1] * 7, mixed_bfloat16=[1, 1, 0.001, *[1] * 4])
    assert bench.choice() == "float32"


def test_steps_alternate():
    """A change of the machine's speed meets both alike: all rounds slow down, the ratio stays."""
    slowing = [2.0**step for step in range(7)]
    bench = Bench(float32=slowing, mixed_bfloat16=[time * 0.8 for time in slowing])
    assert bench.choice(rounds=5) == "mixed_bfloat16"
    assert bench.ran[4:] == ["float32", "mixed_bfloat16"] * 5
