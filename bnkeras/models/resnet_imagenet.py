"""ResNets for ImageNet and other photographs."""

from collections.abc import Sequence

import keras

from bnkeras.models.blocks import Blocks, deep_graph
from bnkeras.models.residual import basic_block, bottleneck
from bnkeras.models.resnet_sizes import imagenet_blocks, stem_channels


def resnet_imagenet(
    depth: int,
    width: float = 1,
    classes: int = 1000,
    input_shape: Sequence[int | None] = (None, None, 3),
    seed: int = 0,
    features: str = "he_normal",
    gamma: str = "uniform(0, 1)",
    beta: str = "constant(0)",
    norm: str = "batch",
    dtype: str | None = None,
) -> keras.Model:
    """Build an ImageNet ResNet: a 7×7 stem, max pooling, four groups of blocks, one dense layer.

    Stem and max pooling have stride 2. The groups have 64w, 128w, 256w and 512w
    channels, in basic blocks for the depths 18 and 34 and in bottlenecks, which end in
    4 times as many, for 50, 101 and 200. The first block of groups 2, 3 and 4 has stride
    2 (in bottlenecks on the 3×3). Where a block changes the shape, so in group 1 of
    bottlenecks too, a 1×1 convolution with a BatchNorm of its own is on the shortcut.
    BatchNorm stands before every ReLU, no convolution has a bias, and global average
    pooling leads to the output layer.

    Args:
        depth: layers with weights: 18, 34, 50, 101 or 200.
        width: factor on the channels; 64 · width is a whole number (1/8, 1/2, 1, 2, …).
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
        ModelError: no such network; for a depth the choices are named.
        SeedingError: the seed or a law is not valid.

    Source: He et al. 2015, section 3.4; Frankle et al. 2021, section 3 and table 1, whose
    code takes torchvision's network.

    Example:
        >>> resnet_imagenet(50, classes=10, seed=1).output_shape
        (None, 10)
    """
    (has_bottlenecks, counts), stem = imagenet_blocks(depth), stem_channels(width, 64)
    add_block = bottleneck if has_bottlenecks else basic_block
    block = Blocks(seed, features, gamma, beta, norm, dtype)

    inputs = block.image(input_shape)
    x = block.conv(inputs, stem, 7, 2, "stem_conv")
    x = block.relu(block.normalize(x, "stem_bn"), "stem_relu")
    # PyTorch pads with −∞; nothing that a ReLU gives is below 0.
    x = block.pad(x, 1, "stem_pool_pad")
    x = keras.layers.MaxPooling2D(3, 2, dtype=dtype, name="stem_pool")(x)
    for group, blocks in enumerate(counts):
        for index in range(blocks):
            stride = 2 if group > 0 and index == 0 else 1
            x = add_block(block, x, stem << group, stride, f"group{group + 1}_block{index}")
    x = keras.layers.GlobalAveragePooling2D(dtype=dtype, name="pool")(x)
    with deep_graph(depth):
        return keras.Model(inputs, block.output(x, classes), name=f"resnet{depth}")
