"""The time of one inference step of a slim network, beside that of its full one.

    python benchmarks/slim_inference.py EXPORT [--thresholds 0.01 0.05 0.1] [--batch 1 64]

One process; the SavedModels of the full network and of the slim ones are called in turn on the
same inputs, so that a change of the machine's speed meets all alike. A ratio is the median of
the ratios of calls that were neighbours.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

import bnkeras
from bnkeras.compact.slim.slimming import Costs, costs, slim


def served(model, folder: Path):
    """Save `model`, and return the signature that plain TensorFlow loads."""
    return tf.saved_model.load(str(bnkeras.save_compact(model, folder))).signatures[
        "serving_default"
    ]


def compare(functions: dict[str, tf.types.experimental.GenericFunction], inputs, rounds: int):
    """Return the milliseconds of each call, by function."""
    times = {name: [] for name in functions}
    for step in range(rounds + 5):
        for name, function in functions.items():
            begin = time.perf_counter()
            for output in function(inputs).values():
                output.numpy()
            if step >= 5:  # the first ones warm up
                times[name].append(1e3 * (time.perf_counter() - begin))
    return times


def shown(cost: Costs) -> str:
    """Return parameters and products."""
    products = "?" if cost.multiply_adds is None else f"{cost.multiply_adds:,}"
    return f"{cost.parameters:12,}{products:>14}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", type=Path, help="an export of a network of images")
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.01, 0.05, 0.1])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()

    model = bnkeras.load_compact(options.export)
    models = {"full": model} | {f"{t:g}": slim(model, t)[0] for t in options.thresholds}
    with tempfile.TemporaryDirectory() as folder:
        functions = {name: served(one, Path(folder, name)) for name, one in models.items()}
    print(f"{options.export}, {options.rounds} rounds, {os.cpu_count()} CPUs, {tf.__version__}")
    print(f"{'|γ| <':>8}{'batch':>7}{'parameters':>12}{'products':>14}", end="")
    print(f"{'ms':>9}{'ratio':>8}{'10-90%':>13}")
    shape = [size or 96 for size in model.input_shape[1:]]
    for batch in options.batch:
        images = np.random.default_rng(0).normal(size=(batch, *shape)).astype(np.float32)
        times = compare(functions, tf.constant(images), options.rounds)
        for name, own in times.items():
            ratios = np.divide(own, times["full"])
            low, high = np.percentile(ratios, [10, 90])
            print(
                f"{name:>8}{batch:7}{shown(costs(models[name]))}{np.median(own):9.2f}"
                f"{np.median(ratios):8.3f}{f'{low:.2f}-{high:.2f}':>13}"
            )


if __name__ == "__main__":
    main()
