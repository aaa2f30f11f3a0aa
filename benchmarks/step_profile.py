"""Where the time of one training step goes, by kinds of operations.

    python benchmarks/step_profile.py [--network NAME] [--regime NAME] [--precision POLICY]

TensorFlow's profiler times the operations of some steps. Beside the sum of each kind stand the
floating-point operations of convolutions and products, and what share their rate is of that of a
product of two 2048×2048 matrices, measured in the same process. Operations that run at the same
time count in full, so the sum may exceed the step.
"""

import argparse
import os
import re
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

import bnkeras
from bnkeras.training.loop import Loop
from bnkeras.training.optimizers import SGD

NETWORKS = {
    "resnet14": ("resnet_cifar", {"depth": 14}),
    "resnet110": ("resnet_cifar", {"depth": 110}),
    "wrn14x4": ("resnet_cifar", {"depth": 14, "width": 4}),
    "vgg16": ("vgg_cifar", {"depth": 16}),
}
BATCH = 128
# The first that matches the type of an operation, after TensorFlow has fused and renamed some.
KINDS = {
    "convolution backwards, inputs": "Conv2DBackpropInput",
    "convolution backwards, kernel": "Conv2DBackpropFilter",
    "convolution forwards": "Conv2D",
    "BatchNorm backwards": "FusedBatchNormGrad",
    "BatchNorm (and ReLU) forwards": "FusedBatchNorm",
    "ReLU backwards": "ReluGrad",
    "ReLU forwards": "Relu",
    "sums": "AddV2|AddN",
    "padding": "Pad|Slice",
    "casts": "Cast",
    "dense layer": "MatMul",
}
REST = "all else"
COLUMNS = ("ops", "ms", "GFLOP", "of product")


def kind_of(operation: str) -> str:
    """Return the kind of an operation of this type."""
    return next((kind for kind, types in KINDS.items() if re.search(types, operation)), REST)


def training_loop(network: str, regime: str, precision: str) -> Loop:
    """Return the compiled network in its loop, with a recipe's metrics."""
    name, arguments = NETWORKS[network]
    model = bnkeras.set_regime(bnkeras.build(name, dtype=precision, **arguments), regime)
    model.compile(
        SGD(0.1, momentum=0.9, l2=1e-4),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=[
            keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="cross_entropy"),
            keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
        ],
        jit_compile=False,
    )
    return Loop(model, tf.distribute.get_strategy())


def run_step(loop: Loop, batch: tuple[tf.Tensor, tf.Tensor]) -> float:
    """Train on `batch`, and return the milliseconds it took."""
    began = time.perf_counter()
    loop.train_step(batch)
    loop.model.optimizer.iterations.numpy()
    return 1e3 * (time.perf_counter() - began)


def profiled(loop: Loop, batch: tuple[tf.Tensor, tf.Tensor], steps: int) -> tuple[Counter, Counter]:
    """Return milliseconds and numbers of operations a step, by kind."""
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        for _ in range(steps):
            run_step(loop, batch)
        tf.profiler.experimental.stop()
        (file,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(file.read_bytes())
    times, counts = Counter(), Counter()
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            # Operations are named path:Type; spans of the runtime, Class::Method.
            path, _, operation = plane.event_metadata[event.metadata_id].name.rpartition(":")
            operation = operation.partition("#")[0]
            if path and not path.endswith(":") and operation.isidentifier():
                times[kind_of(operation)] += event.duration_ps / 1e9 / steps
                counts[kind_of(operation)] += 1 / steps
    return times, counts


def work(loop: Loop, batch: tuple[tf.Tensor, tf.Tensor]) -> Counter:
    """Return floating-point operations of a step, by kind, from its graph."""
    operations = Counter()
    for node in loop.train_step.get_concrete_function(batch).graph.get_operations():
        operations[kind_of(node.type)] += _operations(node, node.inputs, node.outputs)
    return operations


def _operations(node: tf.Operation, inputs: list, outputs: list) -> int:
    if node.type == "MatMul":
        return 2 * inputs[0].shape[int(node.get_attr("transpose_a")) ^ 1] * _size(outputs[0])
    # Each position of the convolution's result takes the whole kernel once for each filter.
    if node.type == "Conv2D":
        kernel, result = inputs[1].shape, outputs[0]
    elif node.type == "Conv2DBackpropInput":
        kernel, result = inputs[1].shape, inputs[2]
    elif node.type == "Conv2DBackpropFilter":
        kernel, result = outputs[0].shape, inputs[2]
    else:
        return 0
    return 2 * _size(result) * kernel.num_elements() // kernel[-1]


def _size(tensor: tf.Tensor) -> int:
    return tensor.shape.num_elements()


def best(action, repeats: int = 10) -> float:
    """Return the seconds of the fastest call of `action`, after one that warms up."""
    action()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return min(times)


def rate(precision: str) -> float:
    """Return the floating-point operations per second of a product of matrices."""
    values = np.random.default_rng(1).normal(size=(2048, 2048))
    matrix = tf.constant(values, keras.DTypePolicy(precision).compute_dtype)
    product = tf.function(tf.matmul)
    return 2 * 2048**3 / best(lambda: product(matrix, matrix))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, default="resnet14")
    parser.add_argument("--regime", default="bnonly")
    parser.add_argument("--precision", default="float32", help="a dtype policy of Keras")
    parser.add_argument("--steps", type=int, default=15)
    options = parser.parse_args()

    tf.config.experimental.enable_op_determinism()
    loop = training_loop(options.network, options.regime, options.precision)
    random = np.random.default_rng(0)
    images = random.normal(size=(BATCH, 32, 32, 3)).astype(np.float32)
    batch = tf.constant(images), tf.constant(random.integers(0, 10, BATCH, dtype=np.int32))
    for _ in range(3):
        run_step(loop, batch)
    before = time.process_time()
    steps = [run_step(loop, batch) for _ in range(options.steps)]
    busy = (time.process_time() - before) / (sum(steps) / 1e3)
    times, counts = profiled(loop, batch, options.steps)
    operations, multiplying = work(loop, batch), rate(options.precision)

    low, middle, high = np.percentile(steps, [10, 50, 90])
    print(
        f"{options.network}, {options.regime}, {options.precision}, batch {BATCH}: "
        f"{middle:.1f} ms a step ({low:.1f}-{high:.1f}), {busy:.2f} of {os.cpu_count()} cores "
        f"busy; product {multiplying / 1e9:.0f} GFLOP/s"
    )
    print(f"\n{'kind':32}" + "".join(f"{column:>12}" for column in COLUMNS))
    for kind, taken in times.most_common():
        count = operations[kind]
        reached = f"{1e3 * count / taken / multiplying:12.0%}" if count else ""
        shown = f"{count / 1e9:12.2f}" if count else " " * 12
        print(f"{kind:32}{counts[kind]:12.0f}{taken:12.2f}{shown}{reached}")
    # The graph also has the gradients of frozen kernels, which TensorFlow leaves out.
    total = sum(operations[kind] for kind in times)
    print(
        f"{'sum':32}{sum(counts.values()):12.0f}{sum(times.values()):12.2f}{total / 1e9:12.2f}\n\n"
        f"over the whole step: {total / middle / 1e6:.0f} GFLOP/s, "
        f"{total / middle * 1e3 / multiplying:.0%} of the product"
    )


if __name__ == "__main__":
    main()
