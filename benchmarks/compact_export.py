"""Sizes and times of compact exports, beside Keras' own three ways of saving.

    python benchmarks/compact_export.py [--networks NAME ...] [--rounds 5] [--json FILE]

Each network, its γ and β perturbed, is saved by `bnkeras.save_compact`, `model.export`,
`model.save` and `model.save_weights`. What was saved is then loaded, each time
in a process of its own:

- compact: `tf.saved_model.load` of the compact export, which regenerates the weights;
- load_compact: `bnkeras.load_compact` of the same files, which builds a Keras model;
- model.export: `tf.saved_model.load` of Keras' own SavedModel;
- model.save: `keras.models.load_model`;
- save_weights: `bnkeras.build`, then `load_weights`.

Printed are the bytes of all files; the seconds to save and to load, imports not counted; those of
the first call, tracing included; milliseconds per call after that, with small and large batches
of fixed inputs; the largest memory of the process; and the largest difference of an output from
those of the network that was saved. Files are read soon after they were written, so from memory.

The first and the third take turns in every round, and are compared within the rounds; the others
run in the first round only. Medians stand before the smallest and largest value. Each process
holds what its way needs: Keras and bnkeras, but for the two SavedModels.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

# Whatever needs TensorFlow imports it inside, in the processes that are measured.

_CIFAR, _IMAGENET = (
    ("resnet_cifar", (32, 32, 3), (1, 32)),
    ("resnet_imagenet", (224, 224, 3), (1, 8)),
)
# Builder, arguments, shape of an image, sizes of batches.
NETWORKS = {
    "resnet14": (*_CIFAR, {"depth": 14}),
    "resnet110": (*_CIFAR, {"depth": 110}),
    "resnet866": (*_CIFAR, {"depth": 866}),
    "resnet50": (*_IMAGENET, {"depth": 50}),
    "resnet200": (*_IMAGENET, {"depth": 200}),
    "vgg16": ("vgg_cifar", *_CIFAR[1:], {"depth": 16}),
}
PAIR = ("compact", "model.export")
FILES = {
    "compact": "compact",
    "load_compact": "compact",
    "model.export": "export",
    "model.save": "model.keras",
    "save_weights": "model.weights.h5",
}
# Repetitions end when they have taken so many seconds.
_MOST_SAVING, _MOST_CALLING = 40, 2


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write every measurement to this file, too")
    arguments = parser.parse_args()
    machine = alone(describe)
    print("\n".join(f"{key}: {value}" for key, value in machine.items()))
    results = {}
    for network in arguments.networks:
        results[network] = measure(network, arguments.rounds)
        report(network, results[network])
    if arguments.json:
        record = {"machine": machine, "rounds": arguments.rounds, "networks": results}
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


def alone(function: Callable, *arguments: Any) -> Any:
    """Return what `function` returns, called in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def describe() -> dict[str, str]:
    """Return hardware and versions."""
    import keras
    import tensorflow as tf

    import bnkeras

    names = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    names = [line.partition(": ")[2] for line in names if line.startswith("model name")]
    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return {
        "processor": f"{(names or [platform.processor()])[0]}, {os.cpu_count()} cores",
        "accelerators": ", ".join(gpus) or "none",
        "versions": f"bnkeras {bnkeras.__version__}, TensorFlow {tf.__version__}, "
        f"Keras {keras.__version__}, NumPy {np.__version__}, Python {platform.python_version()}",
    }


def measure(network: str, rounds: int) -> dict[str, Any]:
    """Save a network and load it again and again; return every measurement."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        progress(network, "saving")
        saved = alone(save, network, folder, rounds)
        sizes = {way: size_of(folder / file) for way, file in FILES.items()}
        loaded = {way: [] for way in FILES}
        for index in range(rounds):
            ways = PAIR if index % 2 == 0 else PAIR[::-1]
            for way in ways if index else FILES:
                progress(network, f"round {index + 1} of {rounds}, {way}")
                loaded[way].append(alone(load, network, folder, way))
    return {
        "bytes": sizes,
        "parameters": saved["parameters"],
        "save": saved["seconds"],
        "loaded": loaded,
    }


def progress(network: str, what: str) -> None:
    """Say on stderr what comes next."""
    print(f"[{time.strftime('%H:%M:%S')}] {network}: {what}", file=sys.stderr, flush=True)


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def build(network: str) -> Any:
    """Return a network as `bnkeras` makes it, with what trains chosen."""
    import bnkeras

    name, _, _, arguments = NETWORKS[network]
    return bnkeras.set_regime(bnkeras.build(name, seed=0, **arguments), "bnonly")


def save(network: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Save a network in every way, in turns, and its inputs and outputs beside that."""
    import keras

    import bnkeras

    model = build(network)
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(variable.numpy() * random.uniform(0.9, 1.1, variable.shape))
        if variable.name == "beta":
            variable.assign_add(random.normal(0, 0.01, variable.shape))
    _, shape, batches, _ = NETWORKS[network]
    inputs = random.normal(size=(batches[-1], *shape)).astype(np.float32)
    np.save(folder / "inputs.npy", inputs)
    outputs = caller(model)(inputs).numpy()
    if not np.isfinite(outputs).all():
        raise ValueError(f"{network} has outputs that are not finite.")
    np.save(folder / "outputs.npy", outputs)
    ways = {
        "compact": lambda path: bnkeras.save_compact(model, path),
        "model.export": lambda path: model.export(path, verbose=False),
        "model.save": model.save,
        "save_weights": model.save_weights,
    }
    tiny = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    tiny.export(folder / "tiny", verbose=False)  # what is slow once only
    seconds = {way: [] for way in ways}
    begin = time.perf_counter()
    for index in range(rounds):
        if index and time.perf_counter() - begin > _MOST_SAVING:
            break
        for way, write in ways.items():
            start = time.perf_counter()
            write(folder / FILES[way])
            seconds[way].append(time.perf_counter() - start)
    return {"seconds": seconds, "parameters": model.count_params()}


def load(network: str, folder: Path, way: str) -> dict[str, Any]:
    """Load what was saved and call it; return seconds, the peak of memory in bytes and errors."""
    import resource

    import tensorflow as tf

    if way not in PAIR:
        import keras

        # What `load_model` finds the classes of a network by.
        import bnkeras.layers
        import bnkeras.seeding.initializer
    path = folder / FILES[way]
    inputs = np.load(folder / "inputs.npy")
    tf.constant(1.0) + 1.0  # starts the runtime
    start = time.perf_counter()
    if way in PAIR:
        model = tf.saved_model.load(path)
    elif way == "load_compact":
        model = bnkeras.load_compact(path)
    elif way == "model.save":
        # Keras walks along the network recursively, too deep for Python with 866 layers.
        sys.setrecursionlimit(100_000)
        model = keras.models.load_model(path)
    else:
        model = build(network)
        model.load_weights(path)
    seconds = time.perf_counter() - start
    batches = [tf.constant(inputs[:size]) for size in NETWORKS[network][2]]
    start = time.perf_counter()
    call = caller(model)
    call(batches[0]).numpy()
    first = time.perf_counter() - start
    steady = {
        f"batch {len(batch)}": repeated(lambda batch=batch: call(batch).numpy())
        for batch in batches
    }
    difference = np.abs(call(tf.constant(inputs)).numpy() - np.load(folder / "outputs.npy")).max()
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {
        "load": seconds,
        "first": first,
        **steady,
        "memory": peak,
        "difference": float(difference),
    }


def caller(model: Any) -> Callable:
    """Return a function of a graph, from images to logits."""
    import tensorflow as tf

    if hasattr(model, "signatures"):
        # Without the module its variables would go.
        signature = model.signatures["serving_default"]
        (name,) = signature.structured_input_signature[1]
        output = "logits" if "logits" in signature.structured_outputs else "output_0"
        return lambda images, keep=model: signature(**{name: images})[output]
    function = tf.function(lambda images: model(images, training=False), autograph=False)
    spec = tf.TensorSpec(model.input_shape, tf.float32)
    return function.get_concrete_function(spec)


def repeated(call: Callable[[], Any]) -> float:
    """Return the median of the seconds that a call takes."""
    call()  # the first of its shape
    seconds = []
    while len(seconds) < 3 or (len(seconds) < 200 and sum(seconds) < _MOST_CALLING):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def report(network: str, measured: dict[str, Any]) -> None:
    """Print a table of one network."""
    batches = [f"batch {size}" for size in NETWORKS[network][2]]
    titles = ["bytes", "save, s", "load, s", "first call, s", *(f"{b}, ms" for b in batches)]
    table = [["", *titles, "MiB", "difference"]]
    for way, runs in measured["loaded"].items():
        row = [way, f"{measured['bytes'][way]:,}", spread(measured["save"].get(way, []), ".2f")]
        row += [spread([run[key] for run in runs], ".3f") for key in ("load", "first")]
        row += [spread([1e3 * run[key] for run in runs], ".2f") for key in batches]
        row.append(f"{statistics.median(run['memory'] for run in runs) / 2**20:.0f}")
        table.append([*row, f"{max(run['difference'] for run in runs):.2g}"])
    one, two = (measured["loaded"][way] for way in PAIR)
    row = [
        "compact / model.export",
        f"{measured['bytes'][PAIR[0]] / measured['bytes'][PAIR[1]]:.4f}",
    ]
    row.append(ratio(*(measured["save"][way] for way in PAIR)))
    for key in ("load", "first", *batches):
        row.append(ratio([run[key] for run in one], [run[key] for run in two]))
    memory = statistics.median(run["memory"] for run in one)
    memory /= statistics.median(run["memory"] for run in two)
    table.append([*row, f"{memory:.2f}", ""])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    print(f"\n{network}, {measured['parameters']:,} parameters")
    for name, *cells in table:
        print(f"{name:{widths[0]}}", *map(str.rjust, cells, widths[1:]), sep="  ")


def ratio(ones: list[float], twos: list[float]) -> str:
    """Return how the first compare with the second, round by round."""
    return spread([one / two for one, two in zip(ones, twos, strict=True)], ".2f")


def spread(values: list[float], form: str) -> str:
    """Return the median, and the smallest and largest value where there are several."""
    if not values:
        return ""
    middle = f"{statistics.median(values):{form}}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):{form}} to {max(values):{form}})"


if __name__ == "__main__":
    main()
