"""From a root seed and a path to a Philox stream."""

import hashlib
import operator

from bnkeras.errors import SeedingError

GENERATOR = "philox4x32-10/quantile16"
GENERATOR_VERSION = 1

# Words of one sub-stream: 2^32 blocks of four words, what is below the index in the counter.
WORDS_PER_INDEX = 1 << 34


def stream(seed: int, path: str) -> tuple[int, int]:
    """Return the Philox key and the high half of its counter for `path` under `seed`.

    The key is the seed itself. The high 64 bits of the counter are the first
    eight bytes, little endian, of SHA-256("bnkeras/1/" + path in UTF-8); the low
    64 bits count the blocks of the stream.

    Args:
        seed: root seed of the network, 0 ≤ seed < 2^64.
        path: stable path of the variable, such as `"stem_conv/kernel"`.

    Raises:
        SeedingError: the seed or the path is not valid.

    >>> stream(7, "stem_conv/kernel")
    (7, 9801264365147526407)
    """
    return check_seed(seed), _counter(path)


def check_seed(seed: int) -> int:
    """Return `seed` as an int, or raise SeedingError if it does not fit 64 bits."""
    return _integer(seed, (1 << 64) - 1, "A seed is an integer from 0 to 2**64 - 1")


def check_index(index: int) -> int:
    """Return the `index` of a sub-stream as an int, or raise SeedingError."""
    return _integer(
        index, (1 << 32) - 1, "The index of a sub-stream is an integer from 0 to 2**32 - 1"
    )


def check_count(count: int) -> int:
    """Return the `count` of words of a sub-stream as an int, or raise SeedingError."""
    return _integer(count, WORDS_PER_INDEX, "A sub-stream has from 0 to 2**34 words")


def _integer(value: int, largest: int, rule: str) -> int:
    """Return a Python int: shifts of NumPy's fixed-size ones would overflow silently."""
    try:
        integer = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        integer = -1
    if not 0 <= integer <= largest:
        raise SeedingError(f"{rule}; received {value!r}.")
    return integer


def _counter(path: str) -> int:
    if not isinstance(path, str) or not path:
        raise SeedingError(
            f"A random variable needs a path that is not empty, such as 'stem_conv/kernel'; "
            f"received {path!r}."
        )
    try:
        name = f"bnkeras/{GENERATOR_VERSION}/{path}".encode()
    except UnicodeEncodeError as error:
        raise SeedingError(f"A path is text that UTF-8 can write; received {path!r}.") from error
    digest = hashlib.sha256(name).digest()
    return int.from_bytes(digest[:8], "little")
