"""The learning rate as a function of the step alone: a resumed run needs no state of it."""

import math
from collections.abc import Sequence

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="bnkeras")
class StepSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then drops at epoch boundaries.

        rate(step) = base · min(1, (step + 1) / warmup_steps) · decay^k,

    with k the number of milestones at or before the step. It depends on the step
    alone, so a resumed run needs no state of it.

    Args:
        base: learning rate between warm-up and first drop.
        boundaries: steps at which the rate drops.
        decay: factor of each drop.
        warmup_steps: length of the warm-up in steps; 0 for none.

    Source: Frankle et al. 2021, appendix B.

    Example:
        >>> round(float(StepSchedule(0.1, [80, 120])(100)), 6)
        0.01
    """

    def __init__(
        self,
        base: float,
        boundaries: Sequence[int] = (),
        decay: float = 0.1,
        warmup_steps: int = 0,
    ):
        self.base = base
        self.boundaries = tuple(boundaries)
        self.decay = decay
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        """Return the rate of the update that `step` updates precede, float32."""
        step = ops.cast(step, "float32")
        rate = ops.cast(self.base, "float32")
        if self.warmup_steps:
            rate = rate * ops.minimum(1.0, (step + 1.0) / self.warmup_steps)
        for boundary in self.boundaries:
            rate = rate * ops.where(step >= boundary, self.decay, 1.0)
        return rate

    def get_config(self):
        """Return the arguments of the constructor."""
        return {
            "base": self.base,
            "boundaries": list(self.boundaries),
            "decay": self.decay,
            "warmup_steps": self.warmup_steps,
        }


@keras.saving.register_keras_serializable(package="bnkeras")
class CosineSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then half a cosine to 0 at the last step.

        rate(step) = base · min(1, (step + 1) / warmup_steps) · (1 + cos(π · p)) / 2,

    with p rising from 0, at the last step of the warm-up or else at step 0, to 1 at step
    `total_steps` - 1. The rate stays at 0 behind it. A warm-up that takes all steps leaves
    none for the cosine, and so does a total of one step.

    Args:
        base: learning rate between warm-up and cosine.
        total_steps: steps of the whole run.
        warmup_steps: length of the warm-up in steps; 0 for none.

    Source: Loshchilov and Hutter 2017 (arXiv 1608.03983), without restarts.

    Example:
        >>> [round(float(CosineSchedule(0.1, 101)(step)), 6) for step in (0, 50, 100)]
        [0.1, 0.05, 0.0]
    """

    def __init__(self, base: float, total_steps: int, warmup_steps: int = 0):
        self.base = base
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        """Return the rate of the update that `step` updates precede, float32."""
        step = ops.cast(step, "float32")
        rate = ops.cast(self.base, "float32")
        last = self.total_steps - 1
        span = last - max(self.warmup_steps - 1, 0)
        if span > 0:
            rate = _half_cosine(0.0, self.base, ops.clip(last - step, 0.0, span), span)
        if self.warmup_steps:
            rate = rate * ops.minimum(1.0, (step + 1.0) / self.warmup_steps)
        return rate

    def get_config(self):
        """Return the arguments of the constructor."""
        return {
            "base": self.base,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
        }


@keras.saving.register_keras_serializable(package="bnkeras")
class OneCycleSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Up to the highest rate and down to almost none, each by half a cosine.

        from base / 25           at step 0
        to   base                at step 0.3 · total_steps - 1
        to   base / 25 / 10,000  at step total_steps - 1, and behind it

    These are the rates of PyTorch's `OneCycleLR` with its defaults. There the momentum
    cycles as well, against the rate; here it stays as it is.

    Args:
        base: the highest learning rate.
        total_steps: steps of the whole run.

    Source: Smith and Topin 2018 (arXiv 1708.07120); the shape is PyTorch's.

    Example:
        >>> [round(float(OneCycleSchedule(0.1, 100)(step)), 6) for step in (0, 29, 99)]
        [0.004, 0.1, 0.0]
    """

    def __init__(self, base: float, total_steps: int):
        self.base = base
        self.total_steps = total_steps

    def __call__(self, step):
        """Return the rate of the update that `step` updates precede, float32."""
        last = self.total_steps - 1
        step = ops.minimum(ops.cast(step, "float32"), float(last))
        # With three steps or fewer it is before step 0, and only the fall is left. Never at 0.
        top = 0.3 * self.total_steps - 1
        first = self.base / 25
        rise = _half_cosine(first, self.base, step, top)
        fall = _half_cosine(first / 1e4, self.base, last - step, last - top)
        return ops.where(step <= top, rise, fall)

    def get_config(self):
        """Return the arguments of the constructor."""
        return {"base": self.base, "total_steps": self.total_steps}


def _half_cosine(low: float, high: float, distance, span: float):
    """Return the rate at a `distance` of 0, at `low`, to `span`, at `high`.

    low + (high − low) · (1 − cos(π · distance / span)) / 2, with the square of a sine in place
    of 1 − cos, which has lost all digits in float32 where it is small.
    """
    return low + (high - low) * ops.square(ops.sin(distance * (math.pi / 2 / span)))
