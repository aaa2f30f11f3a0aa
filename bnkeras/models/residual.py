"""The residual blocks that the ResNets are made of."""

import keras

from bnkeras.models.blocks import Blocks


def basic_block(block: Blocks, x, channels: int, stride: int, name: str):
    """Add two 3×3 convolutions to `x`; the first has the stride."""
    shortcut = _shortcut(block, x, channels, stride, name)
    x = block.conv(x, channels, 3, stride, f"{name}_conv1")
    x = block.relu(block.normalize(x, f"{name}_bn1"), f"{name}_relu1")
    x = block.conv(x, channels, 3, 1, f"{name}_conv2")
    x = block.normalize(x, f"{name}_bn2")
    x = keras.layers.Add(dtype=block.dtype, name=f"{name}_add")([x, shortcut])
    return block.relu(x, f"{name}_relu2")


def bottleneck(block: Blocks, x, channels: int, stride: int, name: str):
    """Add 1×1, 3×3 and 1×1 convolutions to `x`; the 3×3 has the stride, the last 4 times the
    channels.
    """
    shortcut = _shortcut(block, x, 4 * channels, stride, name)
    x = block.conv(x, channels, 1, 1, f"{name}_conv1")
    x = block.relu(block.normalize(x, f"{name}_bn1"), f"{name}_relu1")
    x = block.conv(x, channels, 3, stride, f"{name}_conv2")
    x = block.relu(block.normalize(x, f"{name}_bn2"), f"{name}_relu2")
    x = block.conv(x, 4 * channels, 1, 1, f"{name}_conv3")
    x = block.normalize(x, f"{name}_bn3")
    x = keras.layers.Add(dtype=block.dtype, name=f"{name}_add")([x, shortcut])
    return block.relu(x, f"{name}_relu3")


def _shortcut(block: Blocks, x, channels: int, stride: int, name: str):
    """Return `x`, through a 1×1 convolution and a norm where its shape has to change."""
    if stride == 1 and x.shape[-1] == channels:
        return x
    x = block.conv(x, channels, 1, stride, f"{name}_shortcut_conv")
    return block.normalize(x, f"{name}_shortcut_bn")
