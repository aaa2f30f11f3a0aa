"""Random translation and horizontal flip of a batch of images, as a function of random words."""

import tensorflow as tf

# Words that one image takes: the vertical offset, the horizontal offset, the flip.
WORDS_PER_IMAGE = 3


def bounded(words: tf.Tensor, bound: int | tf.Tensor) -> tf.Tensor:
    """Map 32-bit words to integers from 0 to `bound` - 1: floor(word · bound / 2^32), int32.

    Each value is hit by ⌊2^32 / bound⌋ or one more of the 2^32 words, so that
    probabilities differ by at most 2^-32 and no value is skipped, high or low.

    >>> bounded(tf.constant([0, 2**31, 2**32 - 1], tf.uint32), 9).numpy()
    array([0, 4, 8], dtype=int32)
    """
    # Below 2^32 · bound, so the product is exact in 64 bits.
    product = tf.cast(words, tf.int64) * tf.cast(bound, tf.int64)
    return tf.cast(tf.bitwise.right_shift(product, tf.constant(32, tf.int64)), tf.int32)


def translate_and_flip(
    images: tf.Tensor, words: tf.Tensor, translate: int, flip: bool
) -> tf.Tensor:
    """Shift every image by its own offset, fill with black, and mirror half of them.

    With t = `translate`, output pixel (i, j) is input pixel (i + dy - t, j' + dx - t),
    where dy, dx = `bounded(word, 2t + 1)` and j' is j, or width - 1 - j for a flipped
    image; outside the image it is 0. This is what padding by t, cropping at (dy, dx)
    and then flipping gives.

    Args:
        images: uint8 [batch, height, width, channels].
        words: uint32 [3, batch]: all dy, then all dx, then the flips (the lowest
            bit). What one setting does with its words does not depend on the other.
        translate: largest shift in pixels, 0 for none.
        flip: whether to mirror.

    Returns:
        uint8, the shape of `images`.

    Source: the augmentation of the CIFAR networks of He et al. 2016 (pad by 4, random
    crop, flip), as in facebookresearch/open_lth.
    """
    if not translate and not flip:
        return images
    batch, height, width = tf.shape(images)[0], images.shape[1], images.shape[2]
    words = words[:, :, tf.newaxis]
    rows, columns = tf.range(height)[tf.newaxis], tf.range(width)[tf.newaxis]
    if flip:
        mirrored = tf.bitwise.bitwise_and(words[2], tf.constant(1, tf.uint32)) == 1
        columns = tf.where(mirrored, width - 1 - columns, columns)
    if translate:
        rows += bounded(words[0], 2 * translate + 1)
        columns += bounded(words[1], 2 * translate + 1)
        images = tf.pad(images, [[0, 0], [translate, translate], [translate, translate], [0, 0]])
        images = tf.gather(images, rows, axis=1, batch_dims=1)
    columns = tf.broadcast_to(columns, [batch, width])
    return tf.gather(images, columns, axis=2, batch_dims=1)
