"""Steps of `keras.Model.fit`."""

import time
from collections.abc import Callable

import keras
import tensorflow as tf


class _Clock(keras.callbacks.Callback):
    """Takes the time from the end of the first step of a call to the end of the last."""

    def on_train_batch_end(self, batch, logs=None):
        self.end = time.perf_counter()
        if batch == 0:
            self.begin = self.end


def fitting(model: keras.Model, batch: tuple[tf.Tensor, tf.Tensor]) -> Callable[[int], float]:
    """Return a function that does steps on one batch, and returns the seconds of one.

    The first step of a call, which makes the iterator, is not counted.
    """
    dataset = tf.data.Dataset.from_tensors(batch).repeat()

    def run(steps: int) -> float:
        clock = _Clock()
        # Shuffling is the default, and warned of where the data are a dataset.
        model.fit(dataset, steps_per_epoch=steps + 1, verbose=0, shuffle=False, callbacks=[clock])
        return (clock.end - clock.begin) / steps

    return run
