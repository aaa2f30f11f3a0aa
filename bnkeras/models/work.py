"""What a network computes for one example, layer by layer: products, activations, parameters."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import keras

from bnkeras.errors import ModelError
from bnkeras.layers.kernels import (
    DEPTHWISE,
    GATES,
    RANDOM_KERNEL,
    SEPARABLE,
    TRANSPOSED,
    UNITS_LAST,
    kernels,
    layouts,
)
from bnkeras.models.variables import is_batch_norm, is_norm, layers_of

# The first that a layer is an instance of.
_KINDS = {
    "conv": (
        keras.layers.Conv1D,
        keras.layers.Conv2D,
        keras.layers.Conv3D,
        *TRANSPOSED,
        *DEPTHWISE,
        *SEPARABLE,
    ),
    "dense": (keras.layers.Dense, keras.layers.EinsumDense),
    "recurrent": keras.layers.RNN,
    "embedding": keras.layers.Embedding,
    "activation": (keras.layers.ReLU, keras.layers.Activation, keras.layers.LeakyReLU),
    "add": keras.layers.Add,
    "pad": keras.layers.ZeroPadding2D,
    "pool": (
        keras.layers.MaxPooling2D,
        keras.layers.AveragePooling2D,
        keras.layers.GlobalAveragePooling2D,
        keras.layers.GlobalMaxPooling2D,
    ),
}


@dataclass(frozen=True)
class LayerWork:
    """What one layer does with one example.

    Args:
        name: of the layer.
        kind: conv, dense, recurrent, embedding, batch_norm, norm (any other), activation, add,
            pool, pad or other.
        multiply_adds: products of a forward pass in its kernels, each with an addition, so
            two floating-point operations; None where a size is open, and for a layer of
            another kind that has kernels.
        activations: values of its output; None where a size is open.
        inputs: values of its inputs; None where a size is open.
        channels: size of the last axis of its output.
        steps: how many times it works one after another: the length of the sequences of a
            recurrent layer, None where that is open; else 1.
        parameters: its values, γ and β included, moving statistics not; 0 where the
            layer is called again.
        trained: how many values train; 0 where the layer is called again.
        trains_kernel: whether a kernel, or a part of one, trains.
        passes_back: whether its inputs get a gradient: something trains in what leads to them.
    """

    name: str
    kind: str
    multiply_adds: int | None
    activations: int | None
    inputs: int | None
    channels: int
    steps: int | None
    parameters: int
    trained: int
    trains_kernel: bool
    passes_back: bool


def work(
    model: keras.Model, input_shape: Sequence[int | None] | None = None
) -> tuple[LayerWork, ...]:
    """Return what each layer of `model` does with one example, in the order of the graph.

    Layers of nested models stand in the place of these; a layer that is called twice is
    there twice. Padding counts as work, as it does for the machine: a 3×3 convolution with
    the padding "same" has 9 · inputs · outputs products at every position.

    Args:
        model: a functional or sequential model that is built.
        input_shape: shape of one example, for a model whose input has open sizes, such as
            (224, 224, 3) for an ImageNet ResNet or (30,) for the tweet LSTM. None for the
            shape that the model has.

    Raises:
        ModelError: the model has no graph; or it has several inputs, or an input that
            `input_shape` does not fit.

    Example:
        >>> model = bnkeras.build("resnet_cifar", depth=14)
        >>> sum(layer.multiply_adds for layer in work(model))
        26657408
    """
    graph = getattr(model, "_functional", model)  # of a sequential model
    if not hasattr(graph, "operations"):
        raise ModelError(
            f"Work is counted along the graph of a functional or sequential model that is built; "
            f"{model.name!r} is a {type(model).__name__} without one. Make it a functional model: "
            f"keras.Model(inputs, outputs)."
        )
    walk = _Walk()
    walk.through(graph, [_input(graph, input_shape)] if input_shape else graph.inputs)
    return tuple(walk.found)


def _input(graph: keras.Model, shape: Sequence[int | None]) -> keras.KerasTensor:
    """Return an input of `graph` whose open sizes are those of `shape`."""
    shape = tuple(shape)
    own = [tuple(tensor.shape[1:]) for tensor in graph.inputs]
    fits = len(own) == 1 and len(own[0]) == len(shape)
    if not fits or any(
        size not in (None, wanted) for size, wanted in zip(*own, shape, strict=True)
    ):
        raise ModelError(
            f"input_shape is that of one example of the only input of {graph.name!r}, which has "
            f"{' and '.join(map(str, own))}; received {shape!r}."
        )
    return keras.KerasTensor((None, *shape), dtype=graph.inputs[0].dtype)


class _Walk:
    """Follows the graph with the shapes of tensors."""

    def __init__(self):
        self.found: list[LayerWork] = []
        self._counted: set[int] = set()
        # The tensors that lead back to something that trains, by id; kept, so that it is theirs.
        self._trained: dict[int, keras.KerasTensor] = {}

    def through(self, graph: keras.Model, inputs: Sequence[keras.KerasTensor]) -> Any:
        return graph._run_through_graph(inputs, operation_fn=self._step)

    def _step(self, operation: keras.Operation):
        def call(*args, **kwargs):
            inputs = [
                tensor
                for tensor in keras.tree.flatten((args, kwargs))
                if isinstance(tensor, keras.KerasTensor)
            ]
            graph = getattr(operation, "_functional", operation)
            if hasattr(graph, "operations"):
                return self.through(graph, inputs)
            kwargs.pop("mask", None)
            outputs = operation.compute_output_spec(*args, **kwargs)
            flat = keras.tree.flatten(outputs)
            back = any(id(tensor) in self._trained for tensor in inputs)
            one = _layer(operation, inputs, flat, back, id(operation) in self._counted)
            self._counted.add(id(operation))
            self.found.append(one)
            if back or _trainable(operation):
                self._trained |= {id(tensor): tensor for tensor in flat}
            return outputs

        return call


def _layer(
    operation: keras.Operation,
    inputs: Sequence[keras.KerasTensor],
    outputs: Sequence[keras.KerasTensor],
    passes_back: bool,
    again: bool,
) -> LayerWork:
    own = [] if again else _variables(operation)
    steps = inputs[0].shape[1] if isinstance(operation, keras.layers.RNN) else 1
    return LayerWork(
        name=operation.name,
        kind=_kind(operation),
        multiply_adds=_multiply_adds(operation, inputs[0], outputs[0], steps),
        activations=_values(outputs),
        inputs=_values(inputs),
        channels=outputs[0].shape[-1],
        steps=steps,
        parameters=sum(prod(one.shape) for one in own if one.name != RANDOM_KERNEL),
        trained=sum(prod(one.shape) for one in own if one.trainable),
        trains_kernel=any("kernel" in one.name for one in _trainable(operation)),
        passes_back=passes_back,
    )


def _variables(operation: keras.Operation) -> list[keras.Variable]:
    """Return the variables that a gradient can reach, those within layers too."""
    if not isinstance(operation, keras.layers.Layer):
        return []
    return [variable for layer in layers_of(operation) for variable in layer._trainable_variables]


def _trainable(operation: keras.Operation) -> list[keras.Variable]:
    return [variable for variable in _variables(operation) if variable.trainable]


def _kind(operation: keras.Operation) -> str:
    if isinstance(operation, keras.layers.Layer) and is_norm(operation):
        return "batch_norm" if is_batch_norm(operation) else "norm"
    return next((kind for kind, of in _KINDS.items() if isinstance(operation, of)), "other")


def _values(tensors: Sequence[keras.KerasTensor]) -> int | None:
    sizes = [tensor.shape[1:] for tensor in tensors]
    return None if any(None in shape for shape in sizes) else sum(map(prod, sizes))


def _multiply_adds(
    operation: keras.Operation,
    inputs: keras.KerasTensor,
    outputs: keras.KerasTensor,
    steps: int | None,
) -> int | None:
    if not isinstance(operation, keras.layers.Layer):
        return 0
    if isinstance(operation, keras.layers.RNN):
        found = [kernel for layer in layers_of(operation) for kernel in kernels(layer)]
        cells = [layer for layer in layers_of(operation) if kernels(layer)]
        known = all(isinstance(cell, tuple(GATES)) for cell in cells)
        return steps * _sizes(found) if known and steps is not None else None
    if isinstance(operation, keras.layers.EinsumDense):
        (layout,) = layouts(operation).values()
        values = _values([outputs])
        return None if values is None else values * layout.fan_in
    if isinstance(operation, (*UNITS_LAST, *DEPTHWISE, *SEPARABLE, *TRANSPOSED)):
        tensor = inputs if isinstance(operation, TRANSPOSED) else outputs
        positions = tensor.shape[1:-1]
        return None if None in positions else prod(positions) * _sizes(kernels(operation))
    return None if any(kernels(layer) for layer in layers_of(operation)) else 0


def _sizes(found: Sequence[keras.Variable]) -> int:
    return sum(prod(kernel.shape) for kernel in found)
