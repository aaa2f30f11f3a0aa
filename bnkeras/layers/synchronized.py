"""Batch normalization with the statistics of all replicas, on TensorFlow's fused kernels."""

from typing import Any, NamedTuple

from bnkeras.layers.images import normalize_images


def replicas() -> int:
    """Return how many replicas train together; 1 outside of a replica of a strategy."""
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def normalize_over_replicas(images, gamma, beta, center, epsilon: float):
    """Normalize by the mean and biased variance of the batches of all replicas together.

    With m_r and v_r the mean and biased variance of replica r, c a center that all
    replicas share and E the mean over replicas, one all-reduce of two values per channel
    gives

        mean = c + E[m_r − c]
        variance = E[v_r + (m_r − c)²] − E[m_r − c]²

    Only the distance of the mean from c is subject to the cancellation of E[x²] − E[x]²,
    so c is the moving mean. The gradient takes one more all-reduce, of the sums of
    ∂loss/∂y and of ∂loss/∂y · x̂, with x̂ the normalized input:

        ∂loss/∂x = γ / √(variance + ε) · (∂loss/∂y − E[∂loss/∂y] − x̂ · E[∂loss/∂y · x̂])

    Those of γ and β are of the replica's own examples: the optimizer sums them, as it
    sums the gradients of all other variables.

    Args:
        images: [batch, height, width, channels], as large on all replicas; float32,
            bfloat16 or float16.
        gamma, beta, center: float32 [channels].
        epsilon: ε.

    Returns:
        The normalized images in their data type, mean and variance in float32 [channels].
    """
    import tensorflow as tf

    channels = gamma.shape[0]
    _, own_mean, own_variance = normalize_images(
        images, tf.ones([channels]), tf.zeros([channels]), epsilon
    )
    count = tf.cast(tf.size(images) // channels, tf.float32)
    distance = own_mean - center
    first, second = _mean_over_replicas([distance, own_variance + tf.square(distance)])
    mean = tf.stop_gradient(center + first)
    variance = tf.stop_gradient(tf.maximum(second - tf.square(first), 0.0))

    def normalized(x, scale, offset):
        return tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=scale,
            offset=offset,
            mean=mean,
            variance=variance,
            epsilon=epsilon,
            is_training=False,
        ).y

    @tf.custom_gradient
    def normalize(x, gamma, beta):
        def gradient(upstream):
            own = _gradients_of_own(upstream, x, gamma, mean, variance, epsilon)
            sums = [own.of_gamma, own.of_beta]
            of_gamma, of_beta = _mean_over_replicas(sums)
            factor = gamma * tf.math.rsqrt(variance + epsilon) / count
            shared = normalized(x, factor * of_gamma, factor * of_beta)
            return own.of_x - shared, *sums

        return normalized(x, gamma, beta), gradient

    return normalize(images, gamma, beta), mean, variance


class _Gradients(NamedTuple):
    """Gradients of the replica's own loss, with mean and variance held fixed."""

    of_x: Any
    of_gamma: Any
    of_beta: Any


def _gradients_of_own(upstream, x, gamma, mean, variance, epsilon: float) -> _Gradients:
    import tensorflow as tf

    if not tf.config.list_logical_devices("GPU"):
        found = tf.raw_ops.FusedBatchNormGradV3(
            y_backprop=upstream,
            x=x,
            scale=gamma,
            reserve_space_1=mean,
            reserve_space_2=variance,
            reserve_space_3=tf.zeros([0]),
            epsilon=epsilon,
            is_training=False,
        )
        return _Gradients(found.x_backprop, found.scale_backprop, found.offset_backprop)
    # On a GPU that kernel is not deterministic, and refuses where runs ask for it to be.
    inverse = tf.math.rsqrt(variance + epsilon)
    wide = tf.cast(upstream, tf.float32)
    of_gamma = tf.reduce_sum(wide * (tf.cast(x, tf.float32) - mean), axis=[0, 1, 2]) * inverse
    of_beta = tf.reduce_sum(wide, axis=[0, 1, 2])
    return _Gradients(tf.cast(wide * (gamma * inverse), x.dtype), of_gamma, of_beta)


def _mean_over_replicas(values):
    """Return the means over replicas of vectors, from one all-reduce."""
    import tensorflow as tf

    sizes = [value.shape[0] for value in values]
    reduced = tf.distribute.get_replica_context().all_reduce(
        tf.distribute.ReduceOp.MEAN, tf.concat(values, axis=0)
    )
    return tf.split(reduced, sizes)
