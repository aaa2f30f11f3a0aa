"""Which depths the VGG networks have. Imports neither Keras nor TensorFlow."""

from bnkeras.errors import ModelError
from bnkeras.models.resnet_sizes import stem_channels

# Convolutions of the five groups.
_CONVOLUTIONS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


def vgg_plan(depth: int, width: float = 1) -> tuple[tuple[int, ...], ...]:
    """Return the channels of each convolution in the five groups, which pooling separates.

    Raises:
        ModelError: no such depth or width; the message names the choices.

    >>> vgg_plan(11)
    ((64,), (128,), (256, 256), (512, 512), (512, 512))
    """
    if type(depth) is not int or depth not in _CONVOLUTIONS:
        *some, last = _CONVOLUTIONS
        raise ModelError(
            f"The depth of a VGG network is {', '.join(map(str, some))} or {last}; received "
            f"{depth!r}."
        )
    stem = stem_channels(width, 64)
    channels = (stem, 2 * stem, 4 * stem, 8 * stem, 8 * stem)
    return tuple(
        (size,) * count for size, count in zip(channels, _CONVOLUTIONS[depth], strict=True)
    )
