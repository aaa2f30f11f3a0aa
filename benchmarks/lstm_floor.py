"""How fast a training step of the tweet LSTM can be on this machine, part by part.

    python benchmarks/lstm_floor.py [--regime bnonly] [--rounds 15] [--torch-python PATH]

Each part is timed alone, at its fastest, in the same run:

- chain: products that wait for one another, h · U forwards and dz · Uᵀ backwards for each word.
  The rows of a batch are independent, so the cores may share them: the time is that of half of
  them, which takes for granted that two cores do not slow each other down;
- products: those of all words at once, x · W, its gradient, and what trains of W and U;
- values: a tanh of all values that go through a sigmoid or tanh, as one operation;
- rest: the step of the same network whose LSTM hands on its first inputs, measured, not a bound.

Of products, the fastest of TensorFlow, NumPy and PyTorch counts. Beside the sum stand steps, in
turns, of this package, of Keras' layers and of PyTorch. The sum is what these libraries' kernels
allow to a step that adds nothing between them. It proves nothing about kernels of other libraries,
nor about an LSTM in one kernel that keeps U in registers or the first cache.
"""

import argparse
import os
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).with_name("peers")))

import numpy as np
import tensorflow as tf
from peers.bnkeras_loop import prepare
from peers.networks import NETWORKS, REGIMES
from peers.serve import Variant, fastest
from peers.turns import Peer, has_torch

from bnkeras.layers import sequences

NETWORK = "tweets_lstm"
CHANNELS, UNITS = 200, 100
STEPS = 16


def by_numpy(shape: tuple[int, int, int]) -> float:
    """Return the seconds of a product in NumPy."""
    m, k, n = shape
    a, b = np.ones((m, k), np.float32), np.ones((k, n), np.float32)
    return fastest(lambda: a @ b)


def of_values(count: int) -> float:
    """Return the seconds of `count` tanh."""
    values = tf.constant(np.linspace(-3, 3, count, dtype=np.float32))
    return fastest(tf.function(lambda: tf.tanh(values), autograph=False))


def without_lstm(variant: Variant):
    """Return the steps of the network whose LSTM hands on its first inputs."""
    own = sequences.lstm

    def first_inputs(x, h, c, kernel, recurrent_kernel, bias):
        # All that trains has a gradient, as the optimizer wants it.
        nothing = 0 * (kernel[0, 0] + recurrent_kernel[0, 0] + bias[0])
        return x[:, :, : h.shape[1]] + nothing, c

    sequences.lstm = first_inputs
    try:
        prepared = prepare(variant)
        prepared.run(STEPS)  # traces
    finally:
        sequences.lstm = own
    return prepared.run


def shapes(regime: str) -> tuple[list, list]:
    """Return the products of a word, for half of the batch, and those of all words."""
    batch, words = NETWORKS[NETWORK].batch, NETWORKS[NETWORK].shape[0]
    rows, gates = batch * words, 4 * UNITS
    chain = [(batch // 2, UNITS, gates), (batch // 2, gates, UNITS)]
    whole = [(rows, CHANNELS, gates)]
    if regime != "random2":
        whole.append((rows, gates, CHANNELS))
    if regime != "bnonly":
        whole += [(CHANNELS, rows, gates), (UNITS, rows, gates)]
    return chain, whole


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--regime", choices=REGIMES, default="bnonly")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--torch-python", default=sys.executable, help="interpreter with PyTorch")
    options = parser.parse_args()

    tf.config.experimental.enable_op_determinism()
    batch, words = NETWORKS[NETWORK].batch, NETWORKS[NETWORK].shape[0]
    with ExitStack() as stack:
        multipliers = {"TensorFlow": stack.enter_context(Peer("bnkeras_loop", sys.executable))}
        steps = {}

        def add(name: str, peer: Peer, setting: str) -> None:
            variant = Variant(NETWORK, options.regime, "float32", setting)._asdict()
            if "refused" not in peer.ask(prepare=variant):
                peer.ask(run=variant, steps=STEPS)
                steps[name] = lambda: peer.ask(run=variant, steps=STEPS)["seconds"]

        add("bnkeras", multipliers["TensorFlow"], "loop")
        add("Keras", stack.enter_context(Peer("stock_keras", sys.executable)), "plain")
        if has_torch(options.torch_python):
            multipliers["PyTorch"] = stack.enter_context(Peer("pytorch", options.torch_python))
            add("PyTorch", multipliers["PyTorch"], "default")
        rest = without_lstm(Variant(NETWORK, options.regime, "float32", "loop"))
        steps["rest"] = lambda: rest(STEPS)

        found = {name: [] for name in steps}
        parts = {shape: {} for group in shapes(options.regime) for shape in group}
        values = []
        for _ in range(options.rounds):
            for name, run in steps.items():
                found[name].append(run())
            for shape, fast in parts.items():
                fast.setdefault("NumPy", []).append(by_numpy(shape))
                for name, peer in multipliers.items():
                    taken = peer.ask(product=shape, precision="float32")["seconds"]
                    fast.setdefault(name, []).append(taken)
            values.append(of_values(words * batch * 5 * UNITS))

    print(
        f"{NETWORK}, {options.regime}, float32, batch {batch}, {words} words; {time.strftime('%F')}"
    )
    print(f"\n{'part':34}{'times':>6}{'ms':>8}  fastest of")
    total = 0
    chain, _ = shapes(options.regime)
    for shape, fast in parts.items():
        taken = {name: min(own) for name, own in fast.items()}
        times, best = words if shape in chain else 1, min(taken, key=taken.get)
        total += times * taken[best]
        shown = ", ".join(f"{name} {1e6 * one:.1f} µs" for name, one in taken.items())
        kind = "chain" if shape in chain else "product"
        name = f"{kind} {shape[0]}×{shape[1]} · {shape[1]}×{shape[2]}"
        print(f"{name:34}{times:6}{1e3 * times * taken[best]:8.2f}  {shown}")
    total += min(values)
    print(f"{'values':34}{1:6}{1e3 * min(values):8.2f}")
    least = min(found["rest"])
    print(f"{'rest':34}{1:6}{1e3 * least:8.2f}")
    print(f"{'sum':34}{'':6}{1e3 * (total + least):8.2f}\n")
    print(f"{'step':12}{'fastest':>9}{'median':>9}{'times sum':>11}{'times ours':>12}")
    for name, own in found.items():
        ratio = statistics.median(np.divide(own, found["bnkeras"]))
        print(
            f"{name:12}{1e3 * min(own):9.2f}{1e3 * statistics.median(own):9.2f}"
            f"{min(own) / (total + least):11.2f}{ratio:12.2f}"
        )


if __name__ == "__main__":
    main()
