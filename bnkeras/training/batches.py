"""The batches of a recipe, whatever its dataset is made of."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

import keras
import tensorflow as tf

from bnkeras.errors import RecipeError
from bnkeras.pipelines.share import WHOLE, Share
from bnkeras.recipe import Recipe
from bnkeras.training.run_directory import RunDirectory

# Examples in a batch of an evaluation, or a little more, so that it can be shared evenly.
# The result does not depend on it.
_EVALUATION_BATCH = 256


class Batches(ABC):
    """What a run asks of its data.

    Args:
        replicas: devices that share a batch.

    Attributes:
        examples: how many examples `train`, `test` and, where there is one, `validation` have;
            None where that is not known.
        steps: steps of an epoch.
        class_names: the names of the classes, or None where nobody gave them.
        source: name and origin of the dataset; a resumed run must find the same.
        evaluation_batch: examples in a batch of an evaluation.
    """

    examples: dict[str, int | None]
    steps: int
    class_names: tuple[str, ...] | None
    source: dict[str, Any]

    def __init__(self, replicas: int = 1):
        self.evaluation_batch = _EVALUATION_BATCH + -_EVALUATION_BATCH % replicas

    @abstractmethod
    def train(self, first_step: int, share: Share = WHOLE) -> tf.data.Dataset:
        """Return the training batches (x, y) of the whole run from `first_step` on."""

    @abstractmethod
    def evaluation(self, split: str, share: Share = WHOLE) -> tf.data.Dataset:
        """Return the batches (x, y, weight) of a split, once."""

    @abstractmethod
    def evaluation_steps(self, split: str) -> int:
        """Return how many batches `evaluation` has."""

    @property
    def extent(self) -> dict[str, Any]:
        """How much there is of everything, JSON-ready: many workers have to have as much."""
        splits = ("test", self.watched[0])
        return {
            "steps": self.steps,
            "examples": self.examples,
            "evaluation_steps": {split: self.evaluation_steps(split) for split in splits},
        }

    @property
    def watched(self) -> tuple[str, str]:
        """The split to evaluate after each epoch, and the prefix of its metrics.

        Where examples are held out, it is these: the test set is then for the end.
        """
        return ("validation", "val") if "validation" in self.examples else ("test", "test")

    @cached_property
    def test(self) -> tf.data.Dataset:
        """The test batches."""
        return self.evaluation("test")

    @property
    def build_arguments(self) -> dict[str, Any]:
        """The arguments of the network that only the data decide."""
        return {}

    def initialise(self, model: keras.Model) -> keras.Model:
        """Return `model` with what it takes from the data before it is trained."""
        return model

    def begin(self, directory: RunDirectory) -> None:
        """Record what the data are, or compare it with what they were when the run began.

        Raises:
            RunError: they are others now.
        """
        directory.record_data(self.source)

    def naming_corrupt_records(self) -> AbstractContextManager[None]:
        """Return a context in which TensorFlow's errors at damaged data name these."""
        return nullcontext()

    def export_arguments(self, model: keras.Model) -> dict[str, Any]:
        """Return what the export of `model` says and holds of the data."""
        return {"class_names": self.class_names}


def check_batch_size(recipe: Recipe, replicas: int) -> None:
    """Raise RecipeError unless a batch can be shared evenly among `replicas` devices."""
    if recipe.train.batch_size % replicas:
        raise RecipeError(
            f"train.batch_size is a multiple of the {replicas} devices that share a batch; "
            f"received {recipe.train.batch_size}."
        )
