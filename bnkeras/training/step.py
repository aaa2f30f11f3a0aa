"""Several training steps in one call into TensorFlow."""

import keras
import tensorflow as tf


def train_steps(model: keras.Model, strategy: tf.distribute.Strategy, batches, count) -> None:
    """Train `model` on the next `count` global batches of the iterator `batches`.

    A call into TensorFlow takes a third of a millisecond, whatever it computes: as long as
    all matrix products of a small network's step. The steps are those of as many calls
    with one, bit for bit.

    To be called while a function is traced, with the iterator as its argument, by all workers
    with the same `count`.

    Args:
        model: a compiled model whose optimizer and metrics are built.
        strategy: the strategy it was built under.
        batches: iterator over a dataset that `strategy` distributes.
        count: number of steps, int32 scalar.

    Example:
        >>> tf.function(train_steps)(model, strategy, iter(batches), tf.constant(16))
    """

    def step(done):
        strategy.run(model.train_step, args=(next(batches),))
        return done + 1

    tf.while_loop(lambda done: done < count, step, [tf.constant(0)], parallel_iterations=1)
