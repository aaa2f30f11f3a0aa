"""Making the smaller network of a plan."""

from collections.abc import Sequence
from typing import Any

import keras

from bnkeras.compact.manifest.slim import SlimNorm, cuts
from bnkeras.compact.slim.values import SeededCut
from bnkeras.errors import ModelError
from bnkeras.models.blocks import deep_graph
from bnkeras.models.variables import initializer_slot
from bnkeras.seeding.initializer import Seeded


def shrink(model: keras.Model, plan: Sequence[SlimNorm]) -> keras.Model:
    """Return the network that `plan` makes of `model`, with initial values.

    The initializers of seeded variables that lose something become `SeededCut`.

    Raises:
        ModelError: a layer cannot be made again from its configuration.
        ValueError: the plan is not of this network.
    """
    of_variable = cuts(plan)
    units = {entry.producer: entry.size for entry in plan}
    known = {operation.name for operation in getattr(model, "_functional", model).operations}
    for entry in plan:
        for name in (entry.norm, entry.producer, *entry.consumers):
            if name not in known:
                raise ValueError(f"slim: {model.name!r} has no layer {name!r}")

    def smaller(operation: Any) -> Any:
        if not isinstance(operation, keras.layers.Layer) or isinstance(
            operation, keras.layers.Lambda
        ):
            return operation  # without weights, and no configuration may make code
        layer = _remade(operation, units.get(operation.name))
        for variable in operation.weights:
            lost = of_variable.get(f"{operation.name}/{variable.name}")
            slot = initializer_slot(operation, variable)
            initializer = getattr(layer, slot or "", None)
            if lost is not None and isinstance(initializer, Seeded):
                seeded = (initializer.law, initializer.seed, initializer.path)
                setattr(layer, slot, SeededCut(*seeded, variable.shape, lost))
        return layer

    with deep_graph(len(model.layers)):
        return keras.models.clone_model(model, clone_function=smaller)


def _remade(layer: keras.layers.Layer, units: int | None) -> keras.layers.Layer:
    """Return a layer like `layer`, with fewer units where `units` says so."""
    try:
        config = layer.get_config()
        if units is not None:
            config["units" if isinstance(layer, keras.layers.Dense) else "filters"] = units
        return type(layer).from_config(config)
    except Exception as error:  # the code of a layer can raise anything
        raise ModelError(
            f"A slim network is made of its layers' configurations, and the layer {layer.name!r} "
            f"({type(layer).__name__}) cannot be made again from its own: {error}"
        ) from error
