"""Reading a prepared split into memory."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines.prepared import Prepared

_BATCH = 1024


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
class _Part:
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
    parts = _parts(prepared, split)
    total = sum(part.take for part in parts)
    images = np.empty((total, *prepared.spec.image_shape), np.uint8)
    labels = np.empty(total, np.int32)
    done = 0
    for part in parts:
        end = done + part.take
        _read_part(part, images[done:end], labels[done:end], prepared)
        done = end
    return Split(images, labels, prepared.spec.class_names)


def _parts(prepared: Prepared, split: str) -> list[_Part]:
    try:
        info = tfds.builder_from_directory(prepared.path).info
        instructions = info.splits[split].file_instructions
    except (ValueError, KeyError, AssertionError) as error:
        raise DataError(
            f"There is no split {split!r} of {prepared.spec.name}. Splits are "
            f"{', '.join(prepared.counts)}, or slices of them such as 'train[:90%]' and "
            f"'train[45000:]'."
        ) from error
    parts = []
    for one in instructions:
        take = one.examples_in_shard - one.skip if one.take == -1 else one.take
        if take:
            parts.append(_Part(Path(one.filename), one.skip, take))
    if not parts:
        raise DataError(
            f"The split {split!r} of {prepared.spec.name} is empty; it has "
            + ", ".join(f"{count:,} images in {name}" for name, count in prepared.counts.items())
            + "."
        )
    return parts


def _read_part(part: _Part, images: np.ndarray, labels: np.ndarray, prepared: Prepared) -> None:
    """Fill `images` and `labels` from one shard.

    One shard at a time, because TensorFlow's errors name no file. Records are parsed
    a batch at once: TFDS' own decoding parses one by one and is ten times slower.
    """
    features = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }

    @tf.autograph.experimental.do_not_convert
    def parse(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        example = tf.io.parse_example(records, features)
        return tf.io.decode_raw(example["image"], tf.uint8), example["label"]

    records = tf.data.TFRecordDataset(str(part.path)).skip(part.skip).take(part.take)
    done = 0
    try:
        for pixels, values in records.batch(_BATCH).map(parse, tf.data.AUTOTUNE).prefetch(2):
            end = done + len(values)
            images[done:end] = pixels.numpy().reshape(-1, *images.shape[1:])
            labels[done:end] = values.numpy()
            done = end
    except tf.errors.PermissionDeniedError as error:
        raise DataError(f"The shard {part.path} cannot be read: permission denied.") from error
    except (tf.errors.OpError, ValueError) as error:
        raise CorruptDataError(
            f"The shard {part.path} is damaged ({_reason(error)}). {prepared.remedy}"
        ) from error
    if done != part.take:
        raise CorruptDataError(
            f"The shard {part.path} has lost its end: {part.skip + done:,} records are left "
            f"of at least {part.skip + part.take:,}. {prepared.remedy}"
        )
    if not 0 <= labels.min() <= labels.max() < len(prepared.spec.class_names):
        raise CorruptDataError(
            f"The shard {part.path} is damaged: a label is {labels.max()}, and there are "
            f"{len(prepared.spec.class_names)} classes. {prepared.remedy}"
        )


def _reason(error: Exception) -> str:
    # TensorFlow's messages begin and go on with the graph node, which is of no use here.
    message = getattr(error, "message", str(error)).splitlines()[0]
    return message.rpartition("}} ")[2].partition(" [")[0]
