"""A whole run of this package as a peer: `bnkeras.training.run`, one variant a process.

The steps are those of the run's own loop, with its input, its callbacks and TensorBoard's.
"""

import os
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf
from bnkeras_loop import counts, recipe_of
from networks import NETWORKS
from serve import Channel, Variant, memory
from tensorflow_side import batch

from bnkeras.training import Data, run

_STEPS = 1_000_000


class Turns(keras.callbacks.Callback):
    """Stops the run between two steps until it is told to go on."""

    def __init__(self, channel: Channel):
        super().__init__()
        self.channel = channel

    def on_train_begin(self, logs=None):
        """Say what trains."""
        self.channel.answer(**counts(self.model))
        self.wait()

    def on_train_batch_end(self, batch, logs=None):
        """Answer after the last step of a turn."""
        if self.begin is None:
            self.begin, self.first = time.perf_counter(), batch + 1  # the first is for the caches
        elif batch + 1 - self.first >= self.steps:
            taken = time.perf_counter() - self.begin
            self.channel.answer(seconds=taken / (batch + 1 - self.first))
            self.wait()

    def wait(self):
        """Answer commands until there are steps to do."""
        command = self.channel.command()
        while "memory" in command:
            self.channel.answer(**memory(command["memory"]))
            command = self.channel.command()
        self.steps = command["steps"]
        self.begin = None


def main() -> None:
    """Prepare the first variant that is asked for, and run it."""
    channel = Channel()
    variant = Variant(**channel.command()["prepare"])
    network = NETWORKS[variant.network]
    if network.examples == "texts":
        channel.answer(refused="a run makes the vocabulary from the texts of a dataset")
        return
    shape = f"model.input_shape={list(network.shape)}"
    recipe = recipe_of(
        variant,
        "data.dataset=given",
        "train.epochs=1",
        "train.keep=last",
        "data.validation=0",
        *([shape] if variant.network != "resnet50" else []),
    )
    data = tf.data.Dataset.from_tensors(batch(variant.network))
    with tempfile.TemporaryDirectory() as folder:
        run(
            recipe,
            folder,
            data=Data(train=data.repeat(_STEPS), test=data),
            callbacks=[Turns(channel)],
        )


if __name__ == "__main__":
    main()
