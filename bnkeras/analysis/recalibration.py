"""What it changes to measure the moving statistics of batch norm anew, with the same weights."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from bnkeras.errors import InputError
from bnkeras.models.variables import Group, grouped_variables, is_batch_norm, layers_of
from bnkeras.training.batches import Batches

BATCHES = 50


@dataclass(frozen=True, eq=False)
class StatisticsShift:
    """How far the statistics of one batch norm moved.

    Args:
        layer: name of the layer.
        mean: mean over channels of |μ' − μ| / √(σ² + ε), in standard deviations.
        variance: geometric mean over channels of (σ'² + ε) / (σ² + ε).
    """

    layer: str
    mean: float
    variance: float


@dataclass(frozen=True, eq=False)
class Recalibration:
    """The network with its moving statistics as trained, and as measured anew.

    Args:
        batches: training batches that the new statistics are averages over.
        batch_size: training examples in each.
        examples: how many test examples there are.
        right_before: how many are classified rightly with the statistics as trained.
        right_after: how many with those measured anew.
        same: how many answers are the same.
        shifts: how far the statistics moved, by batch norm.
    """

    batches: int
    batch_size: int
    examples: int
    right_before: int
    right_after: int
    same: int
    shifts: tuple[StatisticsShift, ...]

    @property
    def accuracy_before(self) -> float:
        """Test accuracy with the statistics as trained."""
        return self.right_before / self.examples

    @property
    def accuracy_after(self) -> float:
        """Test accuracy with the statistics measured anew."""
        return self.right_after / self.examples


def recalibrate(
    model: keras.Model,
    batches: Batches,
    count: int = BATCHES,
    tick: Callable[[], object] = lambda: None,
) -> Recalibration:
    """Compare the test accuracy with moving statistics as trained and as measured anew.

    Over the first `count` training batches, augmented as in training, in which every batch
    norm normalizes by the statistics of the batch:

        μ' = mean over batches of the batch's mean
        σ'² = mean over batches of the batch's biased variance

    where training leaves moving averages of these, of weights that changed meanwhile.
    Weights, γ and β stay. When this returns, or raises, the statistics are as before, bit for
    bit.

    Args:
        model: from the inputs of `batches` to logits.
        batches: the data.
        count: training batches to average over, or all of the run if these are fewer.
        tick: called after each training batch and after each test batch, of which there are
            two passes.

    Raises:
        InputError: the network has no moving statistics.

    Example:
        >>> recalibrate(model, batches).accuracy_after
        0.4401
    """
    # Those frozen as layers have moving statistics in training as well.
    norms = [norm for norm in layers_of(model) if is_batch_norm(norm) and norm.trainable]
    if not norms:
        raise InputError(f"{model.name!r} has no batch norm, so no moving statistics.")

    @tf.function(autograph=False, reduce_retracing=True)
    def answers(inputs):
        return tf.argmax(model(inputs, training=False), axis=-1)

    def tested() -> tuple[np.ndarray, np.ndarray]:
        found = []
        for inputs, labels, weights in batches.test:
            counted = weights.numpy() > 0
            found.append((answers(inputs).numpy()[counted], labels.numpy()[counted]))
            tick()
        given, truth = (np.concatenate(part) for part in zip(*found, strict=True))
        return given, given == truth

    # Whatever a call in training moves, random states included.
    state = [e.variable for e in grouped_variables(model) if e.group is Group.STATISTICS]
    saved = [np.array(keras.ops.convert_to_numpy(variable)) for variable in state]
    try:
        before, right_before = tested()
        old = _statistics(norms)
        taken, batch_size, new = _averages(model, norms, batches, count, tick)
        for variable, values in zip(state, saved, strict=True):
            variable.assign(values)
        for norm, (mean, variance) in zip(norms, new, strict=True):
            norm.moving_mean.assign(mean)
            norm.moving_variance.assign(variance)
        after, right_after = tested()
    finally:
        for variable, values in zip(state, saved, strict=True):
            variable.assign(values)
    return Recalibration(
        batches=taken,
        batch_size=batch_size,
        examples=len(before),
        right_before=int(right_before.sum()),
        right_after=int(right_after.sum()),
        same=int(np.count_nonzero(before == after)),
        shifts=tuple(map(_shift, norms, old, new)),
    )


def _averages(
    model: keras.Model,
    norms: list[keras.layers.BatchNormalization],
    batches: Batches,
    count: int,
    tick: Callable[[], object],
) -> tuple[int, int, list[tuple[np.ndarray, np.ndarray]]]:
    """Return how many batches were taken, of how many examples, and mean statistics by norm."""

    @tf.function(autograph=False, reduce_retracing=True)
    def statistics(inputs):
        model(inputs, training=True)
        return [tf.stack([n.moving_mean.value, n.moving_variance.value]) for n in norms]

    momentum = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            # So that the moving statistics are those of the last batch alone.
            norm.momentum = 0.0
        taken, batch_size = 0, 0
        sums = [np.zeros((2, *norm.moving_mean.shape)) for norm in norms]
        for inputs, _ in batches.train(0).take(count):
            for total, of_batch in zip(sums, statistics(inputs), strict=True):
                total += of_batch.numpy()
            taken, batch_size = taken + 1, int(inputs.shape[0])
            tick()
    finally:
        for norm, own in zip(norms, momentum, strict=True):
            norm.momentum = own
    return taken, batch_size, [tuple(total / taken) for total in sums]


def _statistics(norms: list) -> list[tuple[np.ndarray, np.ndarray]]:
    return [
        tuple(
            keras.ops.convert_to_numpy(variable).astype(np.float64)
            for variable in (norm.moving_mean, norm.moving_variance)
        )
        for norm in norms
    ]


def _shift(norm: keras.layers.BatchNormalization, old: tuple, new: tuple) -> StatisticsShift:
    variance, new_variance = (part[1] + norm.epsilon for part in (old, new))
    return StatisticsShift(
        norm.name,
        float(np.mean(np.abs(new[0] - old[0]) / np.sqrt(variance))),
        float(np.exp(np.mean(np.log(new_variance / variance)))),
    )
