"""Batches that a program hands over, from any tf.data.Dataset."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from bnkeras.errors import DataError
from bnkeras.pipelines.share import WHOLE, Share
from bnkeras.recipe import Recipe
from bnkeras.training.batches import Batches


@dataclass(frozen=True)
class Data:
    """Datasets of your own for `bnkeras.training.run`.

    Each yields batches (x, y): the network's inputs as they are to be, and integer labels
    [batch]. The training batches are all of the recipe's `train.batch_size` and are read
    again in every epoch.
    With many workers all hand over the same datasets, not shares of them: each takes its
    rows of every batch. A resumed run goes on where it was if the dataset yields the same
    batches again: give a shuffle a seed, and `reshuffle_each_iteration=False`.

    Attributes:
        train: training batches.
        test: test batches.
        validation: batches that choose the best epoch; None for none.
        class_names: the names of the classes, kept in the export.
        front: makes the network's inputs of raw data in the export, as `save_compact` takes it;
            None where the export takes x as the network does.

    Example:
        >>> data = Data(train=images.batch(128, drop_remainder=True), test=others.batch(256))
        >>> recipe = bnkeras.recipe.load("resnet14_bnonly", ["data.dataset=given"])
        >>> bnkeras.training.run(recipe, "runs/mine", data=data)
    """

    train: tf.data.Dataset
    test: tf.data.Dataset
    validation: tf.data.Dataset | None = None
    class_names: Sequence[str] | None = None
    front: tf.Module | None = None


class GivenBatches(Batches):
    """The batches of `data`.

    Args:
        recipe: the recipe.
        data: the datasets.
        replicas: devices that share a batch.

    Raises:
        DataError: they do not yield batches (x, y), their number is not known, or the front
            gives something else than x.
    """

    def __init__(self, recipe: Recipe, data: Data, replicas: int = 1):
        super().__init__(replicas)
        self._replicas = replicas
        self._epochs = recipe.train.epochs
        self._datasets = {"train": data.train, "test": data.test}
        if data.validation is not None:
            self._datasets["validation"] = data.validation
        elif recipe.train.keep == "best":
            raise DataError(
                'train.keep = "best" chooses the epoch by its validation loss, and the data have '
                'no validation. Give Data(validation=...), or set train.keep to "last".'
            )
        self._classes = recipe.model.classes
        for name, dataset in self._datasets.items():
            _check(name, dataset, recipe)
        self.class_names = None if data.class_names is None else tuple(data.class_names)
        self._front = _checked_front(data.front, data.train.element_spec[0])
        self.source = {"name": "given", "source": None, "sha256": None}
        self.examples = {name: _count(name, one) for name, one in self._datasets.items()}
        self.steps = int(data.train.cardinality())

    def train(self, first_step: int, share: Share = WHOLE) -> tf.data.Dataset:
        """Return the training batches of all epochs from `first_step` on."""
        epoch, step = divmod(first_step, self.steps)
        batches = self._datasets["train"]
        rest = batches.repeat(max(self._epochs - epoch - 1, 0))
        whole = batches.skip(step).concatenate(rest)
        return _rows(whole, share).prefetch(tf.data.AUTOTUNE)

    @contextmanager
    def naming_corrupt_records(self) -> Iterator[None]:
        """Turn TensorFlow's error at a label that is no class into one that says so."""
        try:
            yield
        except tf.errors.InvalidArgumentError as error:
            if "SparseSoftmaxCrossEntropy" not in str(error):
                raise
            raise DataError(
                f"A label is none of the {self._classes} classes, 0 to {self._classes - 1}. Mend "
                f"the labels, or set model.classes."
            ) from error

    def evaluation(self, split: str, share: Share = WHOLE) -> tf.data.Dataset:
        """Return the batches of a split, every example with the weight 1.

        Batches that cannot be shared evenly are filled up with their first example, with
        weight 0.
        """

        def weighted(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            size = tf.shape(y)[0]
            places = tf.range(size + -size % self._replicas)
            taken = tf.where(places < size, places, 0)
            weight = tf.cast(places < size, tf.float32)
            return tf.gather(x, taken), tf.gather(y, taken), weight

        weigh = tf.autograph.experimental.do_not_convert(weighted)
        return _rows(self._datasets[split].map(weigh), share).prefetch(tf.data.AUTOTUNE)

    def evaluation_steps(self, split: str) -> int:
        """Return how many batches `evaluation` has."""
        return int(self._datasets[split].cardinality())

    def export_arguments(self, model: keras.Model) -> dict[str, Any]:
        """Return class names and front, as they were given."""
        return {**super().export_arguments(model), "front": self._front}


def _check(name: str, dataset: Any, recipe: Recipe) -> None:
    """Raise DataError unless `dataset` yields batches that the network of `recipe` takes."""
    if not isinstance(dataset, tf.data.Dataset):
        raise DataError(f"{name} is a tf.data.Dataset; received {type(dataset).__name__}.")
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2 or spec[1].shape.rank != 1:
        raise DataError(
            f"{name} yields batches (x, y) with labels y of shape [batch]; received {spec}."
        )
    size, *shape = spec[0].shape.as_list() if spec[0].shape.rank else [None]
    taken = getattr(recipe.model, "input_shape", None)
    if taken is not None and not spec[0].shape[1:].is_compatible_with(taken):
        raise DataError(
            f"{name} yields x of shape [batch, {', '.join(map(str, shape))}]; the network takes "
            f"{list(taken)}: --set 'model.input_shape=…'."
        )
    if name == "train" and size is None:
        raise DataError(
            "The training batches are all of one size; received batches of unknown size. Give "
            "batch(..., drop_remainder=True)."
        )
    if name == "train" and size != recipe.train.batch_size:
        raise DataError(
            f"train.batch_size is that of the batches given; received {recipe.train.batch_size} "
            f"with batches of {size}. Set train.batch_size={size}."
        )


def _checked_front(front: Any, x: tf.TensorSpec) -> tf.Module | None:
    """Return `front`; raise DataError unless it gives what the batches have as x."""
    if front is None:
        return None
    spec = getattr(front, "spec", None)
    if not (isinstance(front, tf.Module) and isinstance(spec, tf.TensorSpec) and spec.name):
        raise DataError(
            f"front is a tf.Module with a `spec`, a named tf.TensorSpec; received {front!r}."
        )
    given = tf.function(front, autograph=False).get_concrete_function(spec).structured_outputs
    fits = tf.is_tensor(given) and given.dtype == x.dtype
    if not fits or not given.shape[1:].is_compatible_with(x.shape[1:]):
        shown = f"{given.dtype.name} {given.shape[1:]}" if tf.is_tensor(given) else given
        raise DataError(
            f"front gives what the batches have as x, {x.dtype.name} {x.shape[1:]} for each "
            f"example; received a front that gives {shown}."
        )
    return front


def _rows(batches: tf.data.Dataset, share: Share) -> tf.data.Dataset:
    """Return the rows of each batch that belong to `share`."""
    if share == WHOLE:
        return batches

    @tf.autograph.experimental.do_not_convert
    def rows(*batch: tf.Tensor) -> tuple[tf.Tensor, ...]:
        size = tf.shape(batch[0])[0] // share.count
        return tuple(x[share.index * size : (share.index + 1) * size] for x in batch)

    return batches.map(rows)


def _count(name: str, dataset: tf.data.Dataset) -> int | None:
    """Return how many examples a dataset of batches has; None where batches differ in size."""
    batches, size = int(dataset.cardinality()), dataset.element_spec[0].shape[0]
    if batches < 1:
        raise DataError(
            f"{name} has a known number of batches, at least one; its cardinality is {batches}. "
            f"State it with tf.data.experimental.assert_cardinality, and leave out repeat()."
        )
    return batches * size if size else None
