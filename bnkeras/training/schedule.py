"""The learning rate as a function of the step."""

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
