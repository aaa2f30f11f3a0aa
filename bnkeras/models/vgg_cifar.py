"""VGG networks for CIFAR-10 and other small images."""

from collections.abc import Sequence

import keras

from bnkeras.errors import ModelError
from bnkeras.models.blocks import Blocks
from bnkeras.models.vgg_sizes import vgg_plan


def vgg_cifar(
    depth: int,
    width: float = 1,
    classes: int = 10,
    input_shape: Sequence[int | None] = (32, 32, 3),
    seed: int = 0,
    features: str = "he_normal",
    gamma: str = "uniform(0, 1)",
    beta: str = "constant(0)",
    norm: str = "batch",
    dtype: str | None = None,
) -> keras.Model:
    """Build a VGG network: five groups of 3×3 convolutions, max pooling between, one dense layer.

    The groups have 64w, 128w, 256w, 512w and 512w channels and, by depth:

    | depth | convolutions |
    |---|---|
    | 11 | 1, 1, 2, 2, 2 |
    | 13 | 2, 2, 2, 2, 2 |
    | 16 | 2, 2, 3, 3, 3 |
    | 19 | 2, 2, 4, 4, 4 |

    Each convolution has a bias, BatchNorm and ReLU behind it; the pooling is 2×2. What
    the last group gives, 2×2 positions for CIFAR-10, is averaged for the output layer.

    Args:
        depth: 11, 13, 16 or 19. Three of the layers that the number counts were dense;
            for small images there is one.
        width: factor on the channels; 64 · width is a whole number (1/8, 1/2, 1, 2, …).
        classes: number of logits.
        input_shape: (height, width, channels) of an image, from 16×16 pixels on; height
            and width may be None.
        seed: root seed of the weights.
        features: initialisation law of all kernels.
        gamma: law of the scales γ of the norms.
        beta: law of the shifts β of the norms.
        norm: batch, instance, group or layer, see `Blocks.normalize`.
        dtype: Keras dtype policy, None for the global one.

    Returns:
        A model from images [batch, height, width, channels] to logits [batch, classes].

    Raises:
        ModelError: no such network, or images too small for four poolings.
        SeedingError: the seed or a law is not valid.

    Source: Liu et al. 2019; Frankle et al. 2021, appendix.

    Example:
        >>> vgg_cifar(16, seed=1).output_shape
        (None, 10)
    """
    plan = vgg_plan(depth, width)
    block = Blocks(seed, features, gamma, beta, norm, dtype)

    inputs = x = block.image(input_shape)
    if any(size is not None and size < 16 for size in input_shape[:2]):
        raise ModelError(
            f"Four poolings halve the images of a VGG network, which have at least 16×16 pixels; "
            f"received {input_shape!r}."
        )
    for group, channels in enumerate(plan, start=1):
        if group > 1:
            x = keras.layers.MaxPooling2D(2, dtype=dtype, name=f"group{group}_pool")(x)
        for index, filters in enumerate(channels, start=1):
            x = block.conv(x, filters, 3, 1, f"group{group}_conv{index}", bias=True)
            x = block.normalize(x, f"group{group}_bn{index}")
            x = block.relu(x, f"group{group}_relu{index}")
    x = keras.layers.GlobalAveragePooling2D(dtype=dtype, name="pool")(x)
    return keras.Model(inputs, block.output(x, classes), name=f"vgg{depth}")
