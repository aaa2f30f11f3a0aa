"""Reading a prepared split into memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines.prepared import Prepared
from bnkeras.pipelines.shards import read_shard

_FEATURES = {"image": "string", "label": "int64"}


@dataclass(frozen=True)
class Split:
    """Images and labels of a split, in memory.

    Attributes:
        images: uint8 [n, height, width, channels].
        labels: int32 [n].
        class_names: the class of each label.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)


@dataclass(frozen=True)
class Part:
    """Records `skip` to `skip + take` of the shard at `path`."""

    path: Path
    skip: int
    take: int


def load_split(prepared: Prepared, split: str) -> Split:
    """Read a split, or a slice of one, into memory.

    The records lie in the order of a hash of their keys, so a slice is a random
    selection, the same for ever; `train[:90%]` and `train[90%:]` are disjoint and
    together complete. The classes of a slice are not exactly balanced.

    Args:
        prepared: what `prepare` or `find` returned.
        split: `"train"`, `"test"`, `"train[:90%]"`, `"train[45000:]"`, as in TFDS.

    Raises:
        DataError: no such split, or an empty slice.
        CorruptDataError: a shard is damaged or shorter than it was; the message names it.

    >>> load_split(find("cifar10"), "train[90%:]").images.shape         # doctest: +SKIP
    (5000, 32, 32, 3)
    """
    if prepared.spec.kind != "pixels":
        raise DataError(
            f"The images of {prepared.spec.name} do not have one small size, for which "
            "`load_split` is; read them with `load_encoded`."
        )
    parts = split_parts(prepared, split)
    total = sum(part.take for part in parts)
    images = np.empty((total, *prepared.spec.image_shape), np.uint8)
    labels = np.empty(total, np.int32)
    done = 0
    for part in parts:
        end = done + part.take
        _read_part(part, images[done:end], labels[done:end], prepared)
        done = end
    return Split(images, labels, prepared.spec.class_names)


def split_parts(prepared: Prepared, split: str) -> list[Part]:
    """Return the parts of shards that a split, or a slice of one, consists of.

    Raises:
        DataError: no such split, or an empty slice.
    """
    try:
        info = tfds.builder_from_directory(prepared.path).info
        parts = parts_of(info.splits[split])
    except (ValueError, KeyError, AssertionError) as error:
        raise DataError(
            f"There is no split {split!r} of {prepared.spec.name}. Splits are "
            f"{', '.join(prepared.counts)}, or slices of them such as 'train[:90%]' and "
            f"'train[45000:]'."
        ) from error
    if not parts:
        raise DataError(
            f"The split {split!r} of {prepared.spec.name} is empty; it has "
            + ", ".join(f"{count:,} records in {name}" for name, count in prepared.counts.items())
            + "."
        )
    return parts


def parts_of(split: Any) -> list[Part]:
    """Return the parts of shards that a split of TFDS consists of."""
    parts = []
    for one in split.file_instructions:
        take = one.examples_in_shard - one.skip if one.take == -1 else one.take
        if take:
            parts.append(Part(Path(one.filename), one.skip, take))
    return parts


def _read_part(part: Part, images: np.ndarray, labels: np.ndarray, prepared: Prepared) -> None:
    """Fill `images` and `labels` from one shard."""
    done = 0
    for batch in read_shard(
        part.path, _FEATURES, skip=part.skip, take=part.take, remedy=prepared.remedy
    ):
        end = done + len(batch["label"])
        pixels = np.frombuffer(b"".join(batch["image"]), np.uint8)
        try:
            images[done:end] = pixels.reshape(-1, *images.shape[1:])
        except ValueError as error:
            raise CorruptDataError(
                f"The shard {part.path} is damaged ({error}). {prepared.remedy}"
            ) from error
        labels[done:end] = batch["label"]
        done = end
    if not 0 <= labels.min() <= labels.max() < len(prepared.spec.class_names):
        raise CorruptDataError(
            f"The shard {part.path} is damaged: a label is {labels.max()}, and there are "
            f"{len(prepared.spec.class_names)} classes. {prepared.remedy}"
        )
