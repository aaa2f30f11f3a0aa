"""Batch normalization on TensorFlow's fused kernels."""

import keras

from bnkeras.layers.images import normalize_images
from bnkeras.layers.rows import normalize_rows
from bnkeras.layers.synchronized import normalize_over_replicas, replicas


@keras.saving.register_keras_serializable(package="bnkeras")
class BatchNormalization(keras.layers.BatchNormalization):
    """Drop-in for `keras.layers.BatchNormalization` that runs TensorFlow's fused kernels.

    In training, over all axes but the last, with biased variance:

        y = γ · (x − mean(x)) / √(var(x) + ε) + β
        moving ← momentum · moving + (1 − momentum) · batch

    and in inference the same with the moving statistics. Keras computes this as a
    dozen separate operations; `FusedBatchNormV3` is one, forwards and backwards,
    and takes bfloat16 activations with float32 γ, β and statistics as they are. Inputs that
    are no images go another way in training on a CPU, see `normalize_rows`; and with
    `synchronized`, in a replica of a strategy, the statistics are of all replicas, see
    `normalize_over_replicas` (not so with a mask, as with Keras').

    Arguments, variables, numbers and saved configuration are those of the Keras
    layer. Where the fused kernel does not apply (another backend than TensorFlow,
    an axis that is not the last, a mask, `renorm`), Keras' own
    computation runs. So it does where the kernel lacks the data types: γ, β and
    statistics that are not float32 (the policies `bfloat16`, `float16`, `float64`).

    XLA computes the kernel's variance as E[x²] − E[x]², which loses all digits when
    the mean is large beside the standard deviation: at a ratio of 1,000 it gave NaN
    (TensorFlow 2.21, CPU). So Keras is told not to compile models with this layer by
    XLA, as `jit_compile="auto"` would on a GPU.

    Args:
        *args: those of `keras.layers.BatchNormalization`.
        **kwargs: likewise.

    Shapes:
        inputs and outputs: [batch, ..., channels]; γ, β, moving_mean,
        moving_variance: [channels], float32 under the policies `float32` and `mixed_*`.

    Source: Ioffe and Szegedy 2015.

    Example:
        >>> layer = BatchNormalization(momentum=0.9, epsilon=1e-5)
        >>> layer(keras.random.normal((8, 32, 32, 16)), training=True).shape
        TensorShape([8, 32, 32, 16])
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if keras.backend.backend() == "tensorflow":
            self.supports_jit = False

    def call(self, inputs, training=None, mask=None):
        """Normalize `inputs` with batch statistics in training, else with the moving ones."""
        if mask is not None or not self._fusable(inputs):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        channels = self.moving_mean.shape[0]
        # The kernel takes images; normalization sees every other rank as 1×1 images.
        images = inputs if inputs.shape.rank == 4 else tf.reshape(inputs, [-1, 1, 1, channels])
        scale = tf.ones([channels]) if self.gamma is None else self.gamma.value
        offset = tf.zeros([channels]) if self.beta is None else self.beta.value
        if training and self.trainable:
            if self.synchronized and replicas() > 1:
                center = self.moving_mean.value
                normalized = normalize_over_replicas(images, scale, offset, center, self.epsilon)
            # On a CPU; a GPU has a kernel that is faster for rows, too.
            elif inputs.shape.rank < 4 and not tf.config.list_logical_devices("GPU"):
                normalized = normalize_rows(inputs, scale, offset, self.epsilon)
            else:
                normalized = normalize_images(images, scale, offset, self.epsilon)
            y, mean, variance = normalized
            self._move(self.moving_mean, mean)
            self._move(self.moving_variance, variance)
        else:
            y = tf.raw_ops.FusedBatchNormV3(
                x=images,
                scale=scale,
                offset=offset,
                mean=self.moving_mean.value,
                variance=self.moving_variance.value,
                epsilon=self.epsilon,
                is_training=False,
            ).y
        return y if inputs.shape.rank == 4 else tf.reshape(y, tf.shape(inputs))

    def _fusable(self, inputs) -> bool:
        if keras.backend.backend() != "tensorflow" or self.renorm:
            return False
        rank = inputs.shape.rank
        return (
            rank is not None
            and self.axis in (-1, rank - 1)
            and self.variable_dtype == "float32"
            # The kernel's output has the type of its input, which is not always the layer's.
            and inputs.dtype.name == self.compute_dtype
            and self.compute_dtype in ("float32", "bfloat16", "float16")
        )

    def _move(self, moving, batch) -> None:
        import tensorflow as tf

        batch = tf.stop_gradient(batch)
        moving.assign(moving.value * self.momentum + batch * (1.0 - self.momentum))
