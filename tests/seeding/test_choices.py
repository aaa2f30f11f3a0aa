"""Choosing without replacement: different numbers, all choices equally likely."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from bnkeras.errors import SeedingError
from bnkeras.seeding.choices import choose


@pytest.mark.parametrize("count", [0, 1, 2, 13, 14, 26, 27])
def test_different_numbers_below_the_size(count):
    chosen = choose(7, "layer/positions", count, 27, 33)
    assert (chosen.shape, chosen.dtype) == ((count, 33), np.int64)
    assert ((chosen >= 0) & (chosen < 27)).all()
    assert all(len(set(unit)) == count for unit in chosen.T)


def test_a_smaller_count_gives_the_first_of_a_larger_one():
    """Up to half of the size; above, what is left out shrinks."""
    for count in range(1, 13):
        assert np.array_equal(
            choose(7, "p", count, 27, 5), choose(7, "p", count + 1, 27, 5)[:count]
        )
    for count in range(14, 27):
        smaller, larger = (choose(7, "p", n, 27, 5).T for n in (count, count + 1))
        assert all(set(few) < set(more) for few, more in zip(smaller, larger, strict=True))
    assert (choose(7, "p", 20, 27, 5)[1:] > choose(7, "p", 20, 27, 5)[:-1]).all()


@pytest.mark.parametrize("count", [2, 4])
def test_all_choices_are_equally_likely(count):
    """χ² with 14 degrees of freedom: below 36 in 999 of 1,000 cases."""
    units = 60_000
    chosen = np.sort(choose(5, "u", count, 6, units), axis=0).T
    counts = Counter(map(tuple, chosen.tolist()))
    expected = list(combinations(range(6), count))
    assert set(counts) == set(expected)
    mean = units / len(expected)
    assert sum((counts[choice] - mean) ** 2 / mean for choice in expected) < 36


def test_the_order_is_equally_likely_too():
    first = choose(5, "u", 2, 6, 60_000)[0]
    assert np.abs(np.bincount(first, minlength=6) - 10_000).max() < 400


def test_a_size_that_does_not_divide_the_words():
    """With remainders alone, the numbers below 2^32 mod size would come twice as often."""
    size = 3 * 2**30
    low = (choose(1, "large", 20_000, size)[:, 0] < 2**30).mean()
    assert abs(low - 1 / 3) < 0.015


def test_other_seeds_and_paths():
    one = choose(7, "a", 4, 1000, 50)
    assert not np.array_equal(one, choose(8, "a", 4, 1000, 50))
    assert not np.array_equal(one, choose(7, "b", 4, 1000, 50))
    assert np.array_equal(one, choose(7, "a", 4, 1000, 50))
    with pytest.raises(SeedingError, match="received -1"):
        choose(-1, "a", 1, 2)


@pytest.mark.parametrize("count", [-1, 28])
def test_more_than_there_are(count):
    with pytest.raises(SeedingError, match=f"From 27 numbers 0 to 27 .* received {count}"):
        choose(7, "a", count, 27)


def test_the_largest_layer_of_resnet200_takes_no_time():
    chosen = choose(0, "layer/positions_spread", 16 * 2048, 512 * 2048)[:, 0]
    assert len(set(chosen.tolist())) == 16 * 2048
