"""The generator in NumPy: the reference that every other form must equal bit for bit."""

from collections.abc import Sequence
from functools import cache
from math import prod
from statistics import NormalDist

import numpy as np

from bnkeras.errors import SeedingError
from bnkeras.seeding.laws import Constant, Draw, Law, Normal, Orthogonal, Sign, Uniform, parse
from bnkeras.seeding.streams import check_count, check_index, stream

_MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], np.uint64)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_MASK = np.uint64(0xFFFFFFFF)
# Blocks computed together: the eight 64-bit temporaries of a chunk stay in the cache.
_CHUNK = 1 << 14


def words(seed: int, path: str, count: int, index: int = 0) -> np.ndarray:
    """Return `count` random 32-bit words of the stream of `path`.

    Word 4b + j is output j of Philox4x32-10 (Salmon et al. 2011) with the key
    `seed` and the 128-bit counter (index · 2^32 + b, hash of the path), low half
    first.

    Args:
        seed: root seed, 0 ≤ seed < 2^64.
        path: path of the stream.
        count: number of words, at most 2^34.
        index: independent sub-stream, 0 ≤ index < 2^32 (an epoch, a step).

    Raises:
        SeedingError: an argument is out of range.

    >>> words(7, "stem_conv/kernel", 2)
    array([226364300, 367351452], dtype=uint32)
    """
    key, high = stream(seed, path)
    count, index = check_count(count), check_index(index)
    blocks = -(-count // 4)
    output = np.empty((blocks, 4), np.uint32)
    for start in range(0, blocks, _CHUNK):
        low = np.arange(start, min(start + _CHUNK, blocks), dtype=np.uint64)
        low += np.uint64(index << 32)
        output[start : start + _CHUNK] = philox(low, high, key)
    return output.reshape(-1)[:count]


def philox(low: np.ndarray, high: int, key: int) -> np.ndarray:
    """Return the Philox4x32-10 blocks of the counters (low, high), four words each.

    Args:
        low: low 64 bits of the counters, uint64 [n].
        high: high 64 bits of the counters.
        key: the 64-bit key.
    """
    x0, x1 = low & _MASK, low >> np.uint64(32)
    x2 = np.full_like(low, high & 0xFFFFFFFF)
    x3 = np.full_like(low, high >> 32)
    key0, key1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        # A product of two 32-bit words fits 64 bits, so nothing is lost here.
        product0, product1 = x0 * _MULTIPLIERS[0], x2 * _MULTIPLIERS[1]
        x0, x1, x2, x3 = (
            (product1 >> np.uint64(32)) ^ x1 ^ np.uint64(key0),
            product1 & _MASK,
            (product0 >> np.uint64(32)) ^ x3 ^ np.uint64(key1),
            product0 & _MASK,
        )
        key0, key1 = (key0 + _WEYL[0]) & 0xFFFFFFFF, (key1 + _WEYL[1]) & 0xFFFFFFFF
    return np.stack([x0, x1, x2, x3], axis=-1).astype(np.uint32)


@cache
def quantiles() -> np.ndarray:
    """Return the 65,536 standard normal quantiles at (i + ½) / 65,536, float32.

    Each is rounded to the nearest multiple of 2^-20, so that implementations of
    the inverse normal distribution that differ in their last digits agree.
    """
    inverse = NormalDist().inv_cdf
    exact = np.array([inverse((i + 0.5) / 65536) for i in range(65536)])
    table = (np.rint(exact * 2.0**20) / 2.0**20).astype(np.float32)
    table.flags.writeable = False
    return table


def values(law: str | Law, seed: int, path: str, shape: Sequence[int]) -> np.ndarray:
    """Return the weights of one variable, float32 in row-major order.

    Args:
        law: initialisation law, see `bnkeras.seeding.laws.parse`.
        seed: root seed of the network.
        path: stable path of the variable.
        shape: its shape.

    Raises:
        SeedingError: an argument is not valid.

    >>> values("he_normal", 7, "stem_conv/kernel", (3, 3, 3, 16))[0, 0, 0, :2]
    array([-0.46110585, -0.44066676], dtype=float32)
    """
    shape = tuple(shape)
    draw: Draw = parse(law).resolve(shape)
    size = prod(shape)
    match draw:
        case Constant(value):
            return np.full(shape, value, np.float32)
        case Uniform(low, high):
            u = (words(seed, path, size) >> np.uint32(8)).astype(np.float64) * 2.0**-24
            # The width is a float32, so its product with u is exact in float64: a
            # compiler that fuses the multiplication and the addition changes nothing.
            return (low + float(np.float32(high - low)) * u).astype(np.float32).reshape(shape)
        case Normal(std):
            return (_normal(seed, path, size) * np.float32(std)).reshape(shape)
        case Sign(std):
            return np.copysign(np.float32(std), _normal(seed, path, size)).reshape(shape)
        case Orthogonal(gain):
            tall = tall_shape(shape)
            normal = _normal(seed, path, size).astype(np.float64)
            q, r = np.linalg.qr(normal.reshape(tall))
            q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
            q = q if tall == (prod(shape[:-1]), shape[-1]) else q.T
            return (gain * q).astype(np.float32).reshape(shape)


def _normal(seed: int, path: str, size: int) -> np.ndarray:
    """Return `size` standard normals: the low 16 bits of a word, then its high 16 bits."""
    halves = words(seed, path, -(-size // 2)).astype("<u4").view("<u2")
    return quantiles()[halves[:size]]


def tall_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the matrix shape whose columns are made orthonormal: (fan-in, out) or its flip."""
    if len(shape) < 2:
        raise SeedingError(f"orthogonal needs a kernel of two or more axes; received {shape}.")
    rows, columns = prod(shape[:-1]), shape[-1]
    return (rows, columns) if rows >= columns else (columns, rows)
