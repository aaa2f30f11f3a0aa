"""The image multi-layer perceptron."""

from collections.abc import Sequence

import keras

from bnkeras.errors import ModelError
from bnkeras.models.blocks import Blocks, is_size


def mlp(
    hidden: Sequence[int] = (1024, 512, 256),
    classes: int = 10,
    input_shape: Sequence[int] = (32, 32, 3),
    seed: int = 0,
    features: str = "he_normal",
    gamma: str = "uniform(0, 1)",
    beta: str = "constant(0)",
    norm: str = "batch",
    dtype: str | None = None,
) -> keras.Model:
    """Build Torri's perceptron: dense, BatchNorm, ReLU for each hidden layer, dense output.

    All dense layers have a bias, those too whose BatchNorm subtracts it again.

    Args:
        hidden: units of the hidden layers.
        classes: number of logits.
        input_shape: (height, width, channels) of an image.
        seed: root seed of the weights.
        features: initialisation law of all kernels.
        gamma: law of the scales γ of the norms.
        beta: law of the shifts β of the norms.
        norm: batch, group or layer, see `Blocks.normalize`.
        dtype: Keras dtype policy, None for the global one.

    Returns:
        A model from images [batch, height, width, channels] to logits [batch, classes].

    Raises:
        ModelError: no such network, such as one with a hidden layer without units, or with
            instance normalization, for which a unit has no positions.
        SeedingError: the seed or a law is not valid.

    Source: Torri 2022, the image experiment.

    Example:
        >>> mlp(hidden=(64, 32), seed=1).output_shape
        (None, 10)
    """
    if not isinstance(hidden, Sequence) or not hidden or not all(map(is_size, hidden)):
        raise ModelError(f"hidden is a list of numbers of units above 0; received {hidden!r}.")
    block = Blocks(seed, features, gamma, beta, norm, dtype)
    inputs = block.image(input_shape)
    if None in input_shape:
        raise ModelError(f"The perceptron has images of one size; received {input_shape!r}.")
    x = keras.layers.Flatten(dtype=dtype, name="flatten")(inputs)
    for index, units in enumerate(hidden, start=1):
        x = block.dense(x, units, f"hidden{index}_dense")
        x = block.relu(block.normalize(x, f"hidden{index}_bn"), f"hidden{index}_relu")
    return keras.Model(inputs, block.output(x, classes), name="mlp")
