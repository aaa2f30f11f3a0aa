"""The accuracy of a network whose small γ are set to zero."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from bnkeras.errors import InputError
from bnkeras.models.variables import Group, grouped_variables
from bnkeras.training.batches import Batches

THRESHOLDS = (0.0, 0.001, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0)


@dataclass(frozen=True, eq=False)
class Clamping:
    """What test examples are classified as, with γ of the networks set to zero.

    Args:
        thresholds: [n]; |γ| below it is 0. At 0 the network is as it is.
        clamped: how many γ that are, int64 [n].
        scales: how many γ there are.
        right: how many test examples are classified rightly, int64 [n].
        same: how many answers are those of the network as it is, int64 [n].
        examples: how many test examples there are.
    """

    thresholds: np.ndarray
    clamped: np.ndarray
    scales: int
    right: np.ndarray
    same: np.ndarray
    examples: int

    @property
    def accuracy(self) -> np.ndarray:
        """Share of test examples that are classified rightly, by threshold."""
        return self.right / self.examples

    @property
    def share(self) -> np.ndarray:
        """Share of γ that are set to zero, by threshold."""
        return self.clamped / self.scales


def clamp(
    model: keras.Model,
    batches: Batches,
    thresholds: Sequence[float] = THRESHOLDS,
    tick: Callable[[], object] = lambda: None,
) -> Clamping:
    """Measure the test accuracy with every |γ| below a threshold set to zero; β stays.

        γ' = 0 where |γ| < threshold, else γ

    All thresholds take one pass over the data and one traced graph. γ is as before when
    this returns, bit for bit, or raises.

    Args:
        model: from the inputs of `batches` to logits.
        batches: the data.
        thresholds: from 0 on; 0 is added where it is missing, for it is the network as it is.
        tick: called after each test batch.

    Raises:
        InputError: the network has no γ, or a threshold is below 0.

    Source: Frankle et al. 2021, section 5, "setting γ to zero".

    Example:
        >>> clamp(model, batches, [0, 0.01]).accuracy
        array([0.4392, 0.4392])
    """
    if min(thresholds) < 0:
        raise InputError(f"A threshold of |γ| is a number from 0 on; received {min(thresholds)}.")
    scales = [
        entry.variable
        for entry in grouped_variables(model)
        if entry.group is Group.BATCHNORM and entry.variable.name == "gamma"
    ]
    if not scales:
        raise InputError(f"{model.name!r} has no scale γ that could be set to zero.")
    thresholds = sorted({0.0, *map(float, thresholds)})
    before = [np.array(keras.ops.convert_to_numpy(scale)) for scale in scales]
    clamped = [
        sum(int(np.count_nonzero(np.abs(values) < threshold)) for values in before)
        for threshold in thresholds
    ]

    # Batches of texts differ in length, and one graph serves all.
    @tf.function(autograph=False, reduce_retracing=True)
    def answers(inputs, threshold):
        for scale, values in zip(scales, before, strict=True):
            small = tf.abs(values) < tf.cast(threshold, values.dtype)
            scale.assign(tf.where(small, tf.zeros_like(values), values))
        return tf.argmax(model(inputs, training=False), axis=-1)

    right, same = (np.zeros(len(thresholds), np.int64) for _ in range(2))
    examples = 0
    try:
        for inputs, labels, weights in batches.test:
            counted = weights.numpy() > 0
            truth, first = labels.numpy()[counted], None
            for place, threshold in enumerate(thresholds):
                # The same γ as at the threshold before give the same answers.
                if place == 0 or clamped[place] > clamped[place - 1]:
                    answer = answers(inputs, tf.constant(threshold)).numpy()[counted]
                first = answer if first is None else first
                right[place] += np.count_nonzero(answer == truth)
                same[place] += np.count_nonzero(answer == first)
            examples += len(truth)
            tick()
    finally:
        for scale, values in zip(scales, before, strict=True):
            scale.assign(values)
    return Clamping(
        thresholds=np.array(thresholds),
        clamped=np.array(clamped, np.int64),
        scales=sum(values.size for values in before),
        right=right,
        same=same,
        examples=examples,
    )
