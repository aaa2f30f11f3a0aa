"""Translation and flip against a plain NumPy form, eagerly and inside `map`."""

import numpy as np
import pytest
import tensorflow as tf

from bnkeras.pipelines.augment import WORDS_PER_IMAGE, bounded, translate_and_flip
from bnkeras.seeding import reference

BATCH = 64


def _expected(images, words, translate, flip):
    """Pad, crop, mirror, one image after another."""
    down, across, mirror = words.reshape(3, -1)
    result = []
    for image, dy, dx, bit in zip(images, down, across, mirror, strict=True):
        dy, dx = (int(word) * (2 * translate + 1) // 2**32 for word in (dy, dx))
        height, width = image.shape[:2]
        padded = np.pad(image, [(translate, translate), (translate, translate), (0, 0)])
        cropped = padded[dy : dy + height, dx : dx + width]
        result.append(cropped[:, ::-1] if flip and bit & 1 else cropped)
    return np.stack(result)


@pytest.fixture
def images():
    # Not square, so that an exchange of the axes shows; no black pixel but the padding.
    return np.random.default_rng(0).integers(1, 256, (BATCH, 12, 9, 3), np.uint8)


@pytest.fixture
def words():
    flat = reference.words(5, "data/augment", WORDS_PER_IMAGE * BATCH, index=3)
    return flat.reshape(WORDS_PER_IMAGE, BATCH)


@pytest.mark.parametrize("translate", [0, 1, 4, 8])
@pytest.mark.parametrize("flip", [False, True])
def test_equals_numpy(images, words, translate, flip):
    expected = _expected(images, words, translate, flip)
    eager = translate_and_flip(tf.constant(images), tf.constant(words), translate, flip)
    assert np.array_equal(eager.numpy(), expected)

    dataset = tf.data.Dataset.from_tensors((images, words))
    mapped = dataset.map(lambda x, w: translate_and_flip(x, w, translate, flip))
    assert np.array_equal(next(iter(mapped)).numpy(), expected)


def test_every_shift_and_both_flips_occur(images, words):
    moved = translate_and_flip(tf.constant(images), tf.constant(words), 1, True).numpy()
    assert len({int(word) * 3 // 2**32 for word in words[0]}) == 3
    black = (moved == 0).all(axis=(2, 3))
    assert black[:, 0].any()
    assert black[:, -1].any()
    assert np.unique(words[2] & 1).tolist() == [0, 1]


def test_flip_does_not_change_the_shift(images, words):
    shifted = translate_and_flip(tf.constant(images), tf.constant(words), 4, False).numpy()
    both = translate_and_flip(tf.constant(images), tf.constant(words), 4, True).numpy()
    mirrored = (words[2] & 1).astype(bool)
    assert np.array_equal(both[~mirrored], shifted[~mirrored])
    assert np.array_equal(both[mirrored], shifted[mirrored][:, :, ::-1])


@pytest.mark.parametrize("bound", [1, 3, 9, 256, 1000])
def test_bounded_covers_evenly(bound):
    edges = np.array([0, 2**32 - 1, *(-(-(k << 32) // bound) for k in range(bound))], np.uint64)
    values = bounded(tf.constant(edges.astype(np.uint32)), bound).numpy()
    assert values[0] == 0
    assert values[1] == bound - 1
    assert np.array_equal(values[2:], np.arange(bound))
    words = reference.words(1, "test", 90_000)
    counts = np.bincount(bounded(tf.constant(words), bound).numpy(), minlength=bound)
    expected = len(words) / bound
    # The chi-square statistic has mean bound - 1 and variance 2 (bound - 1).
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert abs(statistic - (bound - 1)) <= 4 * np.sqrt(2 * (bound - 1))
