"""A uniform choice without replacement, out of the generator."""

import numpy as np

from bnkeras.errors import SeedingError
from bnkeras.seeding.reference import words


def choose(seed: int, path: str, count: int, size: int, units: int = 1) -> np.ndarray:
    """Return `count` different numbers below `size` for each of `units`, int64 [count, units].

    Word n of the stream of `path` belongs to unit n mod units. It stands for its
    remainder by `size`, unless it is not below the largest multiple of `size` in
    2^32: then it is skipped. A unit gets its first `count` different remainders. So
    all choices are equally likely, exactly, and a smaller count gives the first of a
    larger one. Above half of `size`, the numbers to leave out are drawn so instead,
    and the others are returned in ascending order.

    Args:
        seed: root seed, 0 ≤ seed < 2^64.
        path: path of the stream.
        count: how many for each unit, 0 ≤ count ≤ size.
        size: 0 < size < 2^32.
        units: number of independent choices.

    Raises:
        SeedingError: the seed or the path is not valid, or there are fewer than `count`
            numbers.

    >>> choose(7, "stem_conv/positions", count=2, size=27, units=4)
    array([[ 7,  0, 16, 13],
           [22, 10, 12,  0]])
    """
    if not 0 <= count <= size:
        raise SeedingError(f"From {size} numbers 0 to {size} can be chosen; received {count!r}.")
    if 2 * count <= size:
        return _first_different(seed, path, count, size, units)
    chosen = np.ones((units, size), bool)
    chosen[np.arange(units), _first_different(seed, path, size - count, size, units)] = False
    return np.nonzero(chosen)[1].reshape(units, count).T


def _first_different(seed: int, path: str, count: int, size: int, units: int) -> np.ndarray:
    draws = count + 8
    while True:
        stream = words(seed, path, draws * units)
        accepted = np.flatnonzero(stream < 2**32 - 2**32 % size)
        unit = accepted % units
        number = (stream[accepted] % np.uint32(size)).astype(np.int64)
        # Each (unit, number) where it comes first; then unit by unit, in that order.
        _, first = np.unique(unit * size + number, return_index=True)
        first.sort()
        first = first[np.argsort(unit[first], kind="stable")]
        found = np.bincount(unit[first], minlength=units)
        if found.min() >= count:
            begin = np.cumsum(found) - found
            return number[first[begin + np.arange(count)[:, None]]]
        draws *= 2
