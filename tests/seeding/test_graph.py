"""The TensorFlow form gives the bits of the reference: eager, traced and under XLA."""

import math
from statistics import NormalDist

import numpy as np
import pytest
import tensorflow as tf

from bnkeras.errors import SeedingError
from bnkeras.seeding import graph, parse, reference, stream

LARGEST = 2**64 - 1

LAWS = [
    "he_normal",
    "he_uniform",
    "binary",
    "normal(0.02)",
    "normal(1e-20)",
    "uniform(0, 1)",
    "uniform(-1, 1)",
    "uniform(-0.1, 0.3)",
    "uniform(-1e-20, 1.01e-20)",
    "output_bias(64)",
    "constant(-0.1)",
]
# Odd sizes, which leave half a word and most of a block over; and nothing at all.
CASES = [
    (0, "stem_conv/kernel", (3, 3, 3, 16)),
    (LARGEST, "Größe/γ", (7, 11)),
    (7, "one", (1, 1)),
    (7, "none", (2, 0)),
    (2**32, "group3_block1_conv2/kernel", (3, 3, 63, 65)),
]


def eager(function):
    return function()


def traced(function):
    return tf.function(function, autograph=False)()


def compiled(function):
    return tf.function(function, autograph=False, jit_compile=True)()


MODES = [eager, traced, compiled]


def assert_same_bits(mine, theirs):
    assert mine.dtype == theirs.dtype == np.float32
    assert mine.shape == theirs.shape
    np.testing.assert_array_equal(mine.view(np.uint32), theirs.view(np.uint32))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("law", LAWS)
def test_values_are_those_of_the_reference(law, mode):
    drawn = mode(lambda: [graph.values(law, *case) for case in CASES])
    for case, mine in zip(CASES, drawn, strict=True):
        assert_same_bits(mine.numpy(), reference.values(law, *case))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("law", ["he_normal", "he_uniform", "uniform(-0.1, 0.3)", "binary"])
def test_a_million_values(law, mode):
    case = (7, "large", (1000, 1003))
    assert_same_bits(mode(lambda: graph.values(law, *case)).numpy(), reference.values(law, *case))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(3, 3, 16, 32), (3, 3, 2, 32), (12, 12), (1, 5), (5, 1)])
def test_orthogonal_agrees_to_rounding(shape, mode):
    mine = mode(lambda: graph.values("orthogonal(1.5)", 7, "conv/kernel", shape)).numpy()
    theirs = reference.values("orthogonal(1.5)", 7, "conv/kernel", shape)
    assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
    np.testing.assert_allclose(mine, theirs, atol=1e-6 * np.abs(theirs).max())
    kernel = mine.astype(np.float64).reshape(-1, shape[-1])
    tall = kernel if kernel.shape[0] >= kernel.shape[1] else kernel.T
    np.testing.assert_allclose(tall.T @ tall, 1.5**2 * np.eye(tall.shape[1]), atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_words_are_those_of_the_reference(mode):
    cases = [
        (seed, path, count, index)
        for seed, path in ((0, "a"), (7, "data/augment"), (LARGEST, "Größe"))
        for count in (0, 1, 5, 1001)
        for index in (0, 1, 2**31, 2**32 - 1)
    ]
    drawn = mode(lambda: [graph.words(*case) for case in cases])
    for case, mine in zip(cases, drawn, strict=True):
        assert mine.dtype == tf.uint32
        np.testing.assert_array_equal(mine.numpy(), reference.words(*case))


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64, tf.uint64])
def test_count_and_index_may_be_tensors(dtype):
    drawn = tf.function(lambda count, index: graph.words(7, "data/shuffle", count, index))
    for count, index in ((0, 0), (5, 3), (1001, 2**31 - 1)):
        mine = drawn(tf.constant(count), tf.constant(index, dtype))
        np.testing.assert_array_equal(
            mine.numpy(), reference.words(7, "data/shuffle", count, index)
        )
    assert drawn.experimental_get_tracing_count() == 1


def test_words_refuse_what_the_reference_refuses():
    # An index of 2^32 would be shifted out of the counter, and give sub-stream 0 again.
    for arguments in ((7, "a", 1, 2**32), (7, "a", 1, -1), (7, "a", -1), (-1, "a", 1), (7, "", 1)):
        with pytest.raises(SeedingError) as theirs:
            reference.words(*arguments)
        with pytest.raises(SeedingError) as mine:
            graph.words(*arguments)
        assert str(mine.value) == str(theirs.value)


def test_numpy_integers_are_integers():
    np.testing.assert_array_equal(
        graph.words(np.int64(7), "a", np.int32(5), np.int32(3)), reference.words(7, "a", 5, 3)
    )


@pytest.mark.parametrize("mode", MODES)
def test_the_table_is_that_of_the_reference(mode):
    assert_same_bits(mode(graph.quantiles).numpy(), reference.quantiles())


@pytest.mark.parametrize("mode", MODES)
def test_the_inverse_normal_is_far_nearer_than_the_margin(mode):
    # docs/generator.md: an entry would round otherwise at 1.8e-11.
    centres = (np.arange(65536) + 0.5) / 65536
    theirs = mode(lambda: tf.math.ndtri(tf.constant(centres))).numpy()
    inverse = NormalDist().inv_cdf
    assert np.abs(theirs - [inverse(p) for p in centres]).max() < 3e-15
    below = np.abs(theirs * 2**20 - np.floor(theirs * 2**20) - 0.5) / 2**20
    assert below.min() > 1.8e-11


def test_the_table_takes_no_bytes_in_a_graph():
    concrete = tf.function(graph.quantiles).get_concrete_function()
    assert len(concrete.graph.as_graph_def().SerializeToString()) < 4000


def test_draw_takes_key_and_counter_as_tensors():
    shape = (3, 3, 4, 5)
    law = parse("he_normal").resolve(shape)
    body = tf.function(lambda key, high, table: graph.draw(law, shape, key, high, table))
    for path in ("a/kernel", "b/kernel"):
        key, high = stream(LARGEST, path)
        mine = body(tf.constant(key, tf.uint64), tf.constant(high, tf.uint64), graph.quantiles())
        assert_same_bits(mine.numpy(), reference.values("he_normal", LARGEST, path, shape))
    assert body.experimental_get_tracing_count() == 1


def test_philox_does_not_depend_on_the_number_of_threads():
    # The kernel divides a large request among threads, each of which skips ahead.
    count = 3_000_001
    mine = graph.words(LARGEST, "threads", count, 2**32 - 1).numpy()
    parts = [0, 1_000_000, 2_999_996]
    for start in parts:
        blocks = np.arange(start // 4, start // 4 + 1, dtype=np.uint64)
        blocks += np.uint64((2**32 - 1) << 32)
        _, high = stream(LARGEST, "threads")
        np.testing.assert_array_equal(
            mine[start : start + 4], reference.philox(blocks, high, LARGEST).ravel()
        )
    assert math.isclose(mine.mean(), 2**31, rel_tol=2e-3)
