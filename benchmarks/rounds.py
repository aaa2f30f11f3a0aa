"""Candidates that take turns, so that other load on the machine meets all of them."""

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import PIL
import tensorflow as tf

import bnkeras

# Does some work, and returns of how many examples.
Work = Callable[[], int]

# Of each candidate, `per_second` and `processor_ms` in each round.
Figures = dict[str, dict[str, list[float]]]


def take_turns(candidates: dict[str, Work], rounds: int) -> Figures:
    """Return of each candidate and round the examples per second, and the processor's ms of one.

    Each works once beforehand, which traces graphs. The processor time is that of this process.
    """
    for work in candidates.values():
        work()
    found: Figures = {name: {"per_second": [], "processor_ms": []} for name in candidates}
    for _ in range(rounds):
        for name, work in candidates.items():
            clock, processor = time.perf_counter(), time.process_time()
            examples = work()
            processor = time.process_time() - processor
            found[name]["per_second"].append(examples / (time.perf_counter() - clock))
            found[name]["processor_ms"].append(processor / examples * 1000)
    return found


def ratio(found: Figures, one: str, other: str, by: str = "per_second") -> list[float]:
    """Return how many times as good as `other` the candidate `one` was, in each round."""
    pairs = zip(found[one][by], found[other][by], strict=True)
    return [first / second if by == "per_second" else second / first for first, second in pairs]


def spread(values: list[float], form: str) -> str:
    """Return the median, and the limits between which the middle 80% lie."""
    low, high = np.quantile(values, (0.1, 0.9))
    return f"{statistics.median(values):{form}} ({low:{form}} to {high:{form}})"


def exhaust(dataset: tf.data.Dataset, examples: int) -> Work:
    """Return work that takes everything out of `dataset`, which has so many examples."""

    def work() -> int:
        for _ in dataset:
            pass
        return examples

    return work


def copied_bytes_per_second() -> float:
    """Return the bytes read and written in a second by the best of ten copies of 64 MiB."""
    source, target = (np.ones(2**24, np.float32) for _ in range(2))

    def seconds() -> float:
        began = time.perf_counter()
        np.copyto(target, source)
        return time.perf_counter() - began

    return 2 * source.nbytes / min(seconds() for _ in range(10))


def machine() -> dict[str, Any]:
    """Return hardware, versions and command."""
    names = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    names = [line.partition(": ")[2] for line in names if line.startswith("model name")]
    return {
        "processor": f"{(names or [platform.processor()])[0]}, {os.cpu_count()} cores",
        "accelerators": ", ".join(gpu.name for gpu in tf.config.list_physical_devices("GPU"))
        or "none",
        "versions": f"bnkeras {bnkeras.__version__}, TensorFlow {tf.__version__}, "
        f"Keras {keras.__version__}, Pillow {PIL.__version__}, NumPy {np.__version__}, "
        f"Python {platform.python_version()}",
        "command": f"python benchmarks/{Path(sys.argv[0]).name} {' '.join(sys.argv[1:])}".strip(),
        "copying": copied_bytes_per_second(),
    }
