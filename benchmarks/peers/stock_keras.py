"""Keras' own layers as a peer, under `model.fit` with Keras' own SGD.

| setting | `jit_compile` of `model.compile` |
|---|---|
| `plain` | False: what the default, "auto", comes to on a CPU |
| `xla` | True: what it comes to on a GPU |
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from bnkeras_loop import counts, model_of
from fitting import fitting
from serve import Prepared, Refused, Variant, serve
from tensorflow_side import batch

from bnkeras.compact.stock.model import needed_classes, stock_model


def prepare(variant: Variant) -> Prepared:
    """Return a network with its steps."""
    if variant.regime.startswith("random"):
        raise Refused("no layer of Keras trains single values of its kernel")
    # The layers of which nothing trains are frozen in the copy.
    model = stock_model(model_of(variant))
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9, weight_decay=1e-4),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile={"plain": False, "xla": True}[variant.setting],
    )
    if needed_classes(model):
        raise ValueError(f"{variant.network} has more than stock layers: {needed_classes(model)}")
    return Prepared(counts(model), fitting(model, batch(variant.network)))


if __name__ == "__main__":
    serve(prepare)
