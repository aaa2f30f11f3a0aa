"""Choosing the precision of a run by measurement."""

import time
from collections.abc import Callable
from statistics import median

PRECISIONS = ("float32", "mixed_bfloat16")


def faster_precision(
    training_step: Callable[[str], Callable[[], object]],
    *,
    margin: float = 1.1,
    rounds: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> str:
    """Return "mixed_bfloat16" where its training step is faster by `margin`, else "float32".

    Whether bfloat16 pays is not told by the name of a processor: on one with its
    instructions a step of ResNet-14 took 0.6 of the time of float32, and a step of an LSTM
    3 times as long. So steps of the network itself are timed, one of each precision in
    turn, after two of each that trace and warm up. With t the time of a step,

        mixed_bfloat16 if median over rounds of t(float32) / t(mixed_bfloat16) > margin

    A decision by measurement can fall otherwise the next time: a run has to keep it.

    Args:
        training_step: builds the network in one of `PRECISIONS` and returns what trains it
            on one batch and waits for the end.
        margin: how many times as fast bfloat16 has to be; above 1, because float32 is the
            papers' setting, and is left only for a gain.
        rounds: timed steps of each precision.
        clock: the time in seconds.

    Example:
        >>> def training_step(precision):
        ...     loop = Loop(compiled_model(recipe, batches, precision), strategy)
        ...     return lambda: (loop.train_step(batch), loop.model.optimizer.iterations.numpy())
        >>> faster_precision(training_step)
        'mixed_bfloat16'
    """
    steps = {precision: training_step(precision) for precision in PRECISIONS}
    for step in steps.values():
        step()
        step()
    gains = []
    for _ in range(rounds):
        taken = {}
        for precision, step in steps.items():
            began = clock()
            step()
            taken[precision] = clock() - began
        gains.append(taken["float32"] / taken["mixed_bfloat16"])
    return "mixed_bfloat16" if median(gains) > margin else "float32"
