"""How many parameters a network has, by arithmetic: nothing is built, and Keras not imported.

The formulas follow the descriptions in the papers, not the builders, so that each is
a check of the other.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from bnkeras.errors import ModelError, did_you_mean
from bnkeras.models.resnet_sizes import blocks_per_group, imagenet_blocks, stem_channels
from bnkeras.models.vgg_sizes import vgg_plan


@dataclass(frozen=True)
class Sizes:
    """How many values of each kind a network, or a part of one, has.

    Sizes add up, and `3 * sizes` is that of three parts alike.

    Args:
        features: weights and biases of hidden layers, embeddings included.
        shortcut: kernels of the 1×1 convolutions on shortcuts.
        output: kernel and bias of the output layer.
        batchnorm: γ and β.
        units: output channels of the convolutions, those on shortcuts included, and units
            of the other hidden layers: each has k weights that train under random-k.
        least_weights: how many weights lead to the unit that has the fewest.
    """

    features: int = 0
    shortcut: int = 0
    output: int = 0
    batchnorm: int = 0
    units: int = 0
    least_weights: float = inf

    @property
    def total(self) -> int:
        """All parameters."""
        return self.features + self.shortcut + self.output + self.batchnorm

    def __add__(self, other: "Sizes") -> "Sizes":
        """Return the sizes of both parts together."""
        return Sizes(
            self.features + other.features,
            self.shortcut + other.shortcut,
            self.output + other.output,
            self.batchnorm + other.batchnorm,
            self.units + other.units,
            min(self.least_weights, other.least_weights),
        )

    def __rmul__(self, times: int) -> "Sizes":
        """Return the sizes of so many parts alike, at least one."""
        return Sizes(
            times * self.features,
            times * self.shortcut,
            times * self.output,
            times * self.batchnorm,
            times * self.units,
            self.least_weights,
        )


def counts(network: str, **arguments: Any) -> dict[str, int]:
    """Count the parameters of a network as `bnkeras.parameter_counts` would, by arithmetic.

    Args:
        network: a name that `bnkeras.build` takes.
        **arguments: those of its builder. What changes no count (`seed`, the laws,
            `norm`, `dtype`) is accepted and left aside.

    Returns:
        A dict with the keys `total`, `batchnorm`, `output` and `shortcut`.

    Raises:
        ModelError: no such network.

    Source: Frankle et al. 2021, section 3; Torri 2022.

    Example:
        >>> counts("resnet_imagenet", depth=200)["batchnorm"]
        176000
    """
    found = sizes(network, **arguments)
    return {
        "total": found.total,
        "batchnorm": found.batchnorm,
        "output": found.output,
        "shortcut": found.shortcut,
    }


def sizes(network: str, **arguments: Any) -> Sizes:
    """Return the sizes of a network; arguments and errors are those of `counts`."""
    if not isinstance(network, str) or network not in _NETWORKS:
        raise ModelError(
            f"No network {network!r}: choose one of {', '.join(_NETWORKS)}."
            f"{did_you_mean(str(network), _NETWORKS)}"
        )
    describe = _NETWORKS[network]
    # NumPy's numbers become Python's, as they do in `build`.
    arguments = {
        key: value.item() if hasattr(value, "item") else value
        for key, value in arguments.items()
        if key not in _WITHOUT_EFFECT
    }
    try:
        inspect.signature(describe).bind(**arguments)
    except TypeError as error:
        raise ModelError(f"{network}: {error}.") from error
    for key, value in arguments.items():
        if key not in ("depth", "width"):  # which have rules of their own
            _check_whole(network, key, value)
    return describe(**arguments)


def _check_whole(network: str, key: str, value: Any) -> None:
    numbers = list(value) if isinstance(value, Sequence) else [value]
    rule, right = "whole numbers above 0", bool(numbers)
    if key == "input_shape":
        rule, right = f"(height, width, channels), {rule}", len(numbers) == 3
        if network != "mlp":
            # A height or width of None varies, and no count depends on it.
            numbers = [size for size in numbers[:-1] if size is not None] + numbers[-1:]
    if not right or not all(type(number) is int and number > 0 for number in numbers):
        raise ModelError(f"{network}: {key} takes {rule}; received {value!r}.")


def _resnet_cifar(
    depth: int, width: float = 1, classes: int = 10, input_shape: Sequence[int | None] = (32, 32, 3)
) -> Sizes:
    blocks, a = blocks_per_group(depth), stem_channels(width)
    found = _conv(3, input_shape[-1], a) + 2 * blocks * _conv(3, a, a)
    for before in (a, 2 * a):
        after = 2 * before
        found += _shortcut(before, after) + _conv(3, before, after)
        found += (2 * blocks - 1) * _conv(3, after, after)
    return found + _output(4 * a, classes)


def _resnet_imagenet(
    depth: int,
    width: float = 1,
    classes: int = 1000,
    input_shape: Sequence[int | None] = (None, None, 3),
) -> Sizes:
    bottlenecks, blocks = imagenet_blocks(depth)
    stem = before = stem_channels(width, 64)
    found = _conv(7, input_shape[-1], stem)
    for group, count in enumerate(blocks):
        inner = stem << group
        after = 4 * inner if bottlenecks else inner
        block = _bottleneck if bottlenecks else _basic_block
        found += block(before, inner) + (count - 1) * block(after, inner)
        if before != after:
            found += _shortcut(before, after)
        before = after
    return found + _output(before, classes)


def _vgg_cifar(
    depth: int, width: float = 1, classes: int = 10, input_shape: Sequence[int | None] = (32, 32, 3)
) -> Sizes:
    found, before = Sizes(), input_shape[-1]
    for group in vgg_plan(depth, width):
        for channels in group:
            found += _conv(3, before, channels, bias=True)
            before = channels
    return found + _output(before, classes)


def _mlp(
    hidden: Sequence[int] = (1024, 512, 256),
    classes: int = 10,
    input_shape: Sequence[int] = (32, 32, 3),
) -> Sizes:
    height, width, colours = input_shape
    found, before = Sizes(), height * width * colours
    for units in hidden:
        # A dense layer is a convolution of one position.
        found += _conv(1, before, units, bias=True)
        before = units
    return found + _output(before, classes)


def _tweet_lstm(
    vocabulary_size: int, embedding: int = 200, units: int = 100, classes: int = 2
) -> Sizes:
    # Of each gate: from the embedding, from the step before, and one bias, which is the
    # sum of the two that PyTorch has.
    weights = 4 * (embedding + units)
    lstm = Sizes(features=units * (weights + 4), units=units, least_weights=weights)
    return (
        Sizes(features=vocabulary_size * embedding)
        + _norm(embedding)
        + lstm
        + _norm(units)
        + _output(units, classes)
        + _norm(classes)
    )


def _conv(kernel: int, inputs: int, channels: int, bias: bool = False) -> Sizes:
    """Return the sizes of a convolution and of the norm behind it."""
    weights = kernel * kernel * inputs
    features = channels * (weights + (1 if bias else 0))
    return Sizes(features=features, units=channels, least_weights=weights) + _norm(channels)


def _shortcut(inputs: int, channels: int) -> Sizes:
    return Sizes(shortcut=inputs * channels, units=channels, least_weights=inputs) + _norm(channels)


def _basic_block(inputs: int, channels: int) -> Sizes:
    return _conv(3, inputs, channels) + _conv(3, channels, channels)


def _bottleneck(inputs: int, channels: int) -> Sizes:
    return (
        _conv(1, inputs, channels) + _conv(3, channels, channels) + _conv(1, channels, 4 * channels)
    )


def _norm(channels: int) -> Sizes:
    return Sizes(batchnorm=2 * channels)


def _output(inputs: int, classes: int) -> Sizes:
    return Sizes(output=(inputs + 1) * classes)


_WITHOUT_EFFECT = {"seed", "features", "gamma", "beta", "norm", "dtype"}
_NETWORKS = {
    "resnet_cifar": _resnet_cifar,
    "resnet_imagenet": _resnet_imagenet,
    "vgg_cifar": _vgg_cifar,
    "mlp": _mlp,
    "tweet_lstm": _tweet_lstm,
}
