"""Batches of texts as word ids, of similar lengths and padded at the right."""

from collections.abc import Callable

import tensorflow as tf

from bnkeras.pipelines.batches import check_batch_size, training_steps
from bnkeras.pipelines.share import WHOLE, Share
from bnkeras.pipelines.text_front import TextFront
from bnkeras.pipelines.text_reading import TextSplit
from bnkeras.pipelines.tokenizers import in_chunks
from bnkeras.pipelines.vocabulary import PADDING
from bnkeras.seeding import graph

# AutoGraph would read the source of the functions below when they are first called.
_as_written = tf.autograph.experimental.do_not_convert

BATCH_ORDER_PATH = "data/batch_order"

# Texts are sorted by length among so many batches. More of them would save little padding
# and give batches that differ less from epoch to epoch.
BUCKET_BATCHES = 50


def text_training_batches(
    split: TextSplit,
    front: TextFront,
    *,
    batch_size: int,
    seed: int,
    epochs: int,
    first_step: int = 0,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """Return the training batches of all epochs from global step `first_step` on.

    An epoch has ⌊n / batch_size⌋ steps; the texts left over are dropped, others in each
    epoch. Epoch e puts the texts in the order of the stable argsort of `words(seed,
    "data/shuffle", n, index=e)`, cuts that into pieces of `BUCKET_BATCHES` · batch_size,
    sorts each piece by the number of words, stably, and cuts it into batches. These come
    in the order of the stable argsort of `words(seed, "data/batch_order", steps,
    index=e)`. So a batch is a function of (seed, epoch, step) alone, and a run that
    starts at any step sees exactly what an uninterrupted one would have seen.

    A batch is padded to its own longest text, as Torri (2022) does, and to no multiple of
    anything: batch normalisation of the embedded words takes in the padding, so that
    more of it would be another network. Torri's batches are not of similar lengths, and
    have more of it.

    The texts are split into words once, here.

    Args:
        split: the training texts.
        front: what turns texts into ids.
        batch_size: texts in a batch, all devices together.
        seed: root seed of the data order, 0 ≤ seed < 2^64.
        epochs: how many epochs the whole run has, those already done included.
        first_step: global step to begin with; `epochs · steps_per_epoch` gives none.
        share: the rows of each batch that are made, all by default.

    Returns:
        A dataset of (ids int32 [batch_size, longest], y int32 [batch_size]), of a share its
        rows alone, padded to the longest text of the whole batch.

    Raises:
        DataError: an argument is out of range.

    >>> batches = text_training_batches(split, front, batch_size=32, seed=0,
    ...                                 epochs=100, first_step=390)     # doctest: +SKIP
    """
    lengths, batch = _tokenised(split, front, share.rows(batch_size))

    @_as_written
    def arrange(indices: tf.Tensor, epoch: tf.Tensor) -> tf.Tensor:
        steps = tf.shape(indices, tf.int64)[0]
        piece = tf.range(steps) // BUCKET_BATCHES
        longest = tf.reduce_max(lengths) + 1
        # Pieces stay apart, and within each the shorter texts come first.
        keys = piece[:, tf.newaxis] * longest + tf.gather(lengths, indices)
        sorted_places = tf.argsort(tf.reshape(keys, [-1]), stable=True)
        indices = tf.gather(tf.reshape(indices, [-1]), tf.reshape(sorted_places, tf.shape(indices)))
        words = graph.words(seed, BATCH_ORDER_PATH, steps, index=epoch)
        return tf.gather(indices, tf.argsort(words, stable=True))

    @_as_written
    def numbered_batch(step: tf.Tensor, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return batch(indices)

    return (
        training_steps(split, batch_size, seed, epochs, first_step, arrange)
        .map(numbered_batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def text_evaluation_batches(
    split: TextSplit, front: TextFront, *, batch_size: int, share: Share = WHOLE
) -> tf.data.Dataset:
    """Return a split once, from the shortest text to the longest, in batches of one size.

    Args:
        split: the texts.
        front: what turns texts into ids.
        batch_size: texts in a batch.
        share: the rows of each batch that are made, all by default.

    Returns:
        A dataset of ⌈n / batch_size⌉ elements (ids int32 [batch_size, longest], y int32
        [batch_size], weight float32 [batch_size]). The last batch is filled up with
        repetitions of the last text, with weight 0; all other weights are 1, so that
        weighted sums over all batches are sums over the split.

    Raises:
        DataError: `batch_size` is not positive.
    """
    check_batch_size(batch_size)
    size = len(split)
    rows = share.rows(batch_size)
    lengths, batch = _tokenised(split, front, rows)
    order = tf.argsort(lengths, stable=True)

    @_as_written
    def weighted_batch(start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        places = start + tf.range(batch_size, dtype=tf.int64)
        weight = tf.cast(places < size, tf.float32)[rows]
        return *batch(tf.gather(order, tf.minimum(places, size - 1))), weight

    return (
        tf.data.Dataset.range(0, size, batch_size)
        .map(weighted_batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def _tokenised(
    split: TextSplit, front: TextFront, rows: slice
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """Return the number of words of each text, and what gathers `rows` of a batch."""
    chunks = list(in_chunks(front.ids, split.texts))
    # As tensors of the host, the function refers to them. Arrays would be written into
    # its graph as constants.
    with tf.device("CPU:0"):
        flat = tf.concat([chunk.flat_values for chunk in chunks], axis=0)
        lengths = tf.concat([chunk.row_lengths() for chunk in chunks], axis=0)
        starts = tf.cumsum(lengths, exclusive=True)
        labels = tf.constant(split.labels)

    @_as_written
    def batch(indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        columns = tf.range(tf.reduce_max(tf.gather(lengths, indices)))
        indices = indices[rows]
        ends = tf.gather(lengths, indices)[:, tf.newaxis]
        places = tf.gather(starts, indices)[:, tf.newaxis] + columns
        word = columns < ends
        ids = tf.where(word, tf.gather(flat, tf.where(word, places, 0)), PADDING)
        return tf.ensure_shape(ids, [rows.stop - rows.start, None]), tf.gather(labels, indices)

    return lengths, batch
