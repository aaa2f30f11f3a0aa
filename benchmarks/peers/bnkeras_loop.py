"""This package as a peer: networks, regimes and compilation as recipes have them.

| setting | a step is |
|---|---|
| `loop` | that of `bnkeras.training.loop.Loop`: one batch, again and again, in calls of as many |
| | steps as `train.steps_per_execution` of the recipe |
| `fit` | a step of `model.fit`, over a dataset that repeats the batch |
"""

import os
import types
from dataclasses import asdict
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf
from fitting import fitting
from networks import NETWORKS, VOCABULARY
from serve import Prepared, Variant, serve, timed
from tensorflow_side import batch, convolution, copy, product

import bnkeras
from bnkeras.models.work import work
from bnkeras.training.loop import Loop
from bnkeras.training.setup import compiled_model

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def recipe_of(variant: Variant, *settings: str) -> bnkeras.recipe.Recipe:
    """Return the recipe, with one optimizer for all networks."""
    network = NETWORKS[variant.network]
    common = (
        f"train.precision={_POLICIES[variant.precision]}",
        f"train.batch_size={network.batch}",
        "train.optimizer=sgd",
        "train.learning_rate=0.01",
        "train.momentum=0.9",
        "train.l2=1e-4",
    )
    return bnkeras.recipe.load(f"{network.recipe}_{variant.regime}", [*common, *settings])


def model_of(variant: Variant) -> keras.Model:
    """Return the compiled network."""
    texts = NETWORKS[variant.network].examples == "texts"
    batches = types.SimpleNamespace(
        steps=1000,
        build_arguments={"vocabulary_size": VOCABULARY} if texts else {},
        initialise=lambda model: model,
    )
    return compiled_model(recipe_of(variant), batches)


def counts(model: keras.Model) -> dict[str, Any]:
    """Return the parameters of `model`."""
    found = bnkeras.parameter_counts(model)
    return {"parameters": found["total"], "trainable": found["trainable"]}


def layers(model: keras.Model, network: str) -> list[dict[str, Any]]:
    """Return the work of each layer, and the shape of its kernel where there is one."""
    found = [asdict(layer) for layer in work(model, NETWORKS[network].shape)]
    for layer in found:
        if layer["kind"] in ("conv", "dense"):
            layer["kernel"] = list(model.get_layer(layer["name"]).kernel.shape)
    return found


def prepare(variant: Variant) -> Prepared:
    """Return a network with its steps."""
    model = model_of(variant)
    about = {**counts(model), "layers": layers(model, variant.network)}
    data = batch(variant.network)
    if variant.setting == "fit":
        return Prepared(about, fitting(model, data))
    loop = Loop(model, tf.distribute.get_strategy())
    size = recipe_of(variant).train.steps_per_execution
    if size == 1:
        return Prepared(about, lambda steps: timed(lambda: loop.train_step(data), steps))
    loop.build_metrics(NETWORKS[variant.network].classes)
    batches = iter(tf.data.Dataset.from_tensors(data).repeat())

    def execution() -> None:
        loop.train_steps(batches, tf.constant(size))

    return Prepared(about, lambda steps: timed(execution, -(-steps // size)) / size)


if __name__ == "__main__":
    # As in runs.
    tf.config.experimental.enable_op_determinism()
    serve(prepare, product=product, convolution=convolution, copy=copy)
