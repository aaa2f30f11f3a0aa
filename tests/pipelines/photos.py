"""Photographs made on the spot: smooth, of many sizes, in every encoding."""

import io

import numpy as np
from PIL import Image


def pixels(height: int, width: int, seed: int) -> np.ndarray:
    """Return a picture of soft blobs, uint8 [height, width, 3]: it has no two equal crops."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.BICUBIC))


def encoded(array: np.ndarray, form: str = "JPEG", **options) -> bytes:
    """Return `array` as the bytes of an image file; `mode` converts it first."""
    image = Image.fromarray(array)
    if mode := options.pop("mode", None):
        image = image.convert(mode)
    if form == "JPEG":
        options = {"quality": 92, **options}
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def photo(height: int, width: int, seed: int, **options) -> bytes:
    """Return a JPEG file."""
    return encoded(pixels(height, width, seed), **options)


def opened(content: bytes) -> np.ndarray:
    """Return the pixels as Pillow decodes them, uint8 [height, width, 3]."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
