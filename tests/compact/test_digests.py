"""What tells rounding from other values."""

import numpy as np
import pytest

from bnkeras.compact.digests import differs_by_rounding, projection


@pytest.fixture(scope="module")
def values():
    return np.random.default_rng(0).normal(0, 0.05, (3, 3, 64, 128)).astype(np.float32)


def test_the_projection_is_the_documented_sum():
    x = np.float32([[1.5, -2.0], [4.0, 0.25]])
    golden = (5**0.5 - 1) / 2
    weights = [-0.5, golden - 0.5, 2 * golden - 1 - 0.5, 3 * golden - 1 - 0.5]
    wanted = float(np.dot(weights, [1.5, -2.0, 4.0, 0.25]))
    assert projection(x) == pytest.approx(wanted, rel=1e-8)
    assert projection(np.zeros((0,), np.float32)) == 0.0


def test_it_is_the_same_however_it_is_cut(values, monkeypatch):
    from bnkeras.compact import digests

    whole = projection(values)
    monkeypatch.setattr(digests, "_CHUNK", 1000)
    assert projection(values) == pytest.approx(whole, rel=1e-8)


@pytest.mark.parametrize("steps", [-4, -1, 1, 4])
def test_last_bits_are_rounding(values, steps):
    bits = values.view(np.int32) + np.int32(steps)
    assert differs_by_rounding(bits.view(np.float32), projection(values))


@pytest.mark.parametrize("factor", [1 - 2**-23, 1 + 2**-22])
def test_so_is_a_factor_that_was_rounded(values, factor):
    assert differs_by_rounding(values * np.float32(factor), projection(values))


def _one_value(values):
    other = values.copy()
    other[1, 1, 7, 7] += 0.05
    return other


@pytest.mark.parametrize(
    "other",
    [
        _one_value,
        lambda values: -values,
        lambda values: values * np.float32(1.001),
        lambda values: values[::-1],
        lambda values: values.swapaxes(0, 1),
        lambda values: np.roll(values, 2, axis=-1),
        lambda values: np.random.default_rng(1).normal(0, 0.05, values.shape).astype(np.float32),
        np.zeros_like,
        lambda values: np.full_like(values, np.nan),
    ],
    ids=["one", "sign", "scale", "order", "axes", "shift", "seed", "zero", "nan"],
)
def test_other_values_are_not(values, other):
    assert not differs_by_rounding(other(values), projection(values))
