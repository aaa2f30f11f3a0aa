"""Writing the images of a source: all of one small size as pixels, others as the files they are."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from bnkeras.errors import BnkerasError, DataError
from bnkeras.pipelines.builder import write_jpegs, write_pixels
from bnkeras.pipelines.checking import Checker
from bnkeras.pipelines.decode import decode_images, image_shape
from bnkeras.pipelines.raw import EncodedImage, ImageFiles, Progress, RawSplit
from bnkeras.pipelines.registry import IMAGENET_MEAN, IMAGENET_STD, DatasetSpec

# Up to this height and width, images of one size are kept decoded.
SMALL = 64
_CHUNK = 512


def write_images(
    spec: DatasetSpec,
    splits: Mapping[str, ImageFiles],
    description: dict[str, Any],
    data_dir: Path,
    progress: Progress,
    skip_corrupt: bool,
) -> None:
    """Write the records of a dataset of a family, whose kind follows from the images.

    Images of one size, of at most 64×64 pixels, are of kind `"pixels"`, normalised with
    the mean and deviation of the training images; others are of kind `"jpegs"`,
    normalised with ImageNet's.

    Args:
        spec: what is written, with its class names.
        splits: the images; every class occurs in `train`.
        description: see `builder.write_records`; what the images show is added.
        data_dir: see `builder.write_records`.
        progress: called now and then.
        skip_corrupt: leave out corrupt images, and list them in `description`.

    Raises:
        DataError: a class has no sound training image, or a split none; there is no room.
        CorruptDataError: an image is corrupt.
    """
    shape = _small_shape(splits, progress)
    if shape is None:
        spec = replace(spec, kind="jpegs", mean=IMAGENET_MEAN, std=IMAGENET_STD)
        description["content"] = _content(spec)
        write_files(spec, splits, description, data_dir, progress, skip_corrupt)
        return
    checker = Checker(skip_corrupt)
    description["skipped"] = checker.skipped
    raw = {}
    for split, files in splits.items():
        images = checker.sound(files.read(), split)
        raw[split] = _decoded(_reported(images, split, files, progress, "reading"), shape)
        _check_labels(set(raw[split].labels), split, spec)
    mean, std = _statistics(raw["train"].images)
    spec = replace(spec, kind="pixels", image_shape=shape, mean=mean, std=std)
    description["content"] = _content(spec)
    write_pixels(spec, raw, description, data_dir, progress)


def write_files(
    spec: DatasetSpec,
    splits: Mapping[str, ImageFiles],
    description: dict[str, Any],
    data_dir: Path,
    progress: Progress,
    skip_corrupt: bool,
) -> None:
    """Write image files as they are, none of them kept in memory.

    The arguments and errors are those of `write_images`; `spec` is of kind `"jpegs"`.
    """
    _check_room(sum(files.bytes for files in splits.values()), data_dir)
    checker = Checker(skip_corrupt)
    description["skipped"] = checker.skipped

    def written(split: str, files: ImageFiles) -> Iterator[EncodedImage]:
        labels = set()
        images = checker.sound(files.read(), split)
        for image in _reported(images, split, files, progress, "writing"):
            labels.add(image.label)
            yield image
        _check_labels(labels, split, spec)
        progress(files.count, files.count, f"sorting {split} records")

    write_jpegs(
        spec,
        {split: written(split, files) for split, files in splits.items()},
        description,
        data_dir,
        max(files.bytes for files in splits.values()),
        [files.count for files in splits.values()],
    )


def _small_shape(
    splits: Mapping[str, ImageFiles], progress: Progress
) -> tuple[int, int, int] | None:
    """Return the shape of the images if they have one and it is small; the first other ends it."""
    size, channels = None, 1
    for split, files in splits.items():
        for image in _reported(files.read(), split, files, progress, "looking at"):
            with suppress(BnkerasError):  # a corrupt image is for the checker
                height, width, depth = image_shape(image)
                size = size or (height, width)
                if max(height, width) > SMALL or (height, width) != size:
                    return None
                channels = max(channels, depth)
    return size and (*size, channels)


def _decoded(images: Iterator[EncodedImage], shape: tuple[int, int, int]) -> RawSplit:
    raw = RawSplit()
    while chunk := list(islice(images, _CHUNK)):
        for image, pixels in zip(chunk, decode_images(chunk, shape), strict=True):
            raw.add(image.key, pixels, image.label)
    return raw


def _statistics(images: list[np.ndarray]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation per channel, in units of [0, 1]."""
    pixels = len(images) * images[0].shape[0] * images[0].shape[1]
    # Integers, so that the order of the images does not matter.
    total = sum(image.sum(axis=(0, 1), dtype=np.int64) for image in images)
    squares = sum((image.astype(np.int64) ** 2).sum(axis=(0, 1)) for image in images)
    mean = total / pixels / 255
    std = np.sqrt(squares / pixels / 255**2 - mean**2)
    # A channel that is the same everywhere is left as it is.
    std[std < 1e-6] = 1
    return tuple(mean.round(6).tolist()), tuple(std.round(6).tolist())


def _content(spec: DatasetSpec) -> dict[str, Any]:
    return {
        "kind": spec.kind,
        "image_shape": spec.image_shape,
        "mean": spec.mean,
        "std": spec.std,
    }


def _reported(
    images: Iterator[EncodedImage], split: str, files: ImageFiles, progress: Progress, doing: str
) -> Iterator[EncodedImage]:
    for index, image in enumerate(images):
        if index % 100 == 0:
            progress(index, files.count, f"{doing} {split} images")
        yield image


def _check_labels(labels: set[int], split: str, spec: DatasetSpec) -> None:
    """Raise a DataError if a split lacks images, or a class of a family's dataset training ones."""
    if not labels:
        raise DataError(f"{spec.name} has no sound image in {split!r}.")
    for label, name in enumerate(spec.class_names):
        if label not in labels and split == "train" and spec.family:
            raise DataError(f"{spec.name} has no sound training image of class {name!r}.")


def _check_room(size: int, data_dir: Path) -> None:
    free = shutil.disk_usage(data_dir).free
    if size > free:
        raise DataError(
            f"The records take {size / 1e9:,.1f} GB and {data_dir} has room for "
            f"{free / 1e9:,.1f} GB. Choose another directory with --data-dir or BNKERAS_DATA_DIR."
        )
