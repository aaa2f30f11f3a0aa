"""Random crops for training and centre crops for evaluation, of encoded images."""

import math

import numpy as np
import tensorflow as tf

from bnkeras.errors import DataError
from bnkeras.pipelines.augment import bounded
from bnkeras.pipelines.batches import (
    AUGMENT_PATH,
    Normalisation,
    check_batch_size,
    scaling,
    training_steps,
)
from bnkeras.pipelines.encoded import EncodedSplit, decode_whole, decode_window, size_of
from bnkeras.pipelines.share import WHOLE, Share
from bnkeras.seeding import graph

_TRIES = 10
# Words that one image takes: the areas, the aspects, the vertical and the horizontal
# places of the tries, and the flip.
WORDS_PER_IMAGE = 4 * _TRIES + 1

# AutoGraph would read the source of the functions below when they are first called.
_as_written = tf.autograph.experimental.do_not_convert


def crop_training_batches(
    split: EncodedSplit,
    normalisation: Normalisation,
    *,
    batch_size: int,
    seed: int,
    epochs: int,
    first_step: int = 0,
    share: Share = WHOLE,
    image_size: int = 224,
    crop_scale: tuple[float, float] = (0.1, 1.0),
    crop_aspect: tuple[float, float] = (0.8, 1.25),
    flip: bool = True,
    scale: str = "channel",
) -> tf.data.Dataset:
    """Return the training batches of all epochs from global step `first_step` on.

    A random window of each image (see `random_window`) is decoded, the rest of the
    image is not; it is resized with a triangle filter, as Pillow and torchvision do it,
    and half of the images are mirrored. Order and randomness are those of
    `training_batches`: the words of global step s are `words(seed, "data/augment", 41 ·
    batch_size, index=s)`, 41 for each image. So a run that starts at any step sees exactly
    what an uninterrupted one would have seen.

    Args:
        split: the training images.
        normalisation: a dataset's specification, or its (mean, std).
        batch_size: images in a batch, all devices together.
        seed: root seed of the data order, 0 ≤ seed < 2^64.
        epochs: how many epochs the whole run has, those already done included.
        first_step: global step to begin with; `epochs · steps_per_epoch` gives none.
        share: the rows of each batch that are made, all by default.
        image_size: height and width in pixels of what the network sees.
        crop_scale: least and largest area of a crop, as shares of the image.
        crop_aspect: least and largest width of a crop over its height.
        flip: whether half of the images are mirrored.
        scale: `"channel"` for (x / 255 - mean) / std, `"unit"` for x / 255.

    Returns:
        A dataset of (x float32 [batch_size, image_size, image_size, 3], y int32
        [batch_size]), of a share its rows alone. Damaged records: see
        `EncodedSplit.naming_corrupt_records`.

    Raises:
        DataError: an argument is out of range.

    Source: the ImageNet settings of Frankle, Schwab, Morcos (2021), scale 0.1 to 1 and aspect
    0.8 to 1.25.

    >>> batches = crop_training_batches(split, IMAGENET, batch_size=1024, seed=0,
    ...                                 epochs=90)                      # doctest: +SKIP
    """
    steps = training_steps(split, batch_size, seed, epochs, first_step)
    check_size(image_size)
    _check_range("crop_scale", crop_scale, 1.0)
    _check_range("crop_aspect", crop_aspect, math.inf)
    finish = scaling(normalisation, scale, 3)
    rows = share.rows(batch_size)

    @_as_written
    def order(step: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
        return indices[rows]

    @_as_written
    def draw(step: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
        words = graph.words(seed, AUGMENT_PATH, WORDS_PER_IMAGE * batch_size, index=step)
        return tf.reshape(words, [batch_size, WORDS_PER_IMAGE])[rows]

    @_as_written
    def crop(example: dict[str, tf.Tensor], words: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        encoded = example["image"]
        size = size_of(encoded)
        window = random_window(size, words[:-1], crop_scale, crop_aspect)
        image = _resized(decode_window(encoded, size, window), image_size)
        if flip:
            mirrored = tf.bitwise.bitwise_and(words[-1], tf.constant(1, tf.uint32)) == 1
            image = tf.cond(mirrored, lambda: tf.reverse(image, [1]), lambda: image)
        return finish(image), tf.cast(example["label"], tf.int32)

    examples = split.examples(steps.map(order).unbatch())
    return (
        tf.data.Dataset.zip(examples, steps.map(draw).unbatch())
        .map(crop, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(rows.stop - rows.start, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def crop_evaluation_batches(
    split: EncodedSplit,
    normalisation: Normalisation,
    *,
    batch_size: int,
    share: Share = WHOLE,
    image_size: int = 224,
    scale: str = "channel",
) -> tf.data.Dataset:
    """Return the centre crops of a split once, in its order, in batches of one size.

    The shorter side is resized to image_size · 256 / 224, and the centre taken.

    Args:
        split: the images.
        normalisation: a dataset's specification, or its (mean, std).
        batch_size: images in a batch.
        share: the rows of each batch that are made, all by default.
        image_size: height and width in pixels of what the network sees.
        scale: see `crop_training_batches`.

    Returns:
        A dataset of ⌈n / batch_size⌉ elements (x float32 [batch_size, image_size,
        image_size, 3], y int32 [batch_size], weight float32 [batch_size]). The last batch
        is filled up with repetitions of the last image, with weight 0; all other weights
        are 1, so that weighted sums over all batches are sums over the split.

    Raises:
        DataError: an argument is out of range.

    >>> crop_evaluation_batches(split, IMAGENET, batch_size=256)        # doctest: +SKIP
    """
    check_batch_size(batch_size)
    check_size(image_size)
    size = len(split)
    finish = scaling(normalisation, scale, 3)
    rows = share.rows(batch_size)

    @_as_written
    def crop(
        example: dict[str, tf.Tensor], weight: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        image = decode_whole(example["image"])
        return (
            finish(centre_crops(image[tf.newaxis], image_size)[0]),
            tf.cast(example["label"], tf.int32),
            weight,
        )

    places = np.arange(-(-size // batch_size) * batch_size).reshape(-1, batch_size)[:, rows].ravel()
    indices = tf.data.Dataset.from_tensor_slices(np.minimum(places, size - 1))
    weights = tf.data.Dataset.from_tensor_slices((places < size).astype(np.float32))
    return (
        tf.data.Dataset.zip(split.examples(indices), weights)
        .map(crop, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(rows.stop - rows.start, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def random_window(
    size: tf.Tensor,
    words: tf.Tensor,
    scale: tuple[float, float],
    aspect: tuple[float, float],
) -> tf.Tensor:
    """Return a random window of an image, int32 [4]: top, left, height, width.

    Try t takes a share of the area, uniform in `scale`, from word t, and a ratio of width
    to height, uniform in its logarithm, from word 10 + t. The first of ten tries that
    fits into the image counts, at the place that `bounded` makes of the words 20 + t and
    30 + t. If none fits, it is the largest window of the nearest ratio at the centre.

    Args:
        size: height and width of the image, int32 [2].
        words: uint32 [40].
        scale: least and largest share of the area.
        aspect: least and largest ratio.

    Source: RandomResizedCrop of torchvision, after Szegedy et al. 2015.
    """
    height, width = tf.unstack(size)
    shares, ratios, tops, lefts = tf.unstack(tf.reshape(words, [4, _TRIES]))
    area = tf.cast(height, tf.float64) * tf.cast(width, tf.float64)
    areas = area * _uniform(shares, *scale)
    ratios = tf.exp(_uniform(ratios, *map(math.log, aspect)))
    widths = tf.cast(tf.round(tf.sqrt(areas * ratios)), tf.int32)
    heights = tf.cast(tf.round(tf.sqrt(areas / ratios)), tf.int32)
    fits = (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)
    found = tf.argmax(fits)
    tries = tf.stack(
        [
            bounded(tops, height - heights + 1),
            bounded(lefts, width - widths + 1),
            heights,
            widths,
        ]
    )
    return tf.cond(
        tf.reduce_any(fits),
        lambda: tries[:, found],
        lambda: _largest_window(height, width, aspect),
    )


def _largest_window(height: tf.Tensor, width: tf.Tensor, aspect: tuple[float, float]) -> tf.Tensor:
    low, high = (np.float64(ratio) for ratio in aspect)
    ratio = tf.cast(width, tf.float64) / tf.cast(height, tf.float64)
    tall = tf.cast(tf.round(tf.cast(width, tf.float64) / low), tf.int32)
    wide = tf.cast(tf.round(tf.cast(height, tf.float64) * high), tf.int32)
    rows = tf.where(ratio < low, tall, height)
    columns = tf.where(ratio > high, wide, width)
    return tf.stack([(height - rows) // 2, (width - columns) // 2, rows, columns])


def _uniform(words: tf.Tensor, low: float, high: float) -> tf.Tensor:
    return low + (high - low) * (tf.cast(words, tf.float64) * 2.0**-32)


def _resized(image: tf.Tensor, size: int) -> tf.Tensor:
    """Return `image`, float32 [size, size, 3]."""
    # Where it is enlarged, the triangle filter is plain interpolation, which is faster.
    resized = tf.cond(
        tf.reduce_any(tf.shape(image)[:2] > size),
        lambda: _with_triangle(_with_triangle(image, size), size),
        lambda: tf.image.resize(image, [size, size]),
    )
    return tf.ensure_shape(resized, [size, size, 3])


def _with_triangle(image: tf.Tensor, size: int) -> tf.Tensor:
    """Return `image` with `size` rows, columns and rows exchanged: [width, size, 3].

    Twice, it is `tf.image.resize(image, [size, size], antialias=True)`, in two thirds of
    the time: a row is one pixel of many channels, which are summed many at once.
    """
    height, width, _ = tf.unstack(tf.shape(image))
    rows = tf.raw_ops.ScaleAndTranslate(
        images=tf.reshape(image, [1, height, 1, width * 3]),
        size=[size, 1],
        scale=tf.cast([size / height, 1], tf.float32),
        translation=[0.0, 0.0],
        kernel_type="triangle",
        antialias=True,
    )
    return tf.transpose(tf.reshape(rows, [size, width, 3]), [1, 0, 2])


def centre_crops(images: tf.Tensor, size: int) -> tf.Tensor:
    """Resize the shorter side to size · 256 / 224 and return the centre.

    Args:
        images: uint8 [n, height, width, channels].
        size: height and width in pixels of the crops.

    Returns:
        float32 [n, size, size, channels], in [0, 255].
    """
    shape = tf.shape(images)[1:3]
    shorter = tf.reduce_min(shape)
    target = round(size * 256 / 224)
    # The longer side is rounded down, the place to even, as torchvision does.
    resized = tf.where(shape == shorter, target, target * shape // shorter)
    place = tf.round(tf.cast(resized - size, tf.float32) / 2)
    # Only what is kept of the resized images is computed.
    crops = tf.raw_ops.ScaleAndTranslate(
        images=images,
        size=[size, size],
        scale=tf.cast(resized / shape, tf.float32),
        translation=-place,
        kernel_type="triangle",
        antialias=True,
    )
    return tf.ensure_shape(crops, [None, size, size, images.shape[-1]])


def check_size(image_size: int) -> None:
    """Raise a DataError if `image_size` is not positive."""
    if image_size < 1:
        raise DataError(f"image_size must be at least 1; received {image_size}.")


def _check_range(name: str, values: tuple[float, float], most: float) -> None:
    low, high = values
    if not 0 < low <= high <= most or math.isinf(high):
        rule = "0 < low ≤ high" + (f" ≤ {most:g}" if math.isfinite(most) else "")
        raise DataError(f"{name} is (low, high) with {rule}; received {tuple(values)}.")
