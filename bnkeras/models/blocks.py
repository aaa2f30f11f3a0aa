"""The seeded layers that the builders share."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras

from bnkeras.errors import ModelError, did_you_mean
from bnkeras.layers import Affine, BatchNormalization, GroupNormalization
from bnkeras.seeding.initializer import Seeded

NORMS = ("batch", "instance", "group", "layer")


@dataclass(frozen=True)
class Blocks:
    """Layers of one network: seeded from its root seed, with the papers' settings.

    Args:
        seed: root seed.
        features: initialisation law of kernels.
        gamma: law of the scale γ of norms.
        beta: law of the shift β of norms.
        norm: what norms take their statistics over, see `normalize`.
        dtype: Keras dtype policy, None for the global one.

    Raises:
        ModelError: no such norm.
    """

    seed: int
    features: str
    gamma: str
    beta: str
    norm: str
    dtype: str | None

    def __post_init__(self):
        """Check the norm."""
        if self.norm not in NORMS:
            raise ModelError(
                f"No norm {self.norm!r}: choose one of {', '.join(NORMS)}."
                f"{did_you_mean(str(self.norm), NORMS)}"
            )

    def image(self, shape: Sequence[int | None]):
        """Return the input of images of `shape`; a height or width of None may vary."""
        valid = isinstance(shape, Sequence) and len(shape) == 3 and is_size(shape[2])
        if not valid or not all(size is None or is_size(size) for size in shape[:2]):
            raise ModelError(
                f"input_shape is (height, width, channels), whole numbers above 0, with None for "
                f"a height or width that varies; received {shape!r}."
            )
        return keras.Input(tuple(shape), name="image")

    def conv(self, x, filters: int, kernel: int, stride: int, name: str, bias: bool = False):
        """Convolve with PyTorch's symmetric padding of (kernel − 1) / 2."""
        padding = "same" if kernel > 1 else "valid"
        if stride > 1 and kernel > 1:
            # "same" pads a strided convolution at the far edge first. PyTorch, and so
            # the papers, pad both edges alike.
            x = self.pad(x, (kernel - 1) // 2, f"{name}_pad")
            padding = "valid"
        fan_in = kernel * kernel * x.shape[-1]
        return keras.layers.Conv2D(
            filters,
            kernel,
            strides=stride,
            padding=padding,
            use_bias=bias,
            kernel_initializer=self.seeded(self.features, f"{name}/kernel"),
            bias_initializer=self._bias(fan_in, name) if bias else None,
            dtype=self.dtype,
            name=name,
        )(x)

    def pad(self, x, margin: int, name: str):
        """Put `margin` zeros around each image."""
        return keras.layers.ZeroPadding2D(margin, dtype=self.dtype, name=name)(x)

    def normalize(self, x, name: str):
        """Normalize, and scale and shift each channel by γ and β; PyTorch's ε of 1e-5.

        | norm | statistics of |
        |---|---|
        | `batch` | a channel in all examples; moving ones (momentum 0.9) in inference |
        | `instance` | a channel in one image |
        | `group` | a group of channels in one image, see `groups_of` |
        | `layer` | all channels in one image |

        The words of a sequence are normalized one by one, so that padding has no part
        in it: `group` and `layer` take the channels of one word.

        Raises:
            ModelError: instance normalization of a single position.
        """
        if self.norm == "batch":
            return self._batch_norm(x, name, self.dtype)
        is_image = len(x.shape) == 4
        if self.norm == "instance" and not (is_image and tuple(x.shape[1:3]) != (1, 1)):
            raise ModelError(
                f"Instance normalization takes mean and variance over the positions of an image, "
                f"and at {name!r} there is one position: every value would become 0. Choose the "
                f"norm batch, group or layer; received 'instance'."
            )
        channels = x.shape[-1]
        groups = {"instance": channels, "group": groups_of(channels), "layer": 1}[self.norm]
        return GroupNormalization(
            groups,
            per_position=not is_image,
            epsilon=1e-5,
            **self._scale_and_shift(name),
            dtype=self.dtype,
            name=name,
        )(x)

    def normalize_logits(self, x, name: str):
        """Normalize float32 logits over the batch; with another norm, scale and shift them only.

        Two logits less their mean and over their deviation are 1 and −1, whatever they
        were: layer or group normalization would leave nothing to learn from.
        """
        if self.norm == "batch":
            return self._batch_norm(x, name, "float32")
        return Affine(**self._scale_and_shift(name), dtype="float32", name=name)(x)

    def relu(self, x, name: str):
        """Rectify."""
        return keras.layers.ReLU(dtype=self.dtype, name=name)(x)

    def dense(self, x, units: int, name: str, dtype: str | None = None):
        """Multiply by a kernel and add a bias."""
        return keras.layers.Dense(
            units,
            kernel_initializer=self.seeded(self.features, f"{name}/kernel"),
            bias_initializer=self._bias(x.shape[-1], name),
            dtype=dtype or self.dtype,
            name=name,
        )(x)

    def output(self, x, classes: int):
        """Return float32 logits from a dense layer named `output`."""
        if not is_size(classes):
            raise ModelError(f"classes is a whole number above 0; received {classes!r}.")
        # A softmax over bfloat16 logits loses the differences that the loss is made of.
        return self.dense(x, classes, "output", dtype="float32")

    def seeded(self, law: str, path: str) -> Seeded:
        """Return the initializer of the variable of that path."""
        return Seeded(law, self.seed, path)

    def _batch_norm(self, x, name: str, dtype: str | None):
        return BatchNormalization(
            momentum=0.9, epsilon=1e-5, **self._scale_and_shift(name), dtype=dtype, name=name
        )(x)

    def _bias(self, fan_in: int, layer: str) -> Seeded:
        # The papers leave biases as PyTorch's layers draw them.
        return self.seeded(f"output_bias({fan_in})", f"{layer}/bias")

    def _scale_and_shift(self, layer: str) -> dict[str, Seeded]:
        return {
            "gamma_initializer": self.seeded(self.gamma, f"{layer}/gamma"),
            "beta_initializer": self.seeded(self.beta, f"{layer}/beta"),
        }


def groups_of(channels: int) -> int:
    """Return the groups that group normalization divides `channels` into.

    32, as Wu and He (2018) have it, for 64 channels or any multiple of it. In general
    the largest number up to 32 that divides the channels and leaves two in each group:
    a group of one would be instance normalization.

    >>> [groups_of(channels) for channels in (1, 3, 16, 100, 512)]
    [1, 1, 8, 25, 32]
    """
    return max((n for n in range(1, min(32, channels // 2) + 1) if channels % n == 0), default=1)


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
