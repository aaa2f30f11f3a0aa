"""The kernels of a layer by the units they lead to: output channels, units of a dense layer."""

import re
from dataclasses import dataclass
from math import prod

import keras
import numpy as np

# What trains of the kernels of a masked layer is a variable of this name.
RANDOM_KERNEL = "random_kernel"


@dataclass(frozen=True)
class Layout:
    """Which values of a kernel lead to which unit.

    Args:
        shape: shape of the kernel.
        summed: the axes whose products with the inputs are summed; the others count units.
        gates: units stand this many times side by side, as the gates of an LSTM do.
    """

    shape: tuple[int, ...]
    summed: tuple[int, ...]
    gates: int = 1

    @property
    def fan_in(self) -> int:
        """The values that are multiplied and summed into one output."""
        return prod(self.shape[axis] for axis in self.summed)

    @property
    def units(self) -> int:
        """The output channels of a convolution, the units of other layers."""
        return prod(self.shape) // (self.fan_in * self.gates)

    def by_unit(self) -> np.ndarray:
        """Return the places of the values in the flat kernel, int32 [fan_in · gates, units].

        >>> Layout((2, 4), summed=(0,), gates=2).by_unit()
        array([[0, 1],
               [2, 3],
               [4, 5],
               [6, 7]], dtype=int32)
        """
        places = np.arange(prod(self.shape), dtype=np.int32).reshape(self.shape)
        counted = [axis for axis in range(len(self.shape)) if axis not in self.summed]
        return places.transpose([*self.summed, *counted]).reshape(-1, self.units)


def layouts(layer: keras.layers.Layer) -> dict[str, Layout]:
    """Return the layout of each kernel of a built `layer` by its variable's name.

    | layer | kernel | units |
    |---|---|---|
    | `Dense`, `Conv1D` to `Conv3D` | [..., inputs, units] | last axis |
    | `Conv1DTranspose` to `Conv3DTranspose` | [..., units, inputs] | last axis but one |
    | `DepthwiseConv1D`, `DepthwiseConv2D` | [..., inputs, multiplier] | last two axes |
    | `SeparableConv1D`, `SeparableConv2D` | a depthwise and a pointwise one | as above |
    | `EinsumDense` | as its equation says | the axes that the output has too |
    | the cells of `LSTM`, `GRU`, `SimpleRNN` | [inputs, gates · units], two | last axis by gates |

    Layers of other types have none, embeddings among them.
    """
    return {
        variable.name: layout
        for variable in kernels(layer)
        if (layout := _layout(layer, variable.name, tuple(variable.shape))) is not None
    }


def kernels(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Return the variables of `layer` itself whose name ends in `kernel`, as Keras has them."""
    return [
        variable
        for variable in layer._trainable_variables
        if variable.name.endswith("kernel") and variable.name != RANDOM_KERNEL
    ]


# Of the cells of recurrent layers, which have a kernel and a recurrent kernel.
GATES = {keras.layers.LSTMCell: 4, keras.layers.GRUCell: 3, keras.layers.SimpleRNNCell: 1}
DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
UNITS_LAST = (
    keras.layers.Dense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    *GATES,
)
SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)


def _layout(layer: keras.layers.Layer, name: str, shape: tuple[int, ...]) -> Layout | None:
    axes = tuple(range(len(shape)))
    if isinstance(layer, DEPTHWISE) or name == "depthwise_kernel":
        return Layout(shape, axes[:-2])
    if isinstance(layer, TRANSPOSED):
        return Layout(shape, (*axes[:-2], axes[-1]))
    if isinstance(layer, keras.layers.EinsumDense):
        _, letters, output = re.split(",|->", layer.equation.replace(" ", ""))
        return Layout(shape, tuple(axis for axis in axes if letters[axis] not in output))
    if isinstance(layer, (*UNITS_LAST, *SEPARABLE)):
        gates = next((gates for cell, gates in GATES.items() if isinstance(layer, cell)), 1)
        return Layout(shape, axes[:-1], gates)
    return None
