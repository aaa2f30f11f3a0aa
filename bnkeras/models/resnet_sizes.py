"""Which depths and widths a CIFAR ResNet has. Imports neither Keras nor TensorFlow."""

import math

from bnkeras.errors import ModelError


def blocks_per_group(depth: int) -> int:
    """Return the basic blocks of each of the three groups: (depth − 2) / 6.

    Raises:
        ModelError: `depth` is not 6n + 2; the message names the nearest that are.
    """
    whole = isinstance(depth, int) and not isinstance(depth, bool)
    if not whole or depth < 8 or (depth - 2) % 6:
        message = f"The depth of a CIFAR ResNet is 6n + 2 with n ≥ 1; received {depth!r}."
        if whole:
            below = max(8, depth - (depth - 2) % 6)
            nearest = f"{below}" if depth < 8 else f"{below} and {below + 6}"
            message += f" The nearest valid: {nearest}."
        raise ModelError(message)
    return (depth - 2) // 6


def stem_channels(width: float) -> int:
    """Return the channels of the stem: 16 · width.

    Raises:
        ModelError: that is no whole number above 0.
    """
    number = isinstance(width, int | float) and not isinstance(width, bool)
    if not number or not 0 < width < math.inf:
        raise ModelError(f"The width is a number above 0; received {width!r}.")
    channels = 16 * width
    if not float(channels).is_integer():
        raise ModelError(
            f"16 · width is the number of channels of the stem, a whole number; received "
            f"width={width!r}, which gives {channels:g}. Multiples of 1/16 are valid."
        )
    return int(channels)
