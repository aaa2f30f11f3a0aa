"""From the settings of a recipe to its data and a compiled model."""

from pathlib import Path

import keras

from bnkeras.errors import RecipeError
from bnkeras.models.registry import build
from bnkeras.models.variables import is_batch_norm
from bnkeras.pipelines import find
from bnkeras.recipe import GIVEN, Recipe
from bnkeras.regimes import set_regime
from bnkeras.training.batches import Batches, check_batch_size
from bnkeras.training.given import Data, GivenBatches
from bnkeras.training.optimizers import SGD, Adam
from bnkeras.training.run_directory import RunDirectory
from bnkeras.training.schedule import CosineSchedule, OneCycleSchedule, StepSchedule

# With as many classes, the papers also count answers among the first five as right.
_CLASSES_FOR_TOP5 = 100


def open_batches(
    recipe: Recipe,
    directory: RunDirectory,
    data_dir: str | Path | None = None,
    data: Data | None = None,
    replicas: int = 1,
) -> Batches:
    """Return the batches of `recipe`, from its prepared dataset or from `data`.

    Args:
        recipe: the recipe.
        directory: the run directory.
        data_dir: where datasets lie; None for the default.
        data: what a program handed over, for the dataset "given".
        replicas: devices that share a batch.

    Raises:
        RecipeError: the recipe does not fit the data, or a batch cannot be shared evenly.
        DataError: the dataset is not prepared; the message says how to.
    """
    check_batch_size(recipe, replicas)
    dataset = recipe.data.dataset
    if (data is not None) != (dataset == GIVEN):
        raise RecipeError(
            f'data.dataset is "{GIVEN}" exactly when the data are handed to '
            f"bnkeras.training.run(..., data=...); received {dataset!r} "
            f"{'without' if data is None else 'with'} data."
        )
    if data is not None:
        return GivenBatches(recipe, data, replicas)
    prepared = find(dataset, data_dir, recipe.data.fingerprint)
    # Imported here: each kind of data brings a pipeline of its own.
    if prepared.spec.kind == "texts":
        from bnkeras.training.text_batches import TextBatches

        return TextBatches(recipe, prepared, directory, replicas)
    from bnkeras.training.prepared_batches import PhotographBatches, PixelBatches

    kinds = {"pixels": PixelBatches, "jpegs": PhotographBatches}
    return kinds[prepared.spec.kind](recipe, prepared, replicas)


def compiled_model(recipe: Recipe, batches: Batches, precision: str | None = None) -> keras.Model:
    """Build the network of `recipe`, set its regime, and compile it.

    The metrics are `cross_entropy` (mean, nats), `accuracy`, and for 100 classes or more
    `top5_accuracy`.

    Args:
        recipe: the recipe.
        batches: its data.
        precision: dtype policy in place of the recipe's, which may be "auto".
    """
    model = build(
        recipe.model.network,
        seed=recipe.seed,
        dtype=precision or recipe.train.precision,
        **(recipe.model.build_arguments() | batches.build_arguments),
    )
    if recipe.strategy.sync_bn:
        for layer in filter(is_batch_norm, model._flatten_layers()):
            layer.synchronized = True
    model = set_regime(batches.initialise(model), recipe.model.regime)
    # Weighted, so that the padding of the last batch of an evaluation has no part in it.
    metrics = [
        keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="cross_entropy"),
        keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
    ]
    if recipe.model.classes >= _CLASSES_FOR_TOP5:
        metrics.append(keras.metrics.SparseTopKCategoricalAccuracy(k=5, name="top5_accuracy"))
    model.compile(
        optimizer=_optimizer(recipe, batches.steps),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=metrics,
        # The fused kernels and oneDNN are faster on a CPU than what XLA compiles there.
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)
    return model


def learning_rate(recipe: Recipe, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning-rate schedule of `recipe` at `steps` steps an epoch."""
    train = recipe.train
    total, warmup = train.epochs * steps, train.warmup_epochs * steps
    if train.schedule == "one_cycle":
        return OneCycleSchedule(train.learning_rate, total)
    if train.schedule == "cosine":
        return CosineSchedule(train.learning_rate, total, warmup)
    milestones = [milestone * steps for milestone in train.milestones]
    return StepSchedule(train.learning_rate, milestones, train.decay, warmup)


def _optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    train = recipe.train
    rate = learning_rate(recipe, steps)
    if train.optimizer == "adam":
        return Adam(rate, l2=train.l2)
    return SGD(rate, momentum=train.momentum, l2=train.l2)
