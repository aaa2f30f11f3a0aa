"""What `bnkeras networks cost` predicts, beside what can be measured on this machine.

    python benchmarks/cost_model.py [steps] [collectives] [--write results/cost_model]

`steps`: training steps on the processor. Its rate in matrix products, its bandwidth and what a
kernel takes at least are measured before and after each network, and are all that the
prediction knows of the machine: nothing is fitted.

`collectives`: the sum of two processes' gradients by TensorFlow's ring on one machine, fitted
to latency and bandwidth at some sizes, and compared at the sizes of the networks' gradients.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import socket

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

# name: builder, arguments, batch, shape of an example, steps measured
NETWORKS = {
    "resnet14": ("resnet_cifar", {"depth": 14}, 128, (32, 32, 3), 12),
    "resnet32": ("resnet_cifar", {"depth": 32}, 128, (32, 32, 3), 6),
    "resnet110": ("resnet_cifar", {"depth": 110}, 128, (32, 32, 3), 4),
    "wrn14x2": ("resnet_cifar", {"depth": 14, "width": 2}, 128, (32, 32, 3), 6),
    "vgg16": ("vgg_cifar", {"depth": 16}, 128, (32, 32, 3), 4),
    "resnet18": ("resnet_imagenet", {"depth": 18}, 16, (224, 224, 3), 5),
    "resnet50": ("resnet_imagenet", {"depth": 50}, 16, (224, 224, 3), 4),
}
REGIMES = ("all", "bnonly")
SIZES = [4 << shift for shift in range(10, 27, 2)]  # bytes: 4 KiB to 256 MiB
# Trained parameters, of γ and β alone and of all.
GRADIENTS = {
    "resnet14": (1_120, 175_258),
    "resnet32": (2_464, 466_906),
    "resnet110": (8_288, 1_730_714),
    "resnet866": (64_736, 14_008_730),
    "resnet50": (53_120, 25_557_032),
    "resnet200": (176_000, 64_673_832),
}


def median_seconds(call: Callable[[], object], times: int) -> float:
    """Return the median time of a call, after one that is not counted."""
    taken = []
    for _ in range(times + 1):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return float(np.median(taken[1:]))


def machine_rates() -> dict[str, float]:
    """Return floating-point operations/s, bytes/s and seconds a kernel, of all cores."""
    import tensorflow as tf

    size = 2048
    a = tf.random.stateless_normal((size, size), (0, 1))
    product = tf.function(lambda a: tf.linalg.matmul(a, a)[0, 0], autograph=False)
    large = tf.zeros(32 << 20)  # 128 MiB: no cache holds it
    copy = tf.function(lambda x: (x + 1.0)[0], autograph=False)
    one = tf.Variable(1.0)

    @tf.function(autograph=False)
    def chain(x):
        for _ in range(500):
            x = tf.raw_ops.Add(x=x, y=one)
        return x

    return {
        "operations": 2 * size**3 / median_seconds(lambda: product(a).numpy(), 5),
        "bandwidth": 2 * 4 * (32 << 20) / median_seconds(lambda: copy(large).numpy(), 5),
        "launch": median_seconds(lambda: chain(tf.zeros(64)).numpy(), 5) / 500,
    }


def trainers(name: str) -> dict[str, Callable[[], object]]:
    """Return the training step of each regime of a network."""
    import keras
    import tensorflow as tf

    import bnkeras
    from bnkeras.training.optimizers import SGD

    builder, arguments, batch, shape, _ = NETWORKS[name]
    random = np.random.default_rng(0)
    images = tf.constant(random.normal(size=(batch, *shape)).astype(np.float32))
    labels = tf.constant(random.integers(0, 10, batch, dtype=np.int32))

    def trainer(regime: str) -> Callable[[], object]:
        model = bnkeras.set_regime(bnkeras.build(builder, **arguments), regime)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(SGD(0.01, momentum=0.9, l2=1e-4), loss, jit_compile=False)
        model.optimizer.build(model.trainable_variables)
        step = tf.function(lambda: model.train_step((images, labels)), autograph=False)

        def train():
            step()
            return model.optimizer.iterations.numpy()

        return train

    return {regime: trainer(regime) for regime in REGIMES}


def measure_steps() -> Iterator[dict]:
    """Yield what was measured of each network and regime: seconds, and the machine's rates."""
    import keras

    for name, (*_, times) in NETWORKS.items():
        before = machine_rates()
        steps = trainers(name)
        taken = {regime: [] for regime in steps}
        for turn in range(times + 2):
            for regime, step in steps.items():
                begin = time.perf_counter()
                step()
                if turn > 1:  # the first trace, the second warm up
                    taken[regime].append(time.perf_counter() - begin)
        after = machine_rates()
        rates = {key: (before[key] + after[key]) / 2 for key in before}
        for regime, seconds in taken.items():
            low, middle, high = np.percentile(seconds, [10, 50, 90])
            yield {
                "network": name,
                "regime": regime,
                "batch": NETWORKS[name][2],
                "seconds": middle,
                "from": low,
                "to": high,
                **rates,
            }
        keras.utils.clear_session()
        print(f"  measured {name}", file=sys.stderr, flush=True)


def predictions(rows: list[dict]) -> list[float]:
    """Return the predicted seconds of each row, with the measured rates."""
    from bnkeras.analysis.cost import step_cost
    from bnkeras.analysis.hardware import Hardware, Link, Rate

    found = []
    for row in rows:
        processor = Hardware(
            title="this processor",
            operations={"float32": Rate(row["operations"], 1.0)},
            bandwidth=Rate(row["bandwidth"], 1.0),
            memory=0,
            launch=row["launch"],
            devices=1,
            inside=Link("", 1, 0),
            network="",
        )
        found.append(step_cost(layers(row["network"], row["regime"]), row["batch"], processor))
    return [one.seconds for one in found]


_layers: dict[tuple[str, str], tuple] = {}


def layers(name: str, regime: str) -> tuple:
    """Return the work of a network in a regime."""
    if (name, regime) not in _layers:
        import bnkeras
        from bnkeras.models.work import work

        builder, arguments, _, shape, _ = NETWORKS[name]
        model = bnkeras.build(builder, features="constant(0)", **arguments)
        for one in REGIMES:
            _layers[name, one] = work(bnkeras.set_regime(model, one), shape)
    return _layers[name, regime]


def report_steps(rows: list[dict]) -> dict:
    """Print prediction beside measurement; return what is printed."""
    print(f"Training steps, float32, {os.cpu_count()} cores, medians")
    print(f"{'network':11}{'regime':8}{'batch':>6}{'measured':>12}{'10-90%':>13}", end="")
    print(f"{'predicted':>12}{'error':>7}{'GFLOP/s':>9}{'GB/s':>6}{'µs':>5}")
    for row, one in zip(rows, predictions(rows), strict=True):
        row |= {"predicted": one, "error": one / row["seconds"] - 1}
        spread = f"{1e3 * row['from']:.0f}-{1e3 * row['to']:.0f}"
        print(
            f"{row['network']:11}{row['regime']:8}{row['batch']:6}{1e3 * row['seconds']:9.0f} ms"
            f"{spread:>13}{1e3 * one:9.0f} ms{row['error']:+7.0%}"
            f"{row['operations'] / 1e9:9.0f}{row['bandwidth'] / 1e9:6.1f}{1e6 * row['launch']:5.1f}"
        )
    errors = [abs(row["error"]) for row in rows]
    print(f"Off by {np.median(errors):.0%} in the middle and {max(errors):.0%} at most.\n")
    print("bnonly / all       measured  predicted")
    for name in NETWORKS:
        pair = {row["regime"]: row for row in rows if row["network"] == name}
        ratios = [pair["bnonly"][key] / pair["all"][key] for key in ("seconds", "predicted")]
        print(f"  {name:16}{ratios[0]:9.2f}{ratios[1]:11.2f}")
    print()
    return {"rows": rows}


def worker() -> None:
    """Measure all-reduces as one of the processes that TF_CONFIG names."""
    import tensorflow as tf

    options = tf.distribute.experimental.CommunicationOptions(
        implementation=tf.distribute.experimental.CommunicationImplementation.RING
    )
    strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    sizes = sorted({*SIZES, *(4 * count for pair in GRADIENTS.values() for count in pair)})
    found = []
    for size in sizes:
        values = tf.ones(size // 4)

        @tf.function(autograph=False)
        def summed(values=values):
            def replica():
                context = tf.distribute.get_replica_context()
                own = tf.identity(values)  # on the replica's device
                return context.all_reduce(tf.distribute.ReduceOp.SUM, own, options)[0]

            return strategy.run(replica)

        taken = []
        for turn in range(4 + max(3, min(60, (64 << 20) // size))):
            begin = time.perf_counter()
            value = float(summed())
            if turn >= 3:
                taken.append(time.perf_counter() - begin)
        assert value == strategy.num_replicas_in_sync
        low, middle, high = np.percentile(taken, [10, 50, 90])
        found.append({"bytes": size, "seconds": middle, "from": low, "to": high})
    if strategy.cluster_resolver.task_id == 0:
        print(json.dumps(found))


def measure_collectives() -> list[dict]:
    """Return the time of all-reduces between two processes."""
    addresses = []
    for _ in range(2):
        with socket() as free:
            free.bind(("localhost", 0))
            addresses.append(f"localhost:{free.getsockname()[1]}")
    processes = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": {"worker": addresses}, "task": task})
        processes.append(
            subprocess.Popen(
                [sys.executable, __file__, "--worker"],
                env={**os.environ, "TF_CONFIG": config},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
    output = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit("A worker failed; run it with --worker and TF_CONFIG to see why.")
    return json.loads(output[0])


def report_collectives(rows: list[dict]) -> dict:
    """Fit a link to some of the sizes, and compare it at the networks' gradients."""
    from bnkeras.analysis.hardware import Link

    fitted = [row for row in rows if row["bytes"] in SIZES]
    measured = np.array([row["seconds"] for row in fitted])
    # Of two members, each sends and receives all of the bytes in two messages. Relative
    # residuals, so that small messages count as much as large ones.
    columns = np.array([[2.0, row["bytes"]] for row in fitted]) / measured[:, None]
    latency, per_byte = np.linalg.lstsq(columns, np.ones(len(fitted)), rcond=None)[0]
    link = Link("two processes of one machine", 1 / per_byte, latency, share=1.0)
    print(
        f"All-reduce of two processes on one machine, TensorFlow's ring: latency "
        f"{1e6 * latency:.0f} µs a message, {link.bandwidth / 1e9:.2f} GB/s, fitted to "
        f"{len(fitted)} sizes:"
    )
    print(f"{'bytes':>12}{'measured':>13}{'10-90%':>20}{'predicted':>13}{'error':>8}")

    def line(row: dict) -> None:
        row |= {"predicted": link.seconds(row["bytes"], 2)}
        row["error"] = row["predicted"] / row["seconds"] - 1
        spread = f"{1e3 * row['from']:.2f}-{1e3 * row['to']:.2f}"
        print(
            f"{row['bytes']:12,}{1e3 * row['seconds']:10.2f} ms{spread:>20}"
            f"{1e3 * row['predicted']:10.2f} ms{row['error']:8.0%}"
        )

    for row in fitted:
        line(row)
    print("\nThe networks' gradients, which were not fitted to:")
    by_size = {row["bytes"]: row for row in rows}
    for name, (norms, everything) in GRADIENTS.items():
        for what, count in (("γ and β", norms), ("all", everything)):
            print(f"{name}, {what}".ljust(20), end="")
            line(by_size[4 * count])
    errors = [abs(row["error"]) for row in rows if row not in fitted]
    print(f"Off by {np.median(errors):.0%} in the middle and {max(errors):.0%} at most.\n")
    return {"latency": latency, "bandwidth": link.bandwidth, "rows": rows}


def main() -> None:
    """Measure, predict, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help="steps, collectives; without it, both")
    parser.add_argument("--write", type=Path, metavar="DIR", help="keep the figures there")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker()
        return
    import keras
    import tensorflow as tf

    figures = {
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__},
    }
    kept = options.write / "figures.json" if options.write else None
    if kept and kept.exists():
        figures |= {k: v for k, v in json.loads(kept.read_text()).items() if k not in figures}
    parts = options.parts or ["steps", "collectives"]
    if "steps" in parts:
        figures["steps"] = report_steps(list(measure_steps()))
    if "collectives" in parts:
        figures["collectives"] = report_collectives(measure_collectives())
    if kept:
        options.write.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
