"""The training step of random-k regimes, beside that of all parameters.

    python benchmarks/masked_step.py [--network NAME] [--steps 40] [--precision POLICY]

One process, a step of each regime in turn, so that a change of the machine's speed
meets all alike. A ratio is the median of the ratios of steps that were neighbours.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import bnkeras
from bnkeras.training.loop import Loop
from bnkeras.training.optimizers import SGD

NETWORKS = {
    "resnet_cifar": ({"depth": 14}, 128),
    "mlp": ({}, 32),
    "tweet_lstm": ({"vocabulary_size": 24_000}, 32),
}
REGIMES = ("all", "random2", "random16", "random2spread", "random16spread")


def batch(network: str, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return one batch: images, or tweets of 30 words."""
    random = np.random.default_rng(0)
    if network == "tweet_lstm":
        words = random.integers(2, 24_000, (size, 30), dtype=np.int32)
        return tf.constant(words), tf.constant(random.integers(0, 2, size, dtype=np.int32))
    images = random.normal(size=(size, 32, 32, 3)).astype(np.float32)
    return tf.constant(images), tf.constant(random.integers(0, 10, size, dtype=np.int32))


def loop(network: str, regime: str, precision: str) -> Loop:
    """Return the compiled network in its loop, as a recipe has it."""
    model = bnkeras.build(network, dtype=precision, **NETWORKS[network][0])
    bnkeras.set_regime(model, regime)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(SGD(0.01, momentum=0.9, l2=1e-4), loss, jit_compile=False)
    return Loop(model, tf.distribute.get_strategy())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, default="resnet_cifar")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--precision", default="float32", help="a dtype policy of Keras")
    options = parser.parse_args()

    loops = {regime: loop(options.network, regime, options.precision) for regime in REGIMES}
    data = batch(options.network, NETWORKS[options.network][1])
    times = {regime: [] for regime in REGIMES}
    for step in range(options.steps + 3):
        for regime, runner in loops.items():
            begin = time.perf_counter()
            runner.train_step(data)
            runner.model.optimizer.iterations.numpy()
            if step >= 3:  # the first ones trace and warm up
                times[regime].append(1e3 * (time.perf_counter() - begin))

    print(
        f"{options.network}, batch {len(data[1])}, {options.precision}, {options.steps} steps each"
    )
    print(f"{'regime':16}{'trains':>9}{'ms':>8}{'10-90%':>16}{'ratio':>8}{'10-90%':>14}")
    for regime, own in times.items():
        trains = bnkeras.parameter_counts(loops[regime].model)["trainable"]
        ratios = np.divide(own, times["all"])
        low, high = np.percentile(own, [10, 90])
        least, most = np.percentile(ratios, [10, 90])
        print(
            f"{regime:16}{trains:9,}{np.median(own):8.1f}{f'{low:.1f}-{high:.1f}':>16}"
            f"{np.median(ratios):8.3f}{f'{least:.2f}-{most:.2f}':>14}"
        )


if __name__ == "__main__":
    main()
