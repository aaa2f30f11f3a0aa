"""How long deep networks take until they train, and how much memory.

    python benchmarks/deep_networks.py [--depths 110 218 434 866] [--batch 32] [--regime bnonly]
        [--write results/deep_networks]

Each network in a process of its own: build, regime, compile, the trace of the training step (the
work of Python), the first step (TensorFlow rewrites the graph, plans it, runs it) and later ones.
Operations are deterministic, as in runs. `--plain` leaves the rewriting out. Memory is the
largest resident set so far.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

STAGES = ("build", "regime", "compile", "trace", "first step", "later steps")


def measure(depth: int, batch: int, regime: str, plain: bool) -> dict:
    """Return seconds and memory of each stage in this process."""
    import keras
    import numpy as np
    import tensorflow as tf

    import bnkeras
    from bnkeras.training.loop import Loop
    from bnkeras.training.optimizers import SGD

    tf.config.experimental.enable_op_determinism()
    if plain:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    seconds, memory = {}, {}

    def stage(name: str, call: Callable):
        begin = time.perf_counter()
        result = call()
        seconds[name] = time.perf_counter() - begin
        memory[name] = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return result

    def compiled() -> Loop:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        optimizer = SGD(0.1, momentum=0.9, l2=1e-4)
        model.compile(optimizer, loss, weighted_metrics=[accuracy], jit_compile=False)
        model.optimizer.build(model.trainable_variables)
        loop = Loop(model, tf.distribute.get_strategy())
        loop.build_metrics(10)
        return loop

    model = stage("build", lambda: bnkeras.build("resnet_cifar", depth=depth))
    stage("regime", lambda: bnkeras.set_regime(model, regime))
    loop = stage("compile", compiled)
    random = np.random.default_rng(0)
    images = tf.constant(random.normal(size=(batch, 32, 32, 3)).astype(np.float32))
    examples = images, tf.constant(random.integers(0, 10, batch, dtype=np.int32))

    def step() -> None:
        loop.train_step(examples)
        model.optimizer.iterations.numpy()

    traced = stage("trace", lambda: loop.train_step.get_concrete_function(examples))
    stage("first step", step)
    later = []
    for _ in range(3):
        begin = time.perf_counter()
        step()
        later.append(time.perf_counter() - begin)
    seconds["later steps"] = float(np.median(later))
    stage("end", lambda: None)
    operations = len(traced.graph.get_operations())
    return {"seconds": seconds, "memory": memory, "operations": operations}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depths", type=int, nargs="+", default=[110, 218, 434, 866])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--regime", default="bnonly")
    parser.add_argument("--plain", action="store_true", help="without Grappler")
    parser.add_argument("--write", type=Path, metavar="DIR", help="keep the figures there")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.depths[0], options.batch, options.regime, options.plain)))
        return

    hardware = f"{platform.machine()}, {os.cpu_count()} cores"
    print(f"CIFAR ResNets, {options.regime}, batch {options.batch}, float32, {hardware}", end="")
    print(", without Grappler" if options.plain else "")
    print(f"{'depth':>5}" + "".join(f"{name:>13}" for name in STAGES), end="")
    print(f"{'to step 1':>11}{'operations':>12}{'memory':>9}")
    rows = []
    for depth in options.depths:
        command = [sys.executable, __file__, "--one", "--depths", str(depth)]
        command += ["--batch", str(options.batch), "--regime", options.regime]
        command += ["--plain"] * options.plain
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        row = {"depth": depth, **json.loads(run.stdout)}
        rows.append(row)
        seconds = row["seconds"]
        print(f"{depth:5}" + "".join(f"{seconds[name]:11.2f} s" for name in STAGES), end="")
        print(f"{seconds['trace'] + seconds['first step']:9.1f} s{row['operations']:12,}", end="")
        print(f"{row['memory']['end'] / 1e9:6.2f} GB", flush=True)
    if options.write:
        options.write.mkdir(parents=True, exist_ok=True)
        name = "without_grappler.json" if options.plain else "figures.json"
        facts = {"hardware": hardware, "batch": options.batch, "regime": options.regime}
        (options.write / name).write_text(json.dumps({**facts, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
