"""ResNets for CIFAR-10 and other small images."""

from collections.abc import Sequence

import keras

from bnkeras.models.blocks import Blocks, deep_graph
from bnkeras.models.residual import basic_block
from bnkeras.models.resnet_sizes import blocks_per_group, stem_channels


def resnet_cifar(
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
    """Build a CIFAR ResNet: a 3×3 stem, three groups of basic blocks, one dense layer.

    The groups have (depth − 2) / 6 blocks each and 16w, 32w and 64w channels; the
    first convolution of groups 2 and 3 has stride 2, and a 1×1 convolution with a
    BatchNorm of its own on the shortcut. BatchNorm stands before every ReLU, no
    convolution has a bias, and global average pooling leads to the output layer.

    Args:
        depth: layers with weights, 6n + 2: 8, 14, 20, 26, 32, …
        width: factor on the channels; 16 · width is a whole number (1/8, 1/2, 1, 2, …).
        classes: number of logits.
        input_shape: (height, width, channels) of an image; height and width may be None.
        seed: root seed of the weights.
        features: initialisation law of all kernels.
        gamma: law of the scales γ of the norms.
        beta: law of the shifts β of the norms.
        norm: batch, instance, group or layer, see `Blocks.normalize`.
        dtype: Keras dtype policy, None for the global one.

    Returns:
        A model from images [batch, height, width, channels] to logits [batch, classes].

    Raises:
        ModelError: no such network; for a depth the nearest valid ones are named.
        SeedingError: the seed or a law is not valid.

    Source: He et al. 2015, section 4.2; Frankle et al. 2021, section 3 and table 1.

    Example:
        >>> resnet_cifar(14, width=2, seed=1).count_params()
        698858
    """
    blocks, stem = blocks_per_group(depth), stem_channels(width)
    block = Blocks(seed, features, gamma, beta, norm, dtype)

    inputs = block.image(input_shape)
    x = block.conv(inputs, stem, 3, 1, "stem_conv")
    x = block.relu(block.normalize(x, "stem_bn"), "stem_relu")
    for group in range(3):
        for index in range(blocks):
            stride = 2 if group > 0 and index == 0 else 1
            x = basic_block(block, x, stem << group, stride, f"group{group + 1}_block{index}")
    x = keras.layers.GlobalAveragePooling2D(dtype=dtype, name="pool")(x)
    with deep_graph(depth):
        return keras.Model(inputs, block.output(x, classes), name=f"resnet{depth}")
