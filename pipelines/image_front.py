"""What stands before a network of images: raw pixels or image files in, its floats out."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from bnkeras.errors import DataError
from bnkeras.pipelines.batches import Normalisation, scaling
from bnkeras.pipelines.crops import centre_crops, check_size
from bnkeras.pipelines.encoded import decode_whole


class ImageFront(tf.Module):
    """Turns raw images into what a network takes, bit for bit as an evaluation does.

    Images of one size are scaled as `evaluation_batches` scales them. With `crop` the images
    of a batch may have any size, which is the same for all of them; they are resized and
    cropped as `crop_evaluation_batches` does it.

    Args:
        normalisation: a dataset's specification, or its (mean, std) per channel in [0, 1].
        image_shape: (height, width, channels) of the images; None for a size that is open.
        crop: height and width in pixels of the centre crops; None for images as they are.
        scale: `"channel"` for (x / 255 - mean) / std, `"unit"` for x / 255.

    Attributes:
        spec: what the front takes: `image`, uint8 [batch, height, width, channels].
        output_spec: what it gives: float32 [batch, height, width, channels].

    Raises:
        DataError: an argument is out of range.

    >>> front = ImageFront(CIFAR10, (32, 32, 3))                         # doctest: +SKIP
    >>> photographs = ImageFront(IMAGENET, (None, None, 3), crop=224)    # doctest: +SKIP
    >>> save_compact(model, "saved_models/mine", front=front)            # doctest: +SKIP
    """

    def __init__(
        self,
        normalisation: Normalisation,
        image_shape: Sequence[int | None],
        *,
        crop: int | None = None,
        scale: str = "channel",
    ):
        super().__init__(name="image_front")
        height, width, channels = _checked(image_shape)
        if crop is not None:
            check_size(crop)
        self.spec = tf.TensorSpec([None, height, width, channels], tf.uint8, name="image")
        shape = [None, crop or height, crop or width, channels]
        self.output_spec = tf.TensorSpec(shape, tf.float32)
        self._crop = crop
        self._scaled = scaling(normalisation, scale, channels, divide=_quotient)

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Return what the network takes, float32 [batch, height, width, channels]."""
        cropped = images if self._crop is None else centre_crops(images, self._crop)
        return tf.ensure_shape(self._scaled(cropped), self.output_spec.shape)


class EncodedImageFront(tf.Module):
    """Turns JPEG, PNG, GIF and BMP files into what a network takes.

    They are decoded as the pipelines decode them, one by one, so that photographs of many
    sizes can be in a batch. A file of another size than the images must have is an error of
    TensorFlow, and so is one that cannot be decoded.

    Args:
        front: takes their pixels.

    Attributes:
        spec: what the front takes: `image_bytes`, strings [batch].

    >>> photographs = ImageFront(IMAGENET, (None, None, 3), crop=224)    # doctest: +SKIP
    >>> EncodedImageFront(photographs)(tf.constant([jpeg])).shape        # doctest: +SKIP
    TensorShape([1, 224, 224, 3])
    """

    # TensorFlow Serving takes such a name for that of binary data.
    spec = tf.TensorSpec([None], tf.string, name="image_bytes")

    def __init__(self, front: ImageFront):
        super().__init__(name="encoded_image_front")
        self._front = front

    def __call__(self, files: tf.Tensor) -> tf.Tensor:
        """Return what the network takes, float32 [batch, height, width, channels]."""

        def one(file: tf.Tensor) -> tf.Tensor:
            pixels = decode_whole(file, self._front.spec.shape[-1])
            pixels = tf.ensure_shape(pixels, self._front.spec.shape[1:])
            return self._front(pixels[tf.newaxis])[0]

        return tf.map_fn(
            tf.autograph.experimental.do_not_convert(one),
            files,
            fn_output_signature=tf.TensorSpec(self._front.output_spec.shape[1:], tf.float32),
        )


def _quotient(x: tf.Tensor, y: np.ndarray) -> tf.Tensor:
    """Return x / y, correctly rounded to float32.

    TensorFlow's optimizer of graphs multiplies by the reciprocal of a constant instead, and
    the product of float32 has other bits. That of float64 is off by less than 2^-51 of it,
    and no quotient of float32 is as near to where rounding changes.
    """
    return tf.cast(tf.cast(x, tf.float64) / y.astype(np.float64), tf.float32)


def _checked(image_shape: Sequence[int | None]) -> tuple[int | None, int | None, int]:
    shape = tuple(image_shape)
    if (
        len(shape) != 3
        or shape[2] is None
        or not all(size is None or (isinstance(size, int) and size > 0) for size in shape)
    ):
        raise DataError(
            "image_shape is (height, width, channels), positive, with None for a height or width "
            f"that is open; received {image_shape!r}."
        )
    return shape
