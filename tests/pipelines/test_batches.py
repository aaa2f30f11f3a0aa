"""Batches are a function of (seed, epoch, step)."""

import numpy as np
import pytest
import tensorflow as tf

from bnkeras.errors import DataError
from bnkeras.pipelines import DATASETS, evaluation_batches, steps_per_epoch, training_batches
from bnkeras.pipelines.reading import Split
from bnkeras.seeding import reference

from .test_augment import _expected

SPEC = DATASETS["cifar10"]
BATCH, EPOCHS, STEPS = 8, 3, 5  # 43 images, 3 left over


def _batches(split, **changed):
    arguments = {"batch_size": BATCH, "seed": 11, "epochs": EPOCHS} | changed
    dataset = training_batches(split, SPEC, **arguments)
    return [(x.numpy(), y.numpy()) for x, y in dataset]


def _indices(batch):
    # The first pixel of an image is its index (see the fixture), when nothing moves it.
    return np.rint(batch[0][:, 0, 0, 0] * 255).astype(int)


def _unmoved(split, **changed):
    return _batches(split, translate=0, flip=False, scale="unit", **changed)


def test_every_epoch_is_a_permutation(split):
    batches = _unmoved(split)
    assert len(batches) == EPOCHS * STEPS
    epochs = []
    for epoch in range(EPOCHS):
        part = batches[epoch * STEPS : (epoch + 1) * STEPS]
        seen = np.concatenate([_indices(batch) for batch in part])
        order = np.argsort(reference.words(11, "data/shuffle", 43, index=epoch), kind="stable")
        assert np.array_equal(seen, order[: STEPS * BATCH])
        assert len(set(seen)) == STEPS * BATCH
        labels = np.concatenate([y for _, y in part])
        assert np.array_equal(labels, split.labels[seen])
        epochs.append(seen.tolist())
    assert epochs[0] != epochs[1] != epochs[2]
    assert set(epochs[0]) != set(epochs[1])  # others are left over


@pytest.mark.parametrize("scale", ["channel", "unit"])
def test_batches_equal_numpy(split, scale):
    batches = _batches(split, scale=scale)
    for step in (0, 4, 5, 14):
        epoch, place = divmod(step, STEPS)
        order = np.argsort(reference.words(11, "data/shuffle", 43, index=epoch), kind="stable")
        rows = order[place * BATCH : (place + 1) * BATCH]
        words = reference.words(11, "data/augment", 3 * BATCH, index=step)
        x = _expected(split.images[rows], words, 4, True).astype(np.float32) / np.float32(255)
        if scale == "channel":
            x = (x - np.float32(SPEC.mean)) / np.float32(SPEC.std)
        np.testing.assert_allclose(batches[step][0], x, rtol=0, atol=1e-6)
        assert batches[step][0].dtype == np.float32
        assert batches[step][1].dtype == np.int32
        assert np.array_equal(batches[step][1], split.labels[rows])


@pytest.mark.parametrize("first_step", range(EPOCHS * STEPS + 1))
def test_resumed_equals_uninterrupted(split, first_step):
    whole = _batches(split)
    resumed = _batches(split, first_step=first_step)
    assert len(resumed) == len(whole) - first_step
    for (x, y), (expected_x, expected_y) in zip(resumed, whole[first_step:], strict=True):
        assert x.tobytes() == expected_x.tobytes()
        assert np.array_equal(y, expected_y)


def test_longer_runs_begin_the_same(split):
    for (x, _), (expected, _) in zip(_batches(split), _batches(split, epochs=5), strict=False):
        assert x.tobytes() == expected.tobytes()


def test_seeds_differ(split):
    first, second = _unmoved(split), _unmoved(split, seed=12)
    assert not np.array_equal(_indices(first[0]), _indices(second[0]))


def test_shapes_are_static(split):
    dataset = training_batches(split, SPEC, batch_size=BATCH, seed=0, epochs=1)
    assert dataset.element_spec == (
        tf.TensorSpec([BATCH, 32, 32, 3], tf.float32),
        tf.TensorSpec([BATCH], tf.int32),
    )
    dataset = evaluation_batches(split, SPEC, batch_size=BATCH)
    assert dataset.element_spec == (
        tf.TensorSpec([BATCH, 32, 32, 3], tf.float32),
        tf.TensorSpec([BATCH], tf.int32),
        tf.TensorSpec([BATCH], tf.float32),
    )


@pytest.mark.parametrize("batch_size", [1, 8, 43, 50])
def test_evaluation_is_the_split_once(split, batch_size):
    batches = list(evaluation_batches(split, SPEC, batch_size=batch_size, scale="unit"))
    assert len(batches) == -(-43 // batch_size)
    x, y, weight = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert weight.dtype == np.float32
    assert np.array_equal(weight, np.arange(len(weight)) < 43)
    assert np.array_equal(np.rint(x[:43] * 255).astype(np.uint8), split.images)
    assert np.array_equal(y[:43], split.labels)
    assert np.isfinite(x).all()


def test_evaluation_and_training_scale_alike(split):
    means = [np.zeros(3), np.ones(3)]
    (x, _), *_ = _batches(split, translate=0, flip=False)
    rows = np.argsort(reference.words(11, "data/shuffle", 43), kind="stable")[:BATCH]
    for evaluated, _, _ in evaluation_batches(split, SPEC, batch_size=43):
        assert np.array_equal(evaluated.numpy()[rows], x)
    (plain, _, _) = next(iter(evaluation_batches(split, means, batch_size=43)))
    (unit, _, _) = next(iter(evaluation_batches(split, SPEC, batch_size=43, scale="unit")))
    assert np.array_equal(plain, unit)


def test_images_are_not_written_into_the_graph():
    images = np.zeros([4000, 32, 32, 3], np.uint8)
    split = Split(images, np.zeros(4000, np.int32), SPEC.class_names)
    for dataset in (
        training_batches(split, SPEC, batch_size=8, seed=0, epochs=2),
        evaluation_batches(split, SPEC, batch_size=8),
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
        ({"batch_size": 44}, r"batch_size is 44 and the split has 43 examples"),
        ({"batch_size": 0}, r"batch_size must be at least 1; received 0"),
        ({"first_step": 16}, r"first_step is 16; 3 epochs of 5 steps have steps 0 to 15"),
        ({"first_step": -1}, r"first_step is -1"),
        ({"translate": 32}, r"translate is 32 pixels; it must be from 0 to 31"),
        ({"scale": "pixel"}, r"scale is 'pixel'; choose 'channel' or 'unit'"),
    ],
)
def test_bad_arguments(split, changed, message):
    with pytest.raises(DataError, match=message):
        _batches(split, **changed)


def test_wrong_number_of_channels(split):
    with pytest.raises(DataError, match=r"mean and std need 3 values"):
        evaluation_batches(split, DATASETS["digits"], batch_size=8)


def test_steps_per_epoch(split):
    assert steps_per_epoch(split, 8) == 5
    assert steps_per_epoch(split, 43) == 1
