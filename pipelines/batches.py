"""Batches for training and evaluation, made from a split in memory."""

from collections.abc import Callable, Sequence, Sized

import numpy as np
import tensorflow as tf

from bnkeras.errors import DataError
from bnkeras.pipelines.augment import WORDS_PER_IMAGE, translate_and_flip
from bnkeras.pipelines.reading import Split
from bnkeras.pipelines.registry import DatasetSpec
from bnkeras.pipelines.share import WHOLE, Share
from bnkeras.seeding import graph

# What the images are normalised with: a dataset, or (mean, std) per channel in [0, 1].
Normalisation = DatasetSpec | tuple[Sequence[float], Sequence[float]]

# From indices [steps, batch_size] and the epoch to indices of the same shape.
Arrangement = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

# AutoGraph would read the source of the functions below when they are first called.
_as_written = tf.autograph.experimental.do_not_convert

SHUFFLE_PATH = "data/shuffle"
AUGMENT_PATH = "data/augment"


def training_batches(
    split: Split,
    normalisation: Normalisation,
    *,
    batch_size: int,
    seed: int,
    epochs: int,
    first_step: int = 0,
    share: Share = WHOLE,
    translate: int = 4,
    flip: bool = True,
    scale: str = "channel",
) -> tf.data.Dataset:
    """Return the training batches of all epochs from global step `first_step` on.

    An epoch has ⌊n / batch_size⌋ steps; the images left over are dropped, others in
    each epoch. The order of epoch e is the stable argsort of `words(seed,
    "data/shuffle", n, index=e)`; the augmentation of global step s comes from
    `words(seed, "data/augment", 3 · batch_size, index=s)`. So a batch is a function of
    (seed, epoch, step) alone, and a run that starts at any step sees exactly what an
    uninterrupted one would have seen, without reading what lies before.

    Args:
        split: the training images.
        normalisation: a dataset's specification, or its (mean, std).
        batch_size: images in a batch, all devices together.
        seed: root seed of the data order, 0 ≤ seed < 2^64.
        epochs: how many epochs the whole run has, those already done included.
        first_step: global step to begin with; `epochs · steps_per_epoch` gives none.
        share: the rows of each batch that are made, all by default.
        translate: largest random shift in pixels, filled with black.
        flip: whether half of the images are mirrored.
        scale: `"channel"` for (x / 255 - mean) / std, `"unit"` for x / 255.

    Returns:
        A dataset of (x float32 [batch_size, height, width, channels], y int32
        [batch_size]), of a share its rows alone.

    Raises:
        DataError: an argument is out of range.

    >>> batches = training_batches(split, CIFAR10, batch_size=128, seed=0,
    ...                            epochs=160, first_step=390)          # doctest: +SKIP
    """
    steps = training_steps(split, batch_size, seed, epochs, first_step)
    smallest = min(split.images.shape[1:3])
    if not 0 <= translate < smallest:
        raise DataError(
            f"translate is {translate} pixels; it must be from 0 to {smallest - 1} for images "
            f"of {smallest} pixels."
        )
    images, labels = _in_memory(split)
    prepare = scaling(normalisation, scale, split.images.shape[-1])
    rows = share.rows(batch_size)

    @_as_written
    def batch(step: tf.Tensor, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        indices = indices[rows]
        x = tf.gather(images, indices)
        words = graph.words(seed, AUGMENT_PATH, WORDS_PER_IMAGE * batch_size, index=step)
        words = tf.reshape(words, [WORDS_PER_IMAGE, batch_size])[:, rows]
        return prepare(translate_and_flip(x, words, translate, flip)), tf.gather(labels, indices)

    return steps.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(
        tf.data.AUTOTUNE
    )


def evaluation_batches(
    split: Split,
    normalisation: Normalisation,
    *,
    batch_size: int,
    share: Share = WHOLE,
    scale: str = "channel",
) -> tf.data.Dataset:
    """Return a split once, in its order, in batches of one size.

    Args:
        split: the images.
        normalisation: a dataset's specification, or its (mean, std).
        batch_size: images in a batch.
        share: the rows of each batch that are made, all by default.
        scale: see `training_batches`.

    Returns:
        A dataset of ⌈n / batch_size⌉ elements (x float32 [batch_size, height, width,
        channels], y int32 [batch_size], weight float32 [batch_size]). The last batch is
        filled up with repetitions of the last image, with weight 0; all other weights
        are 1, so that weighted sums over all batches are sums over the split.

    Raises:
        DataError: an argument is out of range.

    >>> evaluation_batches(split, CIFAR10, batch_size=500)              # doctest: +SKIP
    """
    check_batch_size(batch_size)
    size = len(split)
    images, labels = _in_memory(split)
    prepare = scaling(normalisation, scale, split.images.shape[-1])
    rows = share.rows(batch_size)

    @_as_written
    def batch(start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        places = start + tf.range(rows.start, rows.stop, dtype=tf.int64)
        indices = tf.minimum(places, size - 1)
        weight = tf.cast(places < size, tf.float32)
        return prepare(tf.gather(images, indices)), tf.gather(labels, indices), weight

    return (
        tf.data.Dataset.range(0, size, batch_size)
        .map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def training_steps(
    split: Sized,
    batch_size: int,
    seed: int,
    epochs: int,
    first_step: int,
    arrange: Arrangement = lambda indices, epoch: indices,
) -> tf.data.Dataset:
    """Return the steps of all epochs from `first_step` on: (global step, indices [batch_size]).

    `arrange` puts the shuffled indices of an epoch, [steps, batch_size], in another order.

    Raises:
        DataError: an argument is out of range.
    """
    size, steps = len(split), steps_per_epoch(split, batch_size)
    if not 0 <= first_step <= epochs * steps:
        raise DataError(
            f"first_step is {first_step:,}; {epochs:,} epochs of {steps:,} steps have steps "
            f"0 to {epochs * steps:,}."
        )

    @_as_written
    def epoch_steps(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.argsort(graph.words(seed, SHUFFLE_PATH, size, index=epoch), stable=True)
        indices = arrange(tf.reshape(order[: steps * batch_size], [steps, batch_size]), epoch)
        start = epoch * steps
        skip = tf.maximum(np.int64(first_step) - start, 0)
        return tf.data.Dataset.from_tensor_slices(
            (start + tf.range(skip, steps, dtype=tf.int64), indices[skip:])
        )

    return tf.data.Dataset.range(first_step // steps, epochs).flat_map(epoch_steps)


def steps_per_epoch(split: Sized, batch_size: int) -> int:
    """Return ⌊n / batch_size⌋, where n is the number of examples in `split`.

    Raises:
        DataError: `batch_size` is not positive, or the split has fewer examples.
    """
    check_batch_size(batch_size)
    if batch_size > len(split):
        raise DataError(
            f"batch_size is {batch_size:,} and the split has {len(split):,} examples; "
            f"there is not one full batch. Take at most {len(split):,}, as with --set "
            "train.batch_size=N."
        )
    return len(split) // batch_size


def check_batch_size(batch_size: int) -> None:
    """Raise a DataError if `batch_size` is not positive."""
    if batch_size < 1:
        raise DataError(f"batch_size must be at least 1; received {batch_size}.")


def _in_memory(split: Split) -> tuple[tf.Tensor, tf.Tensor]:
    # As tensors of the host, the functions below refer to them. NumPy arrays would be
    # written into each graph as constants.
    with tf.device("CPU:0"):
        return tf.constant(split.images), tf.constant(split.labels)


def scaling(
    normalisation: Normalisation,
    scale: str,
    channels: int,
    divide: Callable[[tf.Tensor, np.ndarray], tf.Tensor] = tf.divide,
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the function from images in [0, 255] to float32 ones as the network takes them.

    It takes one image or a batch, [..., height, width, channels].

    Args:
        normalisation: a dataset's specification, or its (mean, std).
        scale: see `training_batches`.
        channels: of the images.
        divide: the quotient of two float32 arrays.

    Raises:
        DataError: an argument is out of range.
    """
    most = np.float32(255)
    if scale == "unit":
        return lambda x: divide(tf.cast(x, tf.float32), most)
    if scale != "channel":
        raise DataError(f"scale is {scale!r}; choose 'channel' or 'unit'.")
    if isinstance(normalisation, DatasetSpec):
        normalisation = (normalisation.mean, normalisation.std)
    mean, std = (np.asarray(values, np.float32) for values in normalisation)
    if mean.shape != (channels,) or std.shape != (channels,) or not (std > 0).all():
        raise DataError(
            f"mean and std need {channels} values, std above 0; received {mean} and {std}."
        )

    def per_channel(x: tf.Tensor) -> tf.Tensor:
        # Over whole rows, which is four times as fast as over the three values of a pixel.
        width = x.shape[-2] or 1
        rows = tf.reshape(tf.cast(x, tf.float32), [-1, width * channels])
        rows = divide(divide(rows, most) - np.tile(mean, width), np.tile(std, width))
        return tf.reshape(rows, tf.shape(x))

    return per_channel
