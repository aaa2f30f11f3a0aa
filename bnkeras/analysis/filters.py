"""The kernels of the first layer, which are small images, and what γ makes of them."""

from dataclasses import dataclass
from math import prod
from typing import Any

import keras
import numpy as np

from bnkeras.models.variables import is_batch_norm, is_norm

# As many are kept, those of the largest scale, and fewer of those that are as large as images.
_MOST, _MOST_VALUES = 64, 100_000


@dataclass(frozen=True, eq=False)
class FirstFilters:
    """Filters of the first layer, by falling scale.

    Args:
        layer: name of the layer.
        norm: name of the norm behind it; None where there is none.
        of: how many filters the layer has.
        units: the channels that are shown, int64 [n].
        scale: what the norm multiplies each by in inference, float64 [n]: γ / √(σ² + ε), or γ
            of a norm without moving statistics; 1 without a norm.
        kernels: float32 [n, height, width, channels].
    """

    layer: str
    norm: str | None
    of: int
    units: np.ndarray
    scale: np.ndarray
    kernels: np.ndarray

    @property
    def scaled(self) -> np.ndarray:
        """The filters as the norm scales them, float64 [n, height, width, channels]."""
        return self.kernels * self.scale[:, None, None, None]


def first_filters(model: keras.Model) -> FirstFilters | None:
    """Return the filters of the first layer that sees an image; None where none does.

    That is a convolution, or a dense layer on all pixels, whose units are images as large
    as the input.

    Example:
        >>> first_filters(bnkeras.build("resnet_cifar", depth=14)).kernels.shape
        (16, 3, 3, 3)
    """
    graph = getattr(model, "_functional", model)  # of a sequential model
    if not hasattr(graph, "operations"):
        return None
    for operation in graph.operations:
        images = _images(operation, model)
        if images is not None:
            return _chosen(operation, images, _norm_behind(graph, operation))
        is_layer = isinstance(operation, keras.layers.Layer)
        if is_layer and operation.weights and not isinstance(operation, keras.layers.Normalization):
            return None
    return None


def _images(operation: Any, model: keras.Model) -> np.ndarray | None:
    """Return the kernel of a layer as images [units, height, width, channels]."""
    if isinstance(operation, keras.layers.Conv2D):
        return keras.ops.convert_to_numpy(operation.kernel).transpose(3, 0, 1, 2)
    shape = model.inputs[0].shape[1:]
    if isinstance(operation, keras.layers.Dense) and len(shape) == 3 and None not in shape:
        kernel = keras.ops.convert_to_numpy(operation.kernel)
        if kernel.shape[0] == prod(shape):
            return kernel.T.reshape(-1, *shape)
    return None


def _norm_behind(graph: Any, layer: keras.layers.Layer) -> keras.layers.Layer | None:
    """Return the norm that takes what `layer` gives."""
    for operation in graph.operations:
        if is_norm(operation):
            for node in operation._inbound_nodes:
                if any(tensor._keras_history[0] is layer for tensor in node.input_tensors):
                    return operation
    return None


def _chosen(
    layer: keras.layers.Layer, images: np.ndarray, norm: keras.layers.Layer | None
) -> FirstFilters:
    scale = np.ones(len(images))
    if norm is not None:
        gamma = getattr(norm, "gamma", None)
        if gamma is not None:
            scale *= keras.ops.convert_to_numpy(gamma)
        if is_batch_norm(norm):
            variance = keras.ops.convert_to_numpy(norm.moving_variance).astype(np.float64)
            scale /= np.sqrt(variance + norm.epsilon)
    most = min(_MOST, max(1, _MOST_VALUES // images[0].size))
    units = np.argsort(-np.abs(scale), kind="stable")[:most]
    return FirstFilters(
        layer=layer.name,
        norm=None if norm is None else norm.name,
        of=len(images),
        units=units.astype(np.int64),
        scale=scale[units],
        kernels=np.ascontiguousarray(images[units], dtype=np.float32),
    )
