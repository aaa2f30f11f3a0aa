"""Batches of texts are a function of (seed, epoch, step), of similar lengths, padded with 0."""

import numpy as np
import pytest
import tensorflow as tf

from bnkeras.errors import DataError
from bnkeras.pipelines import text_batches
from bnkeras.pipelines.text_batches import text_evaluation_batches, text_training_batches
from bnkeras.pipelines.text_front import TextFront
from bnkeras.pipelines.vocabulary import Vocabulary
from bnkeras.seeding import reference

from .texts import make_split

SIZE, BATCH, EPOCHS, STEPS = 59, 4, 3, 14
WORDS = tuple(f"w{index:03d}" for index in range(SIZE))


@pytest.fixture(autouse=True)
def _small_buckets(monkeypatch):
    monkeypatch.setattr(text_batches, "BUCKET_BATCHES", 3)


@pytest.fixture(scope="module")
def front():
    return TextFront(Vocabulary("papers", 1, WORDS, (1,) * SIZE))


@pytest.fixture(scope="module")
def split():
    """Texts whose first word is their number; the last is empty."""
    lengths = np.random.default_rng(5).integers(1, 12, SIZE)
    texts = [" ".join([word, *["x"] * (n - 1)]) for word, n in zip(WORDS, lengths, strict=True)]
    return make_split([text.encode() for text in texts[:-1]] + [b""], np.arange(SIZE) % 2)


def _batches(split, front, **changed):
    arguments = {"batch_size": BATCH, "seed": 11, "epochs": EPOCHS} | changed
    return [(x.numpy(), y.numpy()) for x, y in text_training_batches(split, front, **arguments)]


def _expected_indices(split, epoch: int, seed: int = 11) -> np.ndarray:
    """Return the indices of each batch of an epoch, from the definition, in NumPy."""
    lengths = np.array([max(1, len(text.split())) for text in split.texts])
    order = np.argsort(reference.words(seed, "data/shuffle", SIZE, index=epoch), kind="stable")
    order = order[: STEPS * BATCH]
    pieces = [order[start : start + 3 * BATCH] for start in range(0, len(order), 3 * BATCH)]
    pieces = [piece[np.argsort(lengths[piece], kind="stable")] for piece in pieces]
    turns = np.argsort(reference.words(seed, "data/batch_order", STEPS, index=epoch), kind="stable")
    return np.concatenate(pieces).reshape(STEPS, BATCH)[turns]


def _expected_batch(split, indices: np.ndarray) -> np.ndarray:
    rows = []
    for index in indices:
        words = split.texts[index].decode().split()
        rows.append([1 if word == "x" else 2 + int(word[1:]) for word in words] or [1])
    width = max(map(len, rows))
    return np.array([row + [0] * (width - len(row)) for row in rows], np.int32)


def test_batches_equal_numpy(split, front):
    batches = _batches(split, front)
    assert len(batches) == EPOCHS * STEPS
    for epoch in range(EPOCHS):
        indices = _expected_indices(split, epoch)
        assert len(set(indices.ravel())) == STEPS * BATCH  # none twice
        for step in range(STEPS):
            x, y = batches[epoch * STEPS + step]
            assert (x.dtype, y.dtype) == (np.int32, np.int32)
            assert np.array_equal(x, _expected_batch(split, indices[step]))
            assert np.array_equal(y, split.labels[indices[step]])


def test_epochs_and_seeds_differ(split, front):
    first, second = _expected_indices(split, 0), _expected_indices(split, 1)
    assert set(first.ravel()) != set(second.ravel())  # others are left over
    batches, others = _batches(split, front, epochs=1), _batches(split, front, epochs=1, seed=12)
    assert any(x.tobytes() != y.tobytes() for (x, _), (y, _) in zip(batches, others, strict=True))


@pytest.mark.parametrize("first_step", [0, 1, 13, 14, 15, 30, 41, 42])
def test_resumed_equals_uninterrupted(split, front, first_step):
    whole = _batches(split, front)
    resumed = _batches(split, front, first_step=first_step)
    assert len(resumed) == len(whole) - first_step
    for (x, y), (expected_x, expected_y) in zip(resumed, whole[first_step:], strict=True):
        assert np.array_equal(x, expected_x)
        assert np.array_equal(y, expected_y)


def test_longer_runs_begin_the_same(split, front):
    for (x, _), (expected, _) in zip(
        _batches(split, front), _batches(split, front, epochs=5), strict=False
    ):
        assert np.array_equal(x, expected)


def test_buckets_save_padding(split, front, monkeypatch):
    in_buckets = sum(x.size for x, _ in _batches(split, front))
    monkeypatch.setattr(text_batches, "BUCKET_BATCHES", 1)
    assert in_buckets < 0.9 * sum(x.size for x, _ in _batches(split, front))


@pytest.mark.parametrize("batch_size", [1, 4, 59, 64])
def test_evaluation_is_the_split_once(split, front, batch_size):
    batches = [
        [part.numpy() for part in batch]
        for batch in text_evaluation_batches(split, front, batch_size=batch_size)
    ]
    assert len(batches) == -(-SIZE // batch_size)
    assert all(x.shape[0] == len(y) == len(weight) == batch_size for x, y, weight in batches)
    labels, weights = (np.concatenate([batch[k] for batch in batches]) for k in (1, 2))
    assert weights.dtype == np.float32
    assert np.array_equal(weights, np.arange(len(weights)) < SIZE)
    rows = [row[row > 0].tolist() for x, _, _ in batches for row in x]
    lengths = [len(row) for row in rows]
    assert lengths == sorted(lengths)
    found = sorted(zip(rows[:SIZE], labels[:SIZE], strict=True))
    expected = [_expected_batch(split, [index])[0].tolist() for index in range(SIZE)]
    assert found == sorted(zip(expected, split.labels, strict=True))


def test_shapes(split, front):
    dataset = text_training_batches(split, front, batch_size=BATCH, seed=0, epochs=1)
    x, y = tf.TensorSpec([BATCH, None], tf.int32), tf.TensorSpec([BATCH], tf.int32)
    assert dataset.element_spec == (x, y)
    dataset = text_evaluation_batches(split, front, batch_size=BATCH)
    assert dataset.element_spec == (x, y, tf.TensorSpec([BATCH], tf.float32))


def test_texts_are_not_written_into_the_graph(front):
    split = make_split([b"w001 w002 x x x x x x"] * 20_000, [0] * 20_000)
    for dataset in (
        text_training_batches(split, front, batch_size=8, seed=0, epochs=2),
        text_evaluation_batches(split, front, batch_size=8),
    ):
        pending, sizes = [dataset], []
        while pending:
            one = pending.pop()
            pending += one._inputs()
            sizes += [f.function.graph.as_graph_def().ByteSize() for f in one._functions()]
        assert sizes
        assert sum(sizes) < 100_000


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 60}, r"batch_size is 60 and the split has 59"),
        ({"batch_size": 0}, r"batch_size must be at least 1; received 0"),
        ({"first_step": 43}, r"first_step is 43; 3 epochs of 14 steps have steps 0 to 42"),
        ({"first_step": -1}, r"first_step is -1"),
    ],
)
def test_bad_arguments(split, front, changed, message):
    with pytest.raises(DataError, match=message):
        _batches(split, front, **changed)


def test_bad_evaluation_batch_size(split, front):
    with pytest.raises(DataError, match=r"batch_size must be at least 1; received -3"):
        text_evaluation_batches(split, front, batch_size=-3)
