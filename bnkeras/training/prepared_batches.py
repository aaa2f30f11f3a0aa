"""Batches from a prepared dataset: small images, photographs or texts."""

from abc import abstractmethod
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import keras
import tensorflow as tf

from bnkeras.pipelines import (
    ImageFront,
    Prepared,
    crop_evaluation_batches,
    crop_training_batches,
    evaluation_batches,
    load_encoded,
    load_split,
    readable_classes,
    steps_per_epoch,
    training_batches,
)
from bnkeras.pipelines.share import WHOLE, Share
from bnkeras.recipe import DEFAULT_IMAGE_SIZE, Recipe
from bnkeras.training.batches import Batches
from bnkeras.training.fitting import check_fit


class PreparedBatches(Batches):
    """Batches of a recipe from a dataset that lies ready as TFRecords.

    Args:
        recipe: the recipe.
        prepared: its dataset.
        replicas: devices that share a batch.

    Raises:
        RecipeError: the recipe does not fit the dataset.
    """

    def __init__(self, recipe: Recipe, prepared: Prepared, replicas: int = 1):
        super().__init__(replicas)
        self._recipe = recipe
        self.prepared = prepared
        check_fit(recipe, prepared)
        held_out = recipe.data.validation
        slices = {"train": "train", "test": "test"}
        if held_out:
            slices["train"] = f"train[:{100 - held_out}%]"
            slices["validation"] = f"train[{100 - held_out}%:]"
        self._splits = {name: self._load(part) for name, part in slices.items()}
        self.examples = {name: len(split) for name, split in self._splits.items()}
        self.steps = steps_per_epoch(self._splits["train"], recipe.train.batch_size)
        self.class_names = readable_classes(prepared.spec.class_names)
        self.source = {
            "name": prepared.spec.name,
            "source": prepared.source,
            "sha256": prepared.sha256,
        }

    @abstractmethod
    def _load(self, part: str) -> Any:
        """Return a slice of a split, such as `train[:90%]`."""

    def evaluation_steps(self, split: str) -> int:
        """Return how many batches `evaluation` has."""
        return -(-len(self._splits[split]) // self.evaluation_batch)

    @property
    def _training_arguments(self) -> dict[str, Any]:
        train = self._recipe.train
        return {
            "batch_size": train.batch_size,
            "seed": self._recipe.seed,
            "epochs": train.epochs,
        }


class ImageBatches(PreparedBatches):
    """Batches of images, normalised."""

    @abstractmethod
    def _front(self, model: keras.Model) -> ImageFront:
        """Return what makes inputs of `model` of raw images, as an evaluation does."""

    def export_arguments(self, model: keras.Model) -> dict[str, Any]:
        """Return class names, and how pixels become inputs: in words and as a graph."""
        data, spec = self._recipe.data, self.prepared.spec
        preprocessing: dict[str, Any] = {"scale": data.scale}
        if data.scale == "channel":
            preprocessing |= {"mean": list(spec.mean), "std": list(spec.std)}
        return {
            **super().export_arguments(model),
            "front": self._front(model),
            "preprocessing": preprocessing,
        }


class PixelBatches(ImageBatches):
    """Batches of small images of one size, which lie in memory."""

    def _load(self, part: str):
        return load_split(self.prepared, part)

    def train(self, first_step: int, share: Share = WHOLE) -> tf.data.Dataset:
        """Return the training batches from `first_step` on, shifted and mirrored."""
        data = self._recipe.data
        return training_batches(
            self._splits["train"],
            self.prepared.spec,
            first_step=first_step,
            share=share,
            translate=data.translate,
            flip=data.flip,
            scale=data.scale,
            **self._training_arguments,
        )

    def evaluation(self, split: str, share: Share = WHOLE) -> tf.data.Dataset:
        """Return the images of a split as they are."""
        return evaluation_batches(
            self._splits[split],
            self.prepared.spec,
            batch_size=self.evaluation_batch,
            share=share,
            scale=self._recipe.data.scale,
        )

    def _front(self, model: keras.Model) -> ImageFront:
        # A network of any size takes raw images of any size.
        height, width = model.input_shape[1:3]
        channels = self.prepared.spec.image_shape[2]
        return ImageFront(
            self.prepared.spec, (height, width, channels), scale=self._recipe.data.scale
        )


class PhotographBatches(ImageBatches):
    """Batches of photographs of many sizes, cropped and resized to one."""

    def _load(self, part: str):
        return load_encoded(self.prepared, part)

    @property
    def _image_size(self) -> int:
        return self._recipe.data.image_size or DEFAULT_IMAGE_SIZE

    def train(self, first_step: int, share: Share = WHOLE) -> tf.data.Dataset:
        """Return the training batches from `first_step` on: random crops, mirrored."""
        data = self._recipe.data
        crops = {"crop_scale": data.crop_scale, "crop_aspect": data.crop_aspect}
        return crop_training_batches(
            self._splits["train"],
            self.prepared.spec,
            first_step=first_step,
            share=share,
            image_size=self._image_size,
            flip=data.flip,
            scale=data.scale,
            **{name: value for name, value in crops.items() if value is not None},
            **self._training_arguments,
        )

    def evaluation(self, split: str, share: Share = WHOLE) -> tf.data.Dataset:
        """Return the centre crops of a split."""
        return crop_evaluation_batches(
            self._splits[split],
            self.prepared.spec,
            batch_size=self.evaluation_batch,
            share=share,
            image_size=self._image_size,
            scale=self._recipe.data.scale,
        )

    def naming_corrupt_records(self) -> AbstractContextManager[None]:
        """Return a context in which an error at a damaged photograph names it."""
        context = ExitStack()
        for split in self._splits.values():
            context.enter_context(split.naming_corrupt_records())
        return context

    def _front(self, model: keras.Model) -> ImageFront:
        return ImageFront(
            self.prepared.spec,
            (None, None, 3),
            crop=self._image_size,
            scale=self._recipe.data.scale,
        )

    def export_arguments(self, model: keras.Model) -> dict[str, Any]:
        """Return class names, and how photographs become inputs: in words and as a graph."""
        arguments = super().export_arguments(model)
        arguments["preprocessing"] |= {"image_size": self._image_size, "crop": "centre"}
        return arguments
