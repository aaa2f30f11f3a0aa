"""Image classification datasets that TFDS has prepared: found, understood, identified."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines.raw import EncodedImage, ImageFiles, Progress
from bnkeras.pipelines.record_index import Offsets, find_offsets

_REMEDY = "Prepare the dataset again with TFDS."


def find_directory(path: Path, name: str) -> Path | None:
    """Return the directory that holds the records of `name`, or None.

    Args:
        path: that directory, NAME/VERSION or NAME/CONFIGURATION/VERSION in TFDS' data
            directory; or NAME; or the data directory.
        name: the dataset.

    Raises:
        DataError: there are several.
        CorruptDataError: a description cannot be read.
    """
    found = [
        description.parent
        for pattern in ("", "*/", "*/*/", f"{name}/*/*/")
        for description in sorted(path.glob(f"{pattern}dataset_info.json"))
        if _name(description) == name
    ]
    if len(found) > 1:
        raise DataError(
            f"{path} holds {name} {len(found)} times. Give one of them as the source:\n  "
            + "\n  ".join(map(str, found))
        )
    return found[0] if found else None


def _name(description: Path) -> str:
    try:
        return json.loads(description.read_text("utf-8"))["name"]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise CorruptDataError(f"{description} is damaged ({error!r}). {_REMEDY}") from error


def open_directory(path: Path) -> "TfdsImages":
    """Return the dataset whose records lie in `path`.

    Raises:
        DataError: it is no image classification dataset, or is not in TFRecords.
        CorruptDataError: its description or a file is damaged.
    """
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder_from_directory(path)
    except Exception as error:  # those of TFDS have no common class
        raise CorruptDataError(
            f"The description of {path} cannot be read ({error}). {_REMEDY}"
        ) from error
    if builder.info.file_format.value != "tfrecord":
        raise DataError(
            f"{path} is in the format {builder.info.file_format.value!r}; only 'tfrecord' is "
            "read. Prepare it again with TFDS in that format."
        )
    return TfdsImages(builder)


class TfdsImages:
    """An image classification dataset of TFDS.

    Args:
        builder: TFDS' builder of it.

    Attributes:
        name: its name there.
        path: where its records lie.
        class_names: the class of each label.
        image: the name of the feature that is the image.
        label: the name of the feature that is the class.

    Raises:
        DataError: it is another kind of dataset.
    """

    def __init__(self, builder: Any):
        from tensorflow_datasets import features as types

        self.builder = builder
        self.name = builder.info.name
        self.path = Path(builder.data_path)
        features = builder.info.features
        flat = dict(features.items()) if isinstance(features, types.FeaturesDict) else {}
        images = [key for key, one in flat.items() if _is_image(one)]
        labels = [key for key, one in flat.items() if type(one) is types.ClassLabel]
        supervised = builder.info.supervised_keys
        if supervised and supervised[0] in images and supervised[1] in labels:
            self.image, self.label = supervised[:2]
        elif len(images) == len(labels) == 1:
            (self.image,), (self.label,) = images, labels
        else:
            raise DataError(
                f"{self.name} is no image classification dataset: that has one 8-bit image and "
                f"one class label; its features are {', '.join(flat) or features}."
            )
        self.class_names = tuple(flat[self.label].names)

    def shards(self, split: str) -> list[Path]:
        """Return the record files of `split`."""
        return [Path(path) for path in self.builder.info.splits[split].filepaths]

    def offsets(self, splits: Iterable[str], progress: Progress) -> Offsets:
        """Return where the records of `splits` begin.

        Raises:
            CorruptDataError: a file is damaged or has lost records.
        """
        offsets = find_offsets({split: self.shards(split) for split in splits}, progress)
        for split, shards in offsets.items():
            lengths = self.builder.info.splits[split].shard_lengths
            for path, length, one in zip(self.shards(split), lengths, shards, strict=True):
                if len(one) != length + 1:
                    raise CorruptDataError(
                        f"The shard {path} has {len(one) - 1:,} records and should have "
                        f"{length:,}. {_REMEDY}"
                    )
        return offsets

    def images(self, split: str) -> ImageFiles:
        """Return the images of `split`, or of a slice such as `train[:80%]`, undecoded.

        TFDS keeps no keys with its records; here a key is the class and the number of
        the record.
        """
        known = self.builder.info.splits[split]
        return ImageFiles(lambda: self._read(split), known.num_examples, known.num_bytes)

    def is_labelled(self, split: str) -> bool:
        """Return whether the first record of `split` has a label; of challenges' tests none has."""
        return next(self._records(split))[2] >= 0

    def _read(self, split: str) -> Iterator[EncodedImage]:
        for number, (place, content, label) in enumerate(self._records(split)):
            if not 0 <= label < len(self.class_names):
                raise DataError(
                    f"{place} has the label {label}; {self.name} has {len(self.class_names)} "
                    "classes. Images without a label are not for classification."
                )
            yield EncodedImage(f"{self.class_names[label]}/{number:08d}", content, label, place)

    def _records(self, split: str) -> Iterator[tuple[str, bytes, int]]:
        """Yield (place, image, label) of each record, file by file."""
        from bnkeras.pipelines.reading import parts_of
        from bnkeras.pipelines.shards import read_shard

        features = {self.image: "string", self.label: "int64"}
        for part in parts_of(self.builder.info.splits[split]):
            number = part.skip
            for batch in read_shard(
                part.path, features, skip=part.skip, take=part.take, remedy=_REMEDY, batch=64
            ):
                for image, label in zip(batch[self.image], batch[self.label], strict=True):
                    yield f"{part.path}: record {number}", image, int(label)
                    number += 1


def records_sha256(name: str, offsets: Offsets) -> str:
    """Return a fingerprint of records that does not take reading them.

    It is the SHA-256 of the dataset's name and, for each shard, of the lengths of its
    records. For encoded images these differ wherever the images do, as good as surely.
    """
    digest = hashlib.sha256(f"{name}\0".encode())
    for split, shards in offsets.items():
        digest.update(f"{split}\0{len(shards)}\0".encode())
        for one in shards:
            digest.update(f"{len(one)}\0".encode() + one.astype("<i8").tobytes())
    return digest.hexdigest()


def _is_image(feature: Any) -> bool:
    from tensorflow_datasets import features as types

    return (
        isinstance(feature, types.Image)
        and np.dtype(feature.np_dtype) == np.uint8
        and feature.shape[-1] in (1, 3, 4)
    )
