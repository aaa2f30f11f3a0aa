"""Finding the channels that a network does not need: those whose |γ| is below a threshold."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np

from bnkeras.compact.manifest.slim import SlimNorm, tail
from bnkeras.layers import BatchNormalization
from bnkeras.models.variables import grouped_variables, is_batch_norm

_layers = keras.layers
# Exactly these classes: what a subclass computes is not known.
_NORMS = {BatchNormalization, _layers.BatchNormalization}
_WITH_UNITS = {_layers.Dense, _layers.Conv1D, _layers.Conv2D, _layers.Conv3D}
_LINEAR = {
    _layers.AveragePooling1D,
    _layers.AveragePooling2D,
    _layers.AveragePooling3D,
    _layers.GlobalAveragePooling1D,
    _layers.GlobalAveragePooling2D,
    _layers.GlobalAveragePooling3D,
    _layers.Dropout,
    _layers.SpatialDropout1D,
    _layers.SpatialDropout2D,
    _layers.SpatialDropout3D,
    # Channels are the last axis, so a unit of what is flattened is of channel unit mod channels.
    _layers.Flatten,
}
_MAXIMUM = {
    _layers.MaxPooling1D,
    _layers.MaxPooling2D,
    _layers.MaxPooling3D,
    _layers.GlobalMaxPooling1D,
    _layers.GlobalMaxPooling2D,
    _layers.GlobalMaxPooling3D,
}
_PADDING = {_layers.ZeroPadding1D, _layers.ZeroPadding2D, _layers.ZeroPadding3D}
_ACTIVATIONS = {_layers.Activation, _layers.ReLU, _layers.LeakyReLU, _layers.ELU}
_ELEMENTWISE = {
    keras.activations.linear,
    keras.activations.relu,
    keras.activations.relu6,
    keras.activations.leaky_relu,
    keras.activations.elu,
    keras.activations.selu,
    keras.activations.gelu,
    keras.activations.silu,
    keras.activations.hard_silu,
    keras.activations.mish,
    keras.activations.tanh,
    keras.activations.sigmoid,
    keras.activations.hard_sigmoid,
    keras.activations.softplus,
    keras.activations.softsign,
    keras.activations.exponential,
}


class NormFacts(NamedTuple):
    """What was found of one norm.

    Args:
        name: its layer's name.
        channels: how many it has.
        small: how many have |γ| below the threshold.
        removed: how many of these go without a trace.
        merged: how many of these become one.
        stays: why none can go, whatever their γ; None where they can.
    """

    name: str
    channels: int
    small: int
    removed: int
    merged: int
    stays: str | None


class _StaysError(Exception):
    """All channels of a norm are needed, and why."""


@dataclass(frozen=True)
class _Consumer:
    """A layer with a kernel for the channels, and what constant ones are there.

    Args:
        name: the layer's name.
        constants: float32 [channels + 1]; the last is of a channel whose β is 1. NaN where
            a channel is not a multiple of that.
    """

    name: str
    constants: np.ndarray


def find(model: keras.Model, threshold: float) -> tuple[list[SlimNorm], list[NormFacts]]:
    """Return which channels of a functional model can go, and the facts of each batch norm.

    In inference a channel with γ = 0 is β at all positions. It is followed through what
    keeps channels apart: elementwise activations, pooling, dropout, zero padding, `Flatten`.
    It can go if everything that it reaches is a convolution or a dense layer and what the
    norm normalizes is one, too, that leads nowhere else.

    Zero padding, of a convolution or a layer, makes a constant 0 beyond the border. The
    spare channel is padded alike, so its share is right there, too: behind padding, all
    constants are multiples of one pattern. Average pooling keeps that; maximum pooling
    does for constants from 0 on; after an activation it is not known, and channels stay.
    """
    graph = _Graph(model)
    plan, facts = [], []
    for node in graph.nodes:
        norm = node.operation
        if not is_batch_norm(norm):
            continue
        gamma = None if norm.gamma is None else keras.ops.convert_to_numpy(norm.gamma)
        small = np.zeros(0, bool) if gamma is None else np.abs(gamma) < threshold
        channels, count = norm.moving_mean.shape[0], int(np.count_nonzero(small))
        try:
            producer = graph.producer(node)
            consumers = graph.consumers(node)
        except _StaysError as error:
            facts.append(NormFacts(norm.name, channels, count, 0, 0, str(error)))
            continue
        removed, merged, shares = _divide(np.abs(gamma), small, consumers)
        facts.append(NormFacts(norm.name, channels, count, len(removed), len(merged), None))
        if removed or merged:
            plan.append(
                SlimNorm(
                    norm=norm.name,
                    producer=producer,
                    channels=channels,
                    removed=removed,
                    merged=merged,
                    consumers=shares,
                )
            )
    return plan, facts


def _divide(
    gamma: np.ndarray, small: np.ndarray, consumers: list[_Consumer]
) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, tuple[float, ...]]]:
    """Return the channels to remove and to merge, and the shares of these for each consumer."""
    constants = np.stack([consumer.constants for consumer in consumers]).astype(np.float64)
    constants, spare = constants[:, :-1], constants[:, -1:]
    known = small & np.isfinite(constants).all(axis=0)
    vanish = (constants == 0).all(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(constants == 0, 0.0, constants / spare).astype(np.float32)
    removed = np.flatnonzero(known & vanish)
    merged = np.flatnonzero(known & ~vanish & np.isfinite(shares).all(axis=0))
    if len(merged) == 1:  # one for one saves nothing
        merged = merged[:0]
    if len(removed) == len(gamma):  # a layer has one unit or more
        removed = np.delete(removed, gamma.argmax())
    by_consumer = {
        consumer.name: tuple(row[merged].tolist())
        for consumer, row in zip(consumers, shares, strict=True)
    }
    return tuple(removed.tolist()), tuple(merged.tolist()), by_consumer


class _Graph:
    """The graph of a functional or sequential model: what leads where.

    Args:
        model: a built one.
    """

    def __init__(self, model: keras.Model):
        network = getattr(model, "_functional", model)
        by_depth = network._nodes_by_depth
        self.nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
        self._outputs = {id(tensor) for tensor in network.outputs}
        self._uses = defaultdict(list)
        self._calls = defaultdict(int)
        for node in self.nodes:
            self._calls[id(node.operation)] += 1
            for tensor in node.input_tensors:
                self._uses[id(tensor)].append(node)
        tails = {id(entry.variable): tail(entry.path) for entry in grouped_variables(model)}
        times = Counter(tails.values())
        self._tails = {key: path for key, path in tails.items() if times[path] == 1}

    def producer(self, node: Any) -> str:
        """Return the name of the layer whose units `node`, the call of a norm, normalizes."""
        norm = node.operation
        self._check_call(node)
        if type(norm) not in _NORMS or norm.gamma is None:
            raise _StaysError(f"{_named(norm)} is no plain batch norm with a γ")
        if not self._is_known(norm):
            raise _StaysError(f"other variables are called as those of {_named(norm)}")
        tensor, *others = node.input_tensors
        if others:
            raise _StaysError(f"{_named(norm)} is called on several tensors")
        if norm.axis not in (-1, len(tensor.shape) - 1):
            raise _StaysError("its channels are not the last axis")
        operation, index, _ = tensor._keras_history
        if not self._has_units(operation):
            raise _StaysError(f"{_named(operation)} before it cannot lose units")
        self._check_call(operation._inbound_nodes[index])
        if operation.activation not in _ELEMENTWISE:
            raise _StaysError(f"the activation of {_named(operation)} mixes units")
        if len(self._uses_of(tensor)) > 1:
            raise _StaysError(f"{_named(operation)} leads to other layers, too")
        return operation.name

    def consumers(self, node: Any) -> list[_Consumer]:
        """Return the layers that the channels of a norm lead to; `node` is its call."""
        norm = node.operation
        beta = np.zeros(norm.moving_mean.shape) if norm.beta is None else norm.beta
        constants = np.append(keras.ops.convert_to_numpy(beta), 1).astype(np.float32)
        found = []
        waiting = [(node.outputs[0], constants, False)]
        while waiting:
            tensor, constants, padded = waiting.pop()
            for use in self._uses_of(tensor):
                layer = use.operation
                self._check_call(use)
                if self._has_units(layer):
                    found.append(_Consumer(layer.name, constants))
                else:
                    waiting.append((use.outputs[0], *_through(layer, constants, padded)))
        return found

    def _uses_of(self, tensor: keras.KerasTensor) -> list[Any]:
        if id(tensor) in self._outputs:
            raise _StaysError("it leads to an output of the network as it is")
        return self._uses[id(tensor)]

    def _check_call(self, node: Any) -> None:
        """Raise _StaysError unless `node` is the one call of its layer, with moving statistics."""
        if self._calls[id(node.operation)] > 1:
            raise _StaysError(f"{_named(node.operation)} is called more than once")
        if node.arguments.kwargs.get("training"):
            raise _StaysError(f"{_named(node.operation)} is called as in training")

    def _has_units(self, layer: Any) -> bool:
        """Whether inputs and units of `layer` can be cut."""
        return (
            type(layer) in _WITH_UNITS
            and getattr(layer, "groups", 1) == 1
            and _channels_last(layer)
            and not getattr(layer, "lora_enabled", False)
            and getattr(layer, "quantization_mode", None) is None
            and self._is_known(layer)
        )

    def _is_known(self, layer: keras.layers.Layer) -> bool:
        """Whether the variables of `layer`, and no others, are called after it."""
        return all(
            self._tails.get(id(variable)) == f"{layer.name}/{variable.name}"
            for variable in layer.weights
        )


def _through(layer: Any, constants: np.ndarray, padded: bool) -> tuple[np.ndarray, bool]:
    """Return what `layer` makes of constant channels, and whether they are 0 at borders then."""
    if _channels_last(layer):
        if type(layer) in _LINEAR:
            return constants, padded
        if type(layer) in _PADDING:
            return constants, True
        if type(layer) in _MAXIMUM:
            return np.where(constants < 0, np.nan, constants) if padded else constants, padded
        if _is_elementwise(layer) and not padded:
            return keras.ops.convert_to_numpy(layer(constants[None]))[0].astype(np.float32), False
    raise _StaysError(f"{_named(layer)} needs all channels")


def _is_elementwise(layer: Any) -> bool:
    return type(layer) in _ACTIVATIONS and (
        type(layer) is not _layers.Activation or layer.activation in _ELEMENTWISE
    )


def _channels_last(layer: Any) -> bool:
    return getattr(layer, "data_format", "channels_last") == "channels_last"


def _named(operation: Any) -> str:
    return f"{operation.name} ({type(operation).__name__})"
