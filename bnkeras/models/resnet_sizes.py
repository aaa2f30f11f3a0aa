"""Which depths and widths the ResNets have. Imports neither Keras nor TensorFlow."""

import math

from bnkeras.errors import ModelError

# Blocks of the four groups; from 50 on they are bottlenecks.
_IMAGENET_BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    200: (3, 24, 36, 3),
}


def blocks_per_group(depth: int) -> int:
    """Return the basic blocks of each of the three groups of a CIFAR ResNet: (depth − 2) / 6.

    Raises:
        ModelError: `depth` is not 6n + 2; the message names the nearest that are.
    """
    if not _is_cifar_depth(depth):
        message = f"The depth of a CIFAR ResNet is 6n + 2 with n ≥ 1; received {depth!r}."
        if type(depth) is int:
            below = max(8, depth - (depth - 2) % 6)
            nearest = f"{below}" if depth < 8 else f"{below} and {below + 6}"
            message += f" The nearest valid: {nearest}."
            if depth in _IMAGENET_BLOCKS:
                message += f" ResNet-{depth} is an ImageNet one: resnet_imagenet."
        raise ModelError(message)
    return (depth - 2) // 6


def imagenet_blocks(depth: int) -> tuple[bool, tuple[int, ...]]:
    """Return whether an ImageNet ResNet has bottlenecks, and the blocks of its four groups.

    Raises:
        ModelError: no such depth; the message names the choices.

    >>> imagenet_blocks(50)
    (True, (3, 4, 6, 3))
    """
    if type(depth) is not int or depth not in _IMAGENET_BLOCKS:
        *some, last = _IMAGENET_BLOCKS
        message = (
            f"The depth of an ImageNet ResNet is {', '.join(map(str, some))} or {last}; "
            f"received {depth!r}."
        )
        if _is_cifar_depth(depth):
            message += f" ResNet-{depth} is one for small images: resnet_cifar."
        raise ModelError(message)
    return depth >= 50, _IMAGENET_BLOCKS[depth]


def stem_channels(width: float, base: int = 16) -> int:
    """Return the channels of the stem: `base` · width.

    Args:
        width: factor on the channels.
        base: channels at width 1: 16 of a CIFAR ResNet, 64 of an ImageNet one or a VGG.

    Raises:
        ModelError: that is no whole number above 0.
    """
    number = isinstance(width, int | float) and not isinstance(width, bool)
    if not number or not 0 < width < math.inf:
        raise ModelError(f"The width is a number above 0; received {width!r}.")
    channels = base * width
    if not float(channels).is_integer():
        raise ModelError(
            f"{base} · width is the number of channels of the stem, a whole number; received "
            f"width={width!r}, which gives {channels:g}. Multiples of 1/{base} are valid."
        )
    return int(channels)


def _is_cifar_depth(depth: int) -> bool:
    return type(depth) is int and depth >= 8 and (depth - 2) % 6 == 0
