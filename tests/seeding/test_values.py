"""What the laws give: golden bits, and the distributions they claim."""

import hashlib
import math

import numpy as np
import pytest

from bnkeras.errors import SeedingError
from bnkeras.seeding import reference
from bnkeras.seeding.reference import values

LARGEST = 2**64 - 1


# The specification's own vectors are small; these are the sizes that networks have.
# A change of any of them breaks every export that exists: it is a new generator version.
GOLDEN = [
    (
        "he_normal",
        0,
        "stem_conv/kernel",
        (3, 3, 3, 16),
        "333967e751c966f6c263be9ac046b78846bd0d276c5998e8a20d1de70c8128c7",
    ),
    (
        "he_normal",
        7,
        "group3_block1_conv2/kernel",
        (3, 3, 64, 64),
        "0cc5711f57d2f0f088e23476258ebfc71236389be66358682e9af7119f348aa8",
    ),
    (
        "he_normal",
        LARGEST,
        "Größe/γ",
        (257, 301),
        "27b8d4f910e1cfcc13bf8a5abbd3b170107aee43da7d02afc4862c44d9f8bb1d",
    ),
    (
        "he_uniform",
        1,
        "hidden1_dense/kernel",
        (3072, 64),
        "4301388915e151bc99bdb12c1a638fefb4a0e3eacf6562fc893fbf03ef6b8958",
    ),
    (
        "binary",
        2,
        "group1_block0_conv1/kernel",
        (3, 3, 16, 16),
        "8c6bcc77efa42a714c7f0ac5628ef5144e6f27762227d6c993204b234b3f2448",
    ),
    (
        "binary",
        LARGEST,
        "odd",
        (3, 5, 7, 11),
        "4f89d02f796f4cc9cd1265afa6ec45fe692430a77a7793cf955f6f5cc2a540dc",
    ),
    (
        "normal(0.02)",
        3,
        "embedding/embeddings",
        (1001, 25),
        "df28d28a8266c14d1724892294149be38a9673ceec74bb679d4b313622182517",
    ),
    (
        "uniform(0, 1)",
        7,
        "stem_bn/gamma",
        (4097,),
        "32a210110f2427e2c5f5abbd7871ef49df8e06bb03300f55a93b4db56729358f",
    ),
    (
        "uniform(-1, 1)",
        LARGEST,
        "stem_bn/gamma",
        (4097,),
        "472b4fd744ae5f6a8b8486574b983aa2aa5f26021edc32d0c74ff447989aedce",
    ),
    (
        "uniform(-0.1, 0.3)",
        5,
        "x",
        (70_001,),
        "95b1f92581e9ef8fb42c88762af1d4c79d6e9098eb75859d6a4c8bf504c2e859",
    ),
    (
        "output_bias(64)",
        7,
        "output/bias",
        (1000,),
        "0e363b6e931f0260f024de545080bcae7599fc5a7592487ad85641150acc13a5",
    ),
    (
        "constant(0.1)",
        7,
        "stem_bn/beta",
        (5,),
        "4961bda842a4a6cb99670567254517f5db47c1422610064b398e2912b646542d",
    ),
]


@pytest.mark.parametrize(("law", "seed", "path", "shape", "digest"), GOLDEN)
def test_golden_values(law, seed, path, shape, digest):
    drawn = values(law, seed, path, shape)
    assert (drawn.dtype, drawn.shape) == (np.float32, shape)
    assert hashlib.sha256(drawn.astype("<f4").tobytes()).hexdigest() == digest


def test_golden_bits_by_eye():
    drawn = values("he_normal", 7, "stem_conv/kernel", (3, 3, 3, 16)).reshape(-1)[:4]
    # The words 0d7e0b8c and 15e5569c: low half first, then the high one.
    table = reference.quantiles()
    np.testing.assert_array_equal(
        drawn, table[[0x0B8C, 0x0D7E, 0x569C, 0x15E5]] * np.float32(math.sqrt(2 / 27))
    )
    assert [f"{bits:08x}" for bits in drawn.view(np.uint32)] == [
        "beec1611",
        "bee19f13",
        "bde87450",
        "bebebd15",
    ]


def test_a_larger_variable_begins_like_a_smaller_one():
    small = values("normal(1)", 7, "grow", (1001,))
    np.testing.assert_array_equal(values("normal(1)", 7, "grow", (7, 143, 3)).ravel()[:1001], small)


def test_shapes():
    assert values("uniform(0, 1)", 7, "scalar", ()).shape == ()
    assert values("uniform(0, 1)", 7, "none", (0, 3)).shape == (0, 3)
    assert values("he_normal", 7, "list", [2, 3]).shape == (2, 3)


def within(estimate, expected, deviation, sigmas=5):
    assert abs(estimate - expected) < sigmas * deviation, (estimate, expected, deviation)


# A convolution's fan-in: 3 · 3 · 64 inputs to each of 128 channels.
KERNEL, FAN_IN, SIZE = (3, 3, 64, 128), 576, 73_728


def test_he_normal_is_a_normal_that_is_not_truncated():
    drawn = values("he_normal", 7, "conv/kernel", KERNEL).astype(np.float64)
    std = math.sqrt(2 / FAN_IN)
    within(drawn.mean(), 0, std / math.sqrt(SIZE))
    within(drawn.std(), std, std / math.sqrt(2 * SIZE))
    # 68.27%, 95.45% and 99.73% within 1, 2 and 3; a truncated one has nothing beyond 2.
    for width, share in ((1, 0.682689), (2, 0.954500), (3, 0.997300)):
        inside = (np.abs(drawn) < width * std).mean()
        within(inside, share, math.sqrt(share * (1 - share) / SIZE))
    assert 3.8 * std < np.abs(drawn).max() <= 4.325 * std
    kurtosis = (drawn**4).mean() / drawn.var() ** 2
    within(kurtosis, 3, math.sqrt(24 / SIZE))


def test_he_uniform_has_the_variance_of_he_normal():
    drawn = values("he_uniform", 7, "conv/kernel", KERNEL).astype(np.float64)
    limit = math.sqrt(6 / FAN_IN)
    within(drawn.mean(), 0, limit / math.sqrt(3 * SIZE))
    # The variance of U[−a, a] is a² / 3, and that of its squares 4 a⁴ / 45.
    within((drawn**2).mean(), 2 / FAN_IN, limit**2 * math.sqrt(4 / 45 / SIZE))
    assert limit * (1 - 1e-3) < drawn.max() <= np.float32(limit)
    assert -np.float32(limit) <= drawn.min() < -limit * (1 - 1e-3)


def test_binary_is_one_deviation_of_either_sign():
    drawn = values("binary", 7, "conv/kernel", KERNEL)
    std = np.float32(math.sqrt(2 / FAN_IN))
    assert set(np.unique(drawn)) == {-std, std}
    within((drawn > 0).mean(), 0.5, 0.5 / math.sqrt(SIZE))
    normal = values("he_normal", 7, "conv/kernel", KERNEL)
    np.testing.assert_array_equal(np.sign(drawn), np.sign(normal))


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (-0.1, 0.3), (2, 2.5), (-1e20, 1e-20)])
def test_uniform_fills_its_range(low, high):
    drawn = values(f"uniform({low}, {high})", 7, "gamma", (SIZE,))
    assert np.float32(low) <= drawn.min()
    assert drawn.max() <= np.float32(high)
    exact, width = drawn.astype(np.float64), high - low
    within(exact.mean(), (low + high) / 2, width / math.sqrt(12 * SIZE))
    counts, _ = np.histogram(exact, 16, (low, high))
    for count in counts:
        within(count, SIZE / 16, math.sqrt(SIZE / 16))


def test_the_ends_of_a_uniform_range(monkeypatch):
    ends = np.array([0, 2**32 - 1], np.uint32)
    monkeypatch.setattr(reference, "words", lambda *arguments: ends)
    assert values("uniform(0, 1)", 7, "a", (2,)).tolist() == [0.0, 1 - 2**-24]
    # Here f32(high − low) is above high − low, and still no value is above high.
    low, high = np.float32(-0.1), np.float32(1.1920929)
    assert float(np.float32(high - float(low))) > float(high) - float(low)
    drawn = values(f"uniform({low!s}, {high!s})", 7, "a", (2,))
    assert drawn[0] == low
    assert drawn[1] <= high


def test_output_bias_is_that_of_pytorch():
    drawn = values("output_bias(64)", 7, "output/bias", (SIZE,)).astype(np.float64)
    assert 0.1249 < np.abs(drawn).max() <= 0.125
    within(drawn.mean(), 0, 0.125 / math.sqrt(3 * SIZE))
    within((drawn**2).mean(), 0.125**2 / 3, 0.125**2 * math.sqrt(4 / 45 / SIZE))


def test_constant():
    assert values("constant(0.1)", 7, "beta", (2, 2)).tolist() == [[np.float32(0.1)] * 2] * 2


@pytest.mark.parametrize("shape", [(3, 3, 16, 32), (3, 3, 2, 32), (12, 12), (1, 5), (5, 1)])
@pytest.mark.parametrize("gain", [1, 1.5])
def test_orthogonal_kernels_are_orthonormal(shape, gain):
    drawn = values(f"orthogonal({gain})", 7, "conv/kernel", shape)
    assert (drawn.dtype, drawn.shape) == (np.float32, shape)
    kernel = drawn.astype(np.float64).reshape(-1, shape[-1])
    tall = kernel if kernel.shape[0] >= kernel.shape[1] else kernel.T
    np.testing.assert_allclose(tall.T @ tall, gain**2 * np.eye(tall.shape[1]), atol=1e-6)


def test_orthogonal_does_not_depend_on_the_sign_convention_of_qr():
    drawn = values("orthogonal", 7, "conv/kernel", (40, 8)).astype(np.float64)
    normal = values("normal(1)", 7, "conv/kernel", (40, 8)).astype(np.float64)
    # Q'A = R is upper triangular with a positive diagonal.
    triangle = drawn.T @ normal
    np.testing.assert_allclose(np.tril(triangle, -1), 0, atol=1e-5)
    assert (np.diagonal(triangle) > 0).all()


def test_orthogonal_needs_a_kernel():
    with pytest.raises(SeedingError) as caught:
        values("orthogonal", 7, "a", (3,))
    assert str(caught.value) == "orthogonal needs a kernel of two or more axes; received (3,)."


@pytest.mark.parametrize("law", ["he_normal", "he_uniform", "uniform(0, 1)", "normal(1)"])
def test_seeds_and_paths_are_independent(law):
    """Correlations between streams are those of chance, 1 / √n."""
    shape = (100, 200)
    streams = [(7, "a"), (8, "a"), (7, "b"), (2**64 - 1, "a"), (7, "a/a")]
    drawn = np.stack([values(law, seed, path, shape).ravel() for seed, path in streams])
    correlations = np.corrcoef(drawn.astype(np.float64)) - np.eye(len(streams))
    assert np.abs(correlations).max() < 5 / math.sqrt(20_000)


@pytest.mark.parametrize("law", ["he_normal", "he_uniform", "uniform(0, 1)"])
def test_neighbours_are_independent(law):
    drawn = values(law, 7, "lag", (1, 100_000)).ravel().astype(np.float64)
    drawn = (drawn - drawn.mean()) / drawn.std()
    for lag in (1, 2, 3, 4, 8):
        within((drawn[lag:] * drawn[:-lag]).mean(), 0, 1 / math.sqrt(100_000))


def test_values_are_the_callers_own():
    values("normal(1)", 7, "a", (4,))[:] = 0
    assert values("normal(1)", 7, "a", (4,)).all()
    with pytest.raises(ValueError, match="read-only"):
        reference.quantiles()[0] = 0
