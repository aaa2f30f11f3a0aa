"""From the bytes of JPEG and PNG files to pixels."""

import struct
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import tensorflow as tf

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines.raw import EncodedImage

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"


def decode_images(images: Sequence[EncodedImage], shape: tuple[int, int, int]) -> np.ndarray:
    """Return the pixels of image files, uint8 [n, height, width, channels].

    JPEG is decoded with the accurate integer transform, as Pillow does it; TensorFlow's
    default is a faster one whose pixels differ. A grey image is repeated over the
    channels, an alpha channel is dropped.

    Args:
        images: the files; JPEG or PNG, told apart by their first bytes.
        shape: (height, width, channels) that every image must have.

    Raises:
        DataError: one is another format or has another size; the message names it.
        CorruptDataError: one cannot be decoded; the message names it.
    """
    if images and all(image.content.startswith(_JPEG) for image in images):
        try:
            return _jpegs(shape)(tf.constant([image.content for image in images])).numpy()
        except tf.errors.OpError:
            pass  # One of them is bad; the slower way finds out which.
    return np.stack([_decode(image, shape) for image in images])


@cache
def _jpegs(shape: tuple[int, int, int]) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return a graph that decodes many files at once, twice as fast as one by one."""

    def decode(content: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(_jpeg(content, shape[2]), shape)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def decode_all(contents: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(decode, contents, fn_output_signature=tf.TensorSpec(shape, tf.uint8))

    return decode_all


def check_image(image: EncodedImage) -> None:
    """Raise an error if the file cannot be decoded.

    A JPEG is decoded to an eighth of its size: that reads all of it, in 70% of the time.

    Raises:
        DataError: it is another format; the message names it.
        CorruptDataError: it cannot be decoded; the message names it.
    """
    _pixels(image, 3, ratio=8)


def image_shape(image: EncodedImage) -> tuple[int, int, int]:
    """Return (height, width, channels) from the head of a file; channels are 1 or 3.

    Raises:
        DataError, CorruptDataError: as `check_image`.
    """
    if image.content.startswith(_PNG):
        # After the signature the first block: its length, `IHDR`, width, height, bit depth,
        # colour type; types 0 and 4 are grey.
        if len(image.content) < 33:
            raise _undecodable(image)
        width, height, _, colour = struct.unpack_from(">IIBB", image.content, 16)
        return height, width, 1 if colour in (0, 4) else 3
    if not image.content.startswith(_JPEG):
        raise _not_an_image(image)
    try:
        height, width, channels = tf.io.extract_jpeg_shape(image.content).numpy().tolist()
    except tf.errors.OpError as error:
        raise _undecodable(image) from error
    return height, width, 1 if channels == 1 else 3


def _jpeg(content: tf.Tensor, channels: int, ratio: int = 1) -> tf.Tensor:
    return tf.io.decode_jpeg(content, channels, ratio, dct_method="INTEGER_ACCURATE")


def _decode(image: EncodedImage, shape: tuple[int, int, int]) -> np.ndarray:
    pixels = _pixels(image, shape[2]).numpy()
    if pixels.shape != shape:
        raise DataError(
            f"{image.place} has {pixels.shape[1]}×{pixels.shape[0]} pixels (width×height); "
            f"{shape[1]}×{shape[0]} are expected."
        )
    return pixels


def _pixels(image: EncodedImage, channels: int, ratio: int = 1) -> tf.Tensor:
    content = image.content
    # A JPEG without the mark of its end after that of its start of scan is cut. TensorFlow
    # finds that out too, and writes lines of its own to the terminal.
    if content.startswith(_JPEG) and content.find(b"\xff\xd9", content.find(b"\xff\xda")) < 0:
        raise _undecodable(image)
    try:
        if content.startswith(_JPEG):
            return _jpeg(content, channels, ratio)
        if content.startswith(_PNG):
            return tf.io.decode_png(content, channels)
    except tf.errors.OpError as error:
        raise _undecodable(image) from error
    raise _not_an_image(image)


def _not_an_image(image: EncodedImage) -> DataError:
    return DataError(
        f"{image.place} is not an image: it begins like neither a JPEG nor a PNG file."
    )


def _undecodable(image: EncodedImage) -> CorruptDataError:
    return CorruptDataError(f"{image.place} cannot be decoded; the file is damaged or incomplete.")
