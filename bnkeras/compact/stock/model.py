"""A network in Keras' own layers alone, which loads where this package is not."""

from collections.abc import Iterator

import keras
import numpy as np

from bnkeras.compact.provenance import weights_of
from bnkeras.compact.stock.layers import classes_beside_keras, in_stock_layers
from bnkeras.layers.kernels import RANDOM_KERNEL
from bnkeras.layers.masked import Masked
from bnkeras.models.blocks import deep_graph
from bnkeras.models.variables import is_batch_norm, layers_of


def stock_model(model: keras.Model) -> keras.Model:
    """Return a copy of `model` in Keras' own layers, see `in_stock_layers`.

    Names of layers stay. Values are the same bits, but for masked kernels: the copy has
    the kernel in effect. Outputs are the same to rounding.

    A layer of which nothing trains is frozen as a whole, which a `.keras` file keeps;
    in the copy of a random-k network these are the masked ones, too. A BatchNorm layer
    whose γ and β are frozen is not: it would normalize with moving statistics.

    Args:
        model: a built model that Keras can serialize.

    Example:
        >>> stock_model(bnkeras.load_compact("saved_models/mine")).save("mine.keras")
    """
    with deep_graph(sum(1 for _ in layers_of(model))):
        config = in_stock_layers(keras.saving.serialize_keras_object(model))
        stock = keras.saving.deserialize_keras_object(config)
    frozen = set()
    pairs = zip(_values(model), (entry.variable for entry in weights_of(stock)), strict=True)
    for (values, trains), variable in pairs:
        variable.assign(values)
        if not trains:
            frozen.add(id(variable))
    for layer in layers_of(stock):
        # Such as Normalization, which makes constants of its weights.
        if layer.weights and hasattr(layer, "finalize_state"):
            layer.finalize_state()
    _freeze(stock, frozen)
    return stock


def needed_classes(model: keras.Model) -> list[str]:
    """Return the classes, `module.name`, without which a `.keras` file of `model` cannot be loaded.

    Example:
        >>> needed_classes(keras.applications.MobileNetV2(weights=None))
        []
    """
    return sorted(classes_beside_keras(keras.saving.serialize_keras_object(model)))


def _values(model: keras.Model) -> Iterator[tuple[np.ndarray, bool]]:
    """Yield the values of each variable, masked kernels in effect, and whether it trains."""
    masked = (layer for layer in layers_of(model) if isinstance(layer, Masked))
    effective = {
        id(kernel): values
        for layer in masked
        for name, values in layer.effective_kernels().items()
        for kernel in layer._trainable_variables
        if kernel.name == name
    }
    for _, _, variable in weights_of(model):
        if variable.name != RANDOM_KERNEL:
            values = keras.ops.convert_to_numpy(effective.get(id(variable), variable.value))
            yield values, variable.trainable


def _freeze(layer: keras.layers.Layer, frozen: set[int]) -> None:
    """Freeze the outermost layers in `layer` all of whose variables are `frozen`."""
    inside = list(layers_of(layer))
    weights = [variable for part in inside for variable in part._trainable_variables]
    if not weights:
        return
    if all(id(variable) in frozen for variable in weights) and not any(map(is_batch_norm, inside)):
        layer.trainable = False
        return
    for part in layer._layers:
        _freeze(part, frozen)
