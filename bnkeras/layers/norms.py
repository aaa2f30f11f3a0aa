"""Norms that leave the batch alone, with the same γ and β per channel."""

import keras
from keras import ops

from bnkeras.errors import ModelError


@keras.saving.register_keras_serializable(package="bnkeras")
class GroupNormalization(keras.layers.GroupNormalization):
    """Normalize each example over groups of channels, in training as in inference.

    With the mean and the biased variance over all positions of an example and the
    channels of a group (Wu and He 2018):

        y = γ · (x − mean) / √(variance + ε) + β

    One group is layer normalization, a group for every channel (`groups=-1`) is instance
    normalization. Variables and numbers are those of the Keras layer, which takes up to
    three times as long: it sums over groups of channels directly, a few neighbours at a
    time. Here the moments of each channel come first, and few values are left for the
    groups. Statistics are computed in float32 under mixed policies.

    Args:
        groups: number of groups, which divides the channels; -1 for one per channel.
        per_position: whether every position, such as a word of a sequence, is normalized
            by its own channels, and not with the others.
        **kwargs: those of `keras.layers.GroupNormalization`; channels are the last axis.

    Raises:
        ModelError: `axis` is not the last.

    Shapes:
        inputs and outputs: [batch, ..., channels]; γ, β: [channels], float32 under the
        policies `float32` and `mixed_*`.

    Example:
        >>> layer = GroupNormalization(8, epsilon=1e-5)
        >>> layer(keras.random.normal((4, 32, 32, 16))).shape
        TensorShape([4, 32, 32, 16])
    """

    def __init__(self, groups=32, per_position=False, **kwargs):
        super().__init__(groups, **kwargs)
        if self.axis != -1:
            raise ModelError(f"The channels are the last axis, -1; received axis={self.axis!r}.")
        self.per_position = per_position

    def call(self, inputs):
        """Normalize `inputs` by their own moments."""
        channels = inputs.shape[-1]
        shape = ops.shape(inputs)
        x = ops.cast(inputs, keras.backend.result_type(self.compute_dtype, "float32"))
        x = ops.reshape(x, (-1, 1, channels) if self.per_position else (shape[0], -1, channels))
        by_group = (-1, self.groups, channels // self.groups)
        mean, variance = (ops.reshape(moment, by_group) for moment in ops.moments(x, axes=1))
        group_mean = ops.mean(mean, axis=-1, keepdims=True)
        # The variance of a group is that within its channels and that between them.
        group_variance = ops.mean(variance + ops.square(mean - group_mean), axis=-1, keepdims=True)
        gamma = self.gamma if self.scale else ops.ones(channels, x.dtype)
        scale = ops.rsqrt(group_variance + self.epsilon) * ops.reshape(gamma, by_group)
        shift = -group_mean * scale
        if self.center:
            shift += ops.reshape(self.beta, by_group)
        y = x * ops.reshape(scale, (-1, 1, channels)) + ops.reshape(shift, (-1, 1, channels))
        return ops.cast(ops.reshape(y, shape), self.compute_dtype)

    def get_config(self):
        """Return the arguments of the constructor."""
        return {**super().get_config(), "per_position": self.per_position}


@keras.saving.register_keras_serializable(package="bnkeras")
class Affine(keras.layers.Layer):
    """Scale and shift each channel, y = γ · x + β: a norm layer without its statistics.

    Args:
        gamma_initializer: initializer of γ.
        beta_initializer: initializer of β.
        **kwargs: those of every Keras layer.

    Shapes:
        inputs and outputs: [..., channels]; γ, β: [channels].

    Example:
        >>> Affine()(keras.ops.ones((4, 2))).shape
        TensorShape([4, 2])
    """

    def __init__(self, gamma_initializer="ones", beta_initializer="zeros", **kwargs):
        super().__init__(**kwargs)
        self.gamma_initializer = keras.initializers.get(gamma_initializer)
        self.beta_initializer = keras.initializers.get(beta_initializer)

    def build(self, input_shape):
        """Create γ and β."""
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(shape=shape, initializer=self.gamma_initializer, name="gamma")
        self.beta = self.add_weight(shape=shape, initializer=self.beta_initializer, name="beta")

    def call(self, inputs):
        """Return γ · inputs + β."""
        return inputs * self.gamma + self.beta

    def get_config(self):
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
            "beta_initializer": keras.initializers.serialize(self.beta_initializer),
        }
