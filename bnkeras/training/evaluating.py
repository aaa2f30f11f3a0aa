"""How many test examples networks classify rightly."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from bnkeras.training.batches import Batches


class Evaluation(NamedTuple):
    """What networks answer to the same examples.

    Args:
        examples: how many there are.
        right: for each network, how many answers are right.
        agree: for each network, how many answers are those of the first.
    """

    examples: int
    right: tuple[int, ...]
    agree: tuple[int, ...]


def evaluate_test(models: Sequence[keras.Model], batches: Batches) -> Evaluation:
    """Return how many test examples each of `models` classifies rightly.

    Args:
        models: networks from the inputs of `batches` to logits.
        batches: the data, see `bnkeras.training.setup.open_batches`.

    Example:
        >>> evaluate_test([model], batches).right
        (4392,)
    """

    # Batches of texts differ in length, and one graph serves all.
    @tf.function(autograph=False, reduce_retracing=True)
    def counts(inputs, labels, weights):
        answers = [tf.argmax(model(inputs, training=False), axis=-1) for model in models]
        counted = tf.cast(weights, tf.int64)
        truth = tf.cast(labels, tf.int64)
        return tf.stack(
            [
                tf.reduce_sum(counted * tf.cast(tf.equal(answer, other), tf.int64))
                for other in (truth, answers[0])
                for answer in answers
            ]
        ), tf.reduce_sum(counted)

    examples, totals = 0, tf.zeros([2 * len(models)], tf.int64)
    for batch in batches.test:
        found, count = counts(*batch)
        examples, totals = examples + int(count), totals + found
    right, agree = totals.numpy().reshape(2, -1).tolist()
    return Evaluation(examples, tuple(right), tuple(agree))
