"""Streams of words: prefixes, sub-streams, independence, and what is refused."""

import doctest

import numpy as np
import pytest

from bnkeras.errors import SeedingError
from bnkeras.seeding import reference, stream, streams
from bnkeras.seeding.reference import words


def test_a_shorter_request_is_a_prefix():
    longest = words(7, "prefix", 70_000)
    for count in (0, 1, 2, 3, 4, 5, 1023, 65_535, 65_536, 65_537, 69_999):
        shorter = words(7, "prefix", count)
        assert (shorter.dtype, shorter.shape) == (np.uint32, (count,))
        np.testing.assert_array_equal(shorter, longest[:count])


def test_index_zero_is_the_default():
    np.testing.assert_array_equal(words(7, "a", 9), words(7, "a", 9, index=0))


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint32, np.uint64])
def test_numpy_integers_are_integers(kind):
    # `np.int32(1) << 32` is 0: the sub-stream would silently be number 0.
    np.testing.assert_array_equal(words(7, "a", 9, index=kind(3)), words(7, "a", 9, index=3))
    np.testing.assert_array_equal(words(kind(7), "a", kind(9)), words(7, "a", 9))
    assert type(stream(kind(7), "a")[0]) is int


def test_streams_differ():
    """Different seeds, paths and indices share no word but by chance (2^-32 each)."""
    chosen = [
        *((seed, "stem_conv/kernel", 0) for seed in (0, 1, 2, 7, 2**32, 2**63, 2**64 - 1)),
        *((7, path, 0) for path in ("stem_conv/Kernel", "stem_conv", "é", "e\u0301", "a" * 999)),
        *((7, "stem_conv/kernel", index) for index in (1, 2, 3, 2**31, 2**32 - 1)),
    ]
    drawn = [words(seed, path, 256, index) for seed, path, index in chosen]
    assert len({w for part in drawn for w in part.tolist()}) > 256 * len(drawn) - 4


def test_sub_streams_do_not_overlap():
    # Block numbers fill the low word of the counter, and the index the next one.
    blocks = np.array([0, 1, 2**32 - 1], np.uint64)
    first = reference.philox(blocks, 5, 7)
    second = reference.philox(blocks + np.uint64(2**32), 5, 7)
    assert not set(first.ravel().tolist()) & set(second.ravel().tolist())


def test_bits_are_even():
    """Each of the 32 bits of 100,000 words is set half of the time, within 5 deviations."""
    drawn = words(11, "bits", 100_000)
    for bit in range(32):
        ones = int(((drawn >> np.uint32(bit)) & np.uint32(1)).sum())
        assert abs(ones - 50_000) < 5 * np.sqrt(25_000)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, "7", None, True, np.array([1, 2])])
def test_seeds_that_are_refused(seed):
    with pytest.raises(SeedingError) as caught:
        words(seed, "a", 1)
    assert str(caught.value) == f"A seed is an integer from 0 to 2**64 - 1; received {seed!r}."


@pytest.mark.parametrize("path", ["", None, 3, b"a"])
def test_paths_that_are_refused(path):
    with pytest.raises(SeedingError) as caught:
        words(7, path, 1)
    assert str(caught.value) == (
        "A random variable needs a path that is not empty, such as 'stem_conv/kernel'; "
        f"received {path!r}."
    )


def test_a_path_that_utf8_cannot_write():
    with pytest.raises(SeedingError, match=r"text that UTF-8 can write; received '\\ud800'\.$"):
        words(7, "\ud800", 1)


@pytest.mark.parametrize("index", [-1, 2**32, 0.0, True])
def test_indices_that_are_refused(index):
    with pytest.raises(SeedingError) as caught:
        words(7, "a", 1, index=index)
    assert str(caught.value) == (
        f"The index of a sub-stream is an integer from 0 to 2**32 - 1; received {index!r}."
    )


@pytest.mark.parametrize("count", [-1, 2**34 + 1, 1.5])
def test_counts_that_are_refused(count):
    with pytest.raises(SeedingError) as caught:
        words(7, "a", count)
    assert str(caught.value) == f"A sub-stream has from 0 to 2**34 words; received {count!r}."


@pytest.mark.parametrize("module", [streams, reference])
def test_examples(module):
    outcome = doctest.testmod(module)
    assert outcome.attempted
    assert not outcome.failed
