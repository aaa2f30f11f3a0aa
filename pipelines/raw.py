"""What a source is, the images read from one, and the counts that it must have."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bnkeras.errors import DataError
from bnkeras.pipelines.registry import DatasetSpec

# (done, total or None when unknown, what is being done)
Progress = Callable[[int, int | None, str], None]


class Source(Protocol):
    """What a dataset is prepared from, recognised and not yet read.

    Attributes:
        kind: what it is, for people.
        sha256: the same for the same content.
    """

    kind: str
    sha256: str

    def write(
        self,
        spec: DatasetSpec,
        description: Mapping[str, Any],
        data_dir: Path,
        progress: Progress,
        skip_corrupt: bool,
    ) -> None:
        """Write the records of `spec` below `data_dir`, with `description` beside them."""


@dataclass
class RawSplit:
    """Images in the order of the source, before they are written.

    Attributes:
        keys: one per image, unique, the same wherever the source lies.
        images: uint8 arrays, [height, width, channels] each.
        labels: one per image.
    """

    keys: list[str] = field(default_factory=list)
    images: list[np.ndarray] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def add(self, key: str, image: np.ndarray, label: int) -> None:
        """Append one image."""
        self.keys.append(key)
        self.images.append(image)
        self.labels.append(label)


@dataclass(frozen=True)
class EncodedImage:
    """An image file as it came.

    Attributes:
        key: its class and name, unique in its split, the same wherever the source lies.
        content: its bytes.
        label: its class.
        place: where it was read from, for messages.
    """

    key: str
    content: bytes
    label: int
    place: str


@dataclass(frozen=True)
class ImageFiles:
    """The image files of a split, which can be read any number of times.

    Attributes:
        read: returns them, one after another.
        count: how many there are.
        bytes: their length together, about.
    """

    read: Callable[[], Iterator[EncodedImage]]
    count: int
    bytes: int


def check_counts(splits: Mapping[str, RawSplit], spec: DatasetSpec, source: object) -> None:
    """Compare the counts with those of `spec`, which are known.

    Raises:
        DataError: a split has another number of images than expected, or, where the
            dataset is balanced, a class has.
    """
    for split, expected in spec.splits.items():
        labels = splits[split].labels
        if len(labels) != expected:
            raise DataError(
                f"{source} has {len(labels):,} images in {split!r}; {spec.name} has "
                f"{expected:,}. Check that the source is complete."
            )
        per_class = expected // len(spec.class_names)
        counts = np.bincount(labels, minlength=len(spec.class_names))
        for name, count in zip(spec.class_names, counts, strict=True):
            if spec.balanced and count != per_class:
                raise DataError(
                    f"{source} has {count:,} images of class {name!r} in {split!r}; "
                    f"{spec.name} has {per_class:,} of each class. "
                    "Check that the source is complete."
                )
