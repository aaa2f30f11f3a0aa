"""Batches that a program hands over, from any tf.data.Dataset."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from bnkeras.errors import DataError
from bnkeras.recipe import Recipe
from bnkeras.training.batches import Batches


@dataclass(frozen=True)
class Data:
    """Datasets of your own for `bnkeras.training.run`.

    Each yields batches (x, y): the network's inputs as they are to be, and integer labels
    [batch]. The training batches are all of one size and are read again in every epoch.
    A resumed run goes on where it was if the dataset yields the same batches again: give a
    shuffle a seed, and `reshuffle_each_iteration=False`.

    Attributes:
        train: training batches.
        test: test batches.
        validation: batches that choose the best epoch; None for none.
        class_names: the names of the classes, kept in the export.

    Example:
        >>> data = Data(train=images.batch(128, drop_remainder=True), test=others.batch(256))
        >>> recipe = bnkeras.recipe.load("resnet14_bnonly", ["data.dataset=given"])
        >>> bnkeras.training.run(recipe, "runs/mine", data=data)
    """

    train: tf.data.Dataset
    test: tf.data.Dataset
    validation: tf.data.Dataset | None = None
    class_names: Sequence[str] | None = None


class GivenBatches(Batches):
    """The batches of `data`.

    Args:
        recipe: the recipe.
        data: the datasets.

    Raises:
        DataError: they do not yield batches (x, y), or their number is not known.
    """

    def __init__(self, recipe: Recipe, data: Data):
        self._epochs = recipe.train.epochs
        self._datasets = {"train": data.train, "test": data.test}
        if data.validation is not None:
            self._datasets["validation"] = data.validation
        elif recipe.train.keep == "best":
            raise DataError(
                'train.keep = "best" chooses the epoch by its validation loss, and the data have '
                'no validation. Give Data(validation=...), or set train.keep to "last".'
            )
        self.class_names = None if data.class_names is None else tuple(data.class_names)
        self.source = {"name": "given", "source": None, "sha256": None}
        self.examples = {name: _count(name, one) for name, one in self._datasets.items()}
        self.steps = int(data.train.cardinality())

    def train(self, first_step: int) -> tf.data.Dataset:
        """Return the training batches of all epochs from `first_step` on."""
        epoch, step = divmod(first_step, self.steps)
        batches = self._datasets["train"]
        rest = batches.repeat(max(self._epochs - epoch - 1, 0))
        return batches.skip(step).concatenate(rest).prefetch(tf.data.AUTOTUNE)

    def evaluation(self, split: str) -> tf.data.Dataset:
        """Return the batches of a split, every example with the weight 1."""

        def weighted(x: Any, y: tf.Tensor) -> tuple[Any, tf.Tensor, tf.Tensor]:
            return x, y, tf.ones([tf.shape(y)[0]])

        weigh = tf.autograph.experimental.do_not_convert(weighted)
        return self._datasets[split].map(weigh).prefetch(tf.data.AUTOTUNE)


def _count(name: str, dataset: Any) -> int | None:
    """Return how many examples a dataset of batches has; None where batches differ in size."""
    if not isinstance(dataset, tf.data.Dataset):
        raise DataError(f"{name} is a tf.data.Dataset; received {type(dataset).__name__}.")
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2 or spec[1].shape.rank != 1:
        raise DataError(
            f"{name} yields batches (x, y) with labels y of shape [batch]; received {spec}."
        )
    batches, size = int(dataset.cardinality()), spec[0].shape[0]
    if batches < 1:
        raise DataError(
            f"{name} has a known number of batches, at least one; its cardinality is {batches}. "
            f"State it with tf.data.experimental.assert_cardinality, and leave out repeat()."
        )
    if name == "train" and size is None:
        raise DataError(
            "The training batches are all of one size; received batches of unknown size. Give "
            "batch(..., drop_remainder=True)."
        )
    return batches * size if size else None
