"""The generator in TensorFlow operations: eager, traced and under XLA, the bits of `reference`.

The operation is Philox itself with an explicit key and counter. The `tf.random`
functions are not used: they scramble their seeds, and their values may change
between releases of TensorFlow.
"""

from collections.abc import Sequence
from functools import cache
from math import prod

import numpy as np
import tensorflow as tf

from bnkeras.seeding.laws import Constant, Draw, Law, Normal, Orthogonal, Sign, Uniform, parse
from bnkeras.seeding.reference import tall_shape
from bnkeras.seeding.streams import check_count, check_index, stream

_PHILOX = 1


def words(seed: int, path: str, count: int | tf.Tensor, index: int | tf.Tensor = 0) -> tf.Tensor:
    """Return `count` random 32-bit words of the stream of `path`, uint32 [count].

    The same as `reference.words`; `count` and `index` may be scalar tensors, whose
    range is not checked.

    Raises:
        SeedingError: an argument is out of range.
    """
    key, high = stream(seed, path)
    count = count if tf.is_tensor(count) else check_count(count)
    index = index if tf.is_tensor(index) else check_index(index)
    index = tf.bitwise.left_shift(tf.cast(index, tf.uint64), np.uint64(32))
    return _philox([count], np.uint64(key), tf.stack([index, np.uint64(high)]))


def values(law: str | Law, seed: int, path: str, shape: Sequence[int]) -> tf.Tensor:
    """Return the weights of one variable, float32: the same bits as `reference.values`.

    The law `orthogonal` is the exception: it agrees to rounding.
    """
    shape = tuple(shape)
    key, high = stream(seed, path)
    table = _eager_quantiles() if tf.executing_eagerly() else quantiles()
    return draw(parse(law).resolve(shape), shape, np.uint64(key), np.uint64(high), table)


# AutoGraph cannot read a match statement, and there is nothing in it to convert.
@tf.autograph.experimental.do_not_convert
def draw(
    law: Draw,
    shape: tuple[int, ...] | tf.Tensor,
    key: tf.Tensor,
    high: tf.Tensor,
    table: tf.Tensor,
) -> tf.Tensor:
    """Return one draw of `shape` from the stream (key, high), float32.

    Args:
        law: what the initialisation law resolved to for this shape; its numbers may be
            scalar tensors, float64, but for `Orthogonal`.
        shape: shape of the result; a tensor, int32 [rank], where the law is not `Orthogonal`.
        key: Philox key, scalar uint64.
        high: high half of the counter, scalar uint64.
        table: the normal quantiles, `quantiles()`.
    """
    size = tf.reduce_prod(shape) if tf.is_tensor(shape) else prod(shape)
    counter = tf.stack([tf.zeros([], tf.uint64), high])
    match law:
        case Constant(value):
            return tf.fill(shape, tf.cast(value, tf.float32))
        case Uniform(low, high_end):
            bits = tf.bitwise.right_shift(_philox([size], key, counter), np.uint32(8))
            u = tf.cast(bits, tf.float64) * 2.0**-24
            width = tf.cast(tf.cast(high_end - low, tf.float32), tf.float64)
            return tf.reshape(tf.cast(low + width * u, tf.float32), shape)
        case Normal(std):
            return tf.reshape(_normal(size, key, counter, table) * tf.cast(std, tf.float32), shape)
        case Sign(std):
            normal, scale = _normal(size, key, counter, table), tf.cast(std, tf.float32)
            return tf.reshape(tf.where(normal < 0, -scale, scale), shape)
        case Orthogonal(gain):
            tall = tall_shape(shape)
            normal = tf.reshape(_normal(size, key, counter, table), tall)
            q, r = tf.linalg.qr(tf.cast(normal, tf.float64))
            q *= tf.where(tf.linalg.diag_part(r) < 0, tf.cast(-1, q.dtype), tf.cast(1, q.dtype))
            q = q if tall == (prod(shape[:-1]), shape[-1]) else tf.transpose(q)
            return tf.reshape(tf.cast(gain * q, tf.float32), shape)


def quantiles() -> tf.Tensor:
    """Return the table of normal quantiles, computed: in a saved graph it takes no bytes."""
    centres = (tf.range(65536, dtype=tf.float64) + 0.5) / 65536
    return tf.cast(tf.round(tf.math.ndtri(centres) * 2.0**20) / 2.0**20, tf.float32)


@cache
def _eager_quantiles() -> tf.Tensor:
    return quantiles()


def _philox(shape: list, key: tf.Tensor, counter: tf.Tensor) -> tf.Tensor:
    return tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=shape, key=tf.reshape(key, [1]), counter=counter, alg=_PHILOX, dtype=tf.uint32
    )


def _normal(size: int, key: tf.Tensor, counter: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
    halves = tf.bitcast(_philox([-(-size // 2)], key, counter), tf.uint16)
    indices = tf.cast(tf.reshape(halves, [-1])[:size], tf.int32)
    return tf.gather(table, indices)
