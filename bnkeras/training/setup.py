"""From the settings of a recipe to a compiled model and its batches."""

from functools import cached_property

import keras

from bnkeras.errors import RecipeError
from bnkeras.models.registry import build
from bnkeras.pipelines import (
    Prepared,
    Split,
    evaluation_batches,
    load_split,
    steps_per_epoch,
    training_batches,
)
from bnkeras.recipe import Recipe
from bnkeras.regimes import set_regime
from bnkeras.training.optimizers import SGD, Adam
from bnkeras.training.schedule import StepSchedule

# Images in a batch of an evaluation: its result does not depend on it.
_EVALUATION_BATCH = 256


def compiled_model(recipe: Recipe, steps: int) -> keras.Model:
    """Build the network of `recipe`, set its regime, and compile it.

    The metrics are `cross_entropy` (mean, nats) and `accuracy`.

    Args:
        recipe: the recipe.
        steps: steps of an epoch, for the learning-rate schedule.
    """
    model = build(
        recipe.model.network,
        seed=recipe.seed,
        dtype=recipe.train.precision,
        **recipe.model.build_arguments(),
    )
    model = set_regime(model, recipe.model.regime)
    model.compile(
        optimizer=_optimizer(recipe, steps),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        # Weighted, so that the padding of the last batch of an evaluation has no part in it.
        weighted_metrics=[
            keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="cross_entropy"),
            keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
        ],
        # The fused kernels and oneDNN are faster on a CPU than what XLA compiles there.
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)
    return model


def learning_rate(recipe: Recipe, steps: int) -> StepSchedule:
    """Return the learning-rate schedule of `recipe` at `steps` steps an epoch."""
    train = recipe.train
    return StepSchedule(
        train.learning_rate,
        [milestone * steps for milestone in train.milestones],
        train.decay,
        train.warmup_epochs * steps,
    )


class Batches:
    """The batches of a recipe from a prepared dataset.

    Args:
        recipe: the recipe.
        prepared: its dataset.
        replicas: devices that share a batch.

    Raises:
        RecipeError: a batch cannot be shared evenly.
    """

    def __init__(self, recipe: Recipe, prepared: Prepared, replicas: int = 1):
        if recipe.train.batch_size % replicas:
            raise RecipeError(
                f"train.batch_size is a multiple of the {replicas} devices that share a batch; "
                f"received {recipe.train.batch_size}."
            )
        self._recipe = recipe
        self.prepared = prepared
        held_out = recipe.data.validation
        self._train = load_split(prepared, f"train[:{100 - held_out}%]" if held_out else "train")
        self._validation = load_split(prepared, f"train[{100 - held_out}%:]") if held_out else None
        self._test = load_split(prepared, "test")
        self.steps = steps_per_epoch(self._train, recipe.train.batch_size)
        self.images = {"train": len(self._train), "test": len(self._test)}
        if self._validation is not None:
            self.images["validation"] = len(self._validation)

    def train(self, first_step: int):
        """Return the training batches of the whole run from `first_step` on."""
        data, train = self._recipe.data, self._recipe.train
        return training_batches(
            self._train,
            self.prepared.spec,
            batch_size=train.batch_size,
            seed=self._recipe.seed,
            epochs=train.epochs,
            first_step=first_step,
            translate=data.translate,
            flip=data.flip,
            scale=data.scale,
        )

    def evaluations(self) -> dict[str, object]:
        """Return the batches to evaluate after each epoch, by the prefix of their metrics.

        Where images are held out, these alone: the test images are then for the end.
        """
        if self._validation is not None:
            return {"val": self._evaluation(self._validation)}
        return {"test": self.test}

    @cached_property
    def test(self):
        """The test batches."""
        return self._evaluation(self._test)

    def _evaluation(self, split: Split):
        return evaluation_batches(
            split,
            self.prepared.spec,
            batch_size=_EVALUATION_BATCH,
            scale=self._recipe.data.scale,
        )


def _optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    train = recipe.train
    rate = learning_rate(recipe, steps)
    if train.optimizer == "adam":
        return Adam(rate, l2=train.l2)
    return SGD(rate, momentum=train.momentum, l2=train.l2)
