"""The seeded layers that the builders share."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras

from bnkeras.errors import ModelError
from bnkeras.layers import BatchNormalization
from bnkeras.seeding.initializer import Seeded


@dataclass(frozen=True)
class Blocks:
    """Layers of one network: seeded from its root seed, with the papers' settings.

    Args:
        seed: root seed.
        features: initialisation law of kernels.
        gamma: law of the BatchNorm scale γ.
        beta: law of the BatchNorm shift β.
        dtype: Keras dtype policy, None for the global one.
    """

    seed: int
    features: str
    gamma: str
    beta: str
    dtype: str | None

    def image(self, shape: Sequence[int]):
        """Return the input of images of `shape`; a height or width of None may vary."""
        valid = isinstance(shape, Sequence) and len(shape) == 3 and is_size(shape[2])
        if not valid or not all(size is None or is_size(size) for size in shape[:2]):
            raise ModelError(
                f"input_shape is (height, width, channels), whole numbers above 0, with None for "
                f"a height or width that varies; received {shape!r}."
            )
        return keras.Input(tuple(shape), name="image")

    def conv(self, x, filters: int, kernel: int, stride: int, name: str):
        """Convolve without bias and with PyTorch's symmetric padding of (kernel − 1) / 2."""
        padding = "same" if kernel > 1 else "valid"
        if stride > 1 and kernel > 1:
            # "same" pads a strided convolution at the far edge first. PyTorch, and so
            # the papers, pad both edges alike.
            margin = (kernel - 1) // 2
            x = keras.layers.ZeroPadding2D(margin, dtype=self.dtype, name=f"{name}_pad")(x)
            padding = "valid"
        return keras.layers.Conv2D(
            filters,
            kernel,
            strides=stride,
            padding=padding,
            use_bias=False,
            kernel_initializer=self._seeded(self.features, name, "kernel"),
            dtype=self.dtype,
            name=name,
        )(x)

    def norm(self, x, name: str):
        """Batch-normalize with PyTorch's ε = 1e-5 and momentum (0.9 in Keras' convention)."""
        return BatchNormalization(
            momentum=0.9,
            epsilon=1e-5,
            gamma_initializer=self._seeded(self.gamma, name, "gamma"),
            beta_initializer=self._seeded(self.beta, name, "beta"),
            dtype=self.dtype,
            name=name,
        )(x)

    def relu(self, x, name: str):
        """Rectify."""
        return keras.layers.ReLU(dtype=self.dtype, name=name)(x)

    def dense(self, x, units: int, name: str):
        """Multiply by a kernel; BatchNorm follows, so there is no bias."""
        return keras.layers.Dense(
            units,
            use_bias=False,
            kernel_initializer=self._seeded(self.features, name, "kernel"),
            dtype=self.dtype,
            name=name,
        )(x)

    def output(self, x, classes: int):
        """Return float32 logits from a dense layer with bias, named `output`."""
        if not is_size(classes):
            raise ModelError(f"classes is a whole number above 0; received {classes!r}.")
        bias = f"output_bias({x.shape[-1]})"
        return keras.layers.Dense(
            classes,
            kernel_initializer=self._seeded(self.features, "output", "kernel"),
            bias_initializer=self._seeded(bias, "output", "bias"),
            # A softmax over bfloat16 logits loses the differences that the loss is made of.
            dtype="float32",
            name="output",
        )(x)

    def _seeded(self, law: str, layer: str, variable: str) -> Seeded:
        return Seeded(law, self.seed, f"{layer}/{variable}")


def is_size(value: Any) -> bool:
    """Whether `value` can be a number of units, channels or pixels."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


@contextmanager
def deep_graph(layers: int) -> Iterator[None]:
    """Let Keras walk a chain of `layers` layers, which it does by recursion.

    Python's default limit of 1,000 frames ends at about 330 convolutions.
    """
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 1000 + 10 * layers))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
