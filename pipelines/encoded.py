"""Encoded images of a prepared split: read from any place, decoded when they are needed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines.prepared import Prepared
from bnkeras.pipelines.reading import split_parts
from bnkeras.pipelines.record_index import load_offsets

_FEATURES = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "label": tf.io.FixedLenFeature([], tf.int64),
    "file_name": tf.io.FixedLenFeature([], tf.string, ""),
}
# Records that are read at the same time, where the storage is slow to answer.
_READERS = 16
# Damaged records that a message names.
_NAMED = 10

# AutoGraph would read the source of the functions below when they are first called.
_as_written = tf.autograph.experimental.do_not_convert


@dataclass(frozen=True)
class Record:
    """One image of a split, encoded.

    Attributes:
        image: the bytes of a JPEG or PNG file.
        label: its class.
        file_name: its class and name, or TFDS' name of it.
    """

    image: bytes
    label: int
    file_name: str


class EncodedSplit:
    """The encoded images of a split, of which any can be read without the others.

    Attributes:
        class_names: the class of each label.

    Args:
        prepared: the dataset.
        shards: its record files.
        shard: of each image the number of its file, int32 [n].
        number: of each image the number of its record in the file, int32 [n].
        offset: of each image where its record begins, int64 [n].
    """

    def __init__(
        self,
        prepared: Prepared,
        shards: list[Path],
        shard: np.ndarray,
        number: np.ndarray,
        offset: np.ndarray,
    ):
        self.class_names = prepared.spec.class_names
        self._prepared = prepared
        self._shards = shards
        self._number = number
        # As tensors of the host, the functions of a pipeline refer to them. NumPy arrays
        # would be written into each graph as constants.
        with tf.device("CPU:0"):
            self._paths = tf.constant([str(path) for path in shards])
            self._shard, self._offset = tf.constant(shard), tf.constant(offset)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._number)

    def __getitem__(self, index: int) -> Record:
        """Return one image.

        Raises:
            CorruptDataError: its record is damaged.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"the split has {len(self):,} images; received {index}")
        with self.naming_corrupt_records():
            record = self._record(index % len(self)).get_single_element()
            example = _parse(record)
        return Record(
            example["image"].numpy(),
            int(example["label"]),
            example["file_name"].numpy().decode("utf-8", "replace"),
        )

    def examples(self, indices: tf.data.Dataset) -> tf.data.Dataset:
        """Return the images at `indices` in their order: image, label and file_name of each.

        Checksums are compared. Iterating raises an error of TensorFlow where a record is
        damaged, see `naming_corrupt_records`.

        Args:
            indices: scalars, 0 ≤ index < n.
        """

        return _read(indices, self._record).map(
            _parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )

    @contextmanager
    def naming_corrupt_records(self) -> Iterator[None]:
        """Turn TensorFlow's error at a damaged record, which names nothing, into one that does.

        Raises:
            CorruptDataError: in the context an error of TensorFlow was raised, and records
                of the split are damaged; the message names these. It takes reading all.

        Example:
            >>> with split.naming_corrupt_records():                    # doctest: +SKIP
            ...     for x, y in crop_training_batches(split, ...): ...
        """
        try:
            yield
        except tf.errors.OpError as error:
            damaged = self.damaged()
            if not len(damaged):
                raise
            listed = "".join(f"\n  {self._name(index)}" for index in damaged[:_NAMED])
            more = len(damaged) - _NAMED
            listed += f"\n  and {more:,} more" if more > 0 else ""
            raise CorruptDataError(
                f"Records of {self._prepared.spec.name} are damaged, or their images are:"
                f"{listed}\n{self._prepared.remedy}"
            ) from error

    def damaged(self) -> np.ndarray:
        """Return the indices of all records that cannot be read, parsed and decoded."""

        @_as_written
        def record(index: tf.Tensor) -> tf.data.Dataset:
            # The empty record where the checksum is wrong.
            return self._record(index).ignore_errors()

        @_as_written
        def sound(index: tf.Tensor, record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return index, tf.shape(decode_whole(_parse(record)["image"]))

        indices = tf.data.Dataset.range(len(self))
        decoded = tf.data.Dataset.zip(indices, _read(indices, record)).map(
            sound, num_parallel_calls=tf.data.AUTOTUNE
        )
        found = [index for index, _ in decoded.ignore_errors().as_numpy_iterator()]
        return np.setdiff1d(np.arange(len(self)), found)

    def _record(self, index: int | tf.Tensor) -> tf.data.Dataset:
        """Return one record, serialised."""
        # What `tf.data.TFRecordDataset` is made of, but from a place in the file.
        records = tf.raw_ops.TFRecordDatasetV2(
            filenames=[tf.gather(self._paths, tf.gather(self._shard, index))],
            compression_type="",
            buffer_size=np.int64(0),
            byte_offsets=[tf.gather(self._offset, index)],
            metadata="",
        )
        records = tf.data.experimental.from_variant(records, tf.TensorSpec([], tf.string))
        # The empty record, where a file has lost its end: it cannot be parsed, and no
        # index is passed over in silence. `from_tensors("")` would do the same, but with
        # deterministic operations tf.data then runs the whole pipeline one by one.
        return records.concatenate(tf.data.Dataset.from_tensor_slices([""])).take(1)

    def _name(self, index: int) -> str:
        path = self._shards[int(self._shard[index])]
        try:
            record = self._record(index).get_single_element()
            name = _parse(record)["file_name"].numpy()
            name = f" ({name.decode('utf-8', 'replace')})"
        except tf.errors.OpError:
            name = ""
        return f"{path}: record {self._number[index]:,}{name}"


def load_encoded(prepared: Prepared, split: str) -> EncodedSplit:
    """Return a split, or a slice of one, of images of kind `"jpegs"`.

    The records lie in the order of a hash of their keys; see `load_split`.

    Args:
        prepared: what `prepare` or `find` returned.
        split: `"train"`, `"test"`, `"train[:90%]"`, `"train[1000:]"`, as in TFDS.

    Raises:
        DataError: no such split, an empty slice, or another kind of dataset.
        CorruptDataError: a file has lost records, or its end.

    >>> load_encoded(find("imagenet"), "test")[0].file_name             # doctest: +SKIP
    'n03445777/n03445777_6491.JPEG'
    """
    if prepared.spec.kind != "jpegs":
        reader = "load_split" if prepared.spec.kind == "pixels" else "load_texts"
        raise DataError(f"{prepared.spec.name} does not hold image files; read it with `{reader}`.")
    offsets = {
        path.name: offsets
        for name, shards in load_offsets(prepared).items()
        for path, offsets in zip(prepared.shards(name), shards, strict=True)
    }
    parts = split_parts(prepared, split)
    taken = [np.arange(part.skip, part.skip + part.take, dtype=np.int32) for part in parts]
    return EncodedSplit(
        prepared,
        [part.path for part in parts],
        np.repeat(np.arange(len(parts), dtype=np.int32), [part.take for part in parts]),
        np.concatenate(taken),
        np.concatenate(
            [offsets[part.path.name][rows] for part, rows in zip(parts, taken, strict=True)]
        ),
    )


def _read(indices: tf.data.Dataset, record: Callable) -> tf.data.Dataset:
    return indices.interleave(
        _as_written(record),
        cycle_length=_READERS,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


@_as_written
def _parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
    return tf.io.parse_single_example(record, _FEATURES)


def decode_whole(image: tf.Tensor, channels: int = 3) -> tf.Tensor:
    """Return the pixels of an encoded image, uint8 [height, width, channels].

    JPEG is decoded as Pillow decodes it, see `decode.decode_images`; the inks of a CMYK
    file become red, green and blue.
    """
    pixels = tf.cond(
        tf.io.is_jpeg(image),
        lambda: tf.io.decode_jpeg(image, channels=channels, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_image(image, channels=channels, expand_animations=False),
    )
    return tf.ensure_shape(pixels, [None, None, channels])


def decode_window(image: tf.Tensor, size: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Return a window of `decode_whole`, uint8 [height, width, 3]; the rest is not decoded.

    Args:
        image: bytes of a JPEG or PNG file.
        size: its `size_of`.
        window: int32 [4]: top, left, height, width.
    """
    top, left, height, width = tf.unstack(window)

    def of_jpeg() -> tf.Tensor:
        # With a column more on each side: where colours are stored at half the resolution,
        # the outermost columns would lack the neighbours that they are interpolated from.
        start = tf.maximum(left - 1, 0)
        end = tf.minimum(left + width + 1, size[1])
        wider = tf.stack([top, start, height, end - start])
        pixels = tf.image.decode_and_crop_jpeg(
            image, wider, channels=3, dct_method="INTEGER_ACCURATE"
        )
        return pixels[:, left - start : left - start + width]

    pixels = tf.cond(
        tf.io.is_jpeg(image),
        of_jpeg,
        lambda: decode_whole(image)[top : top + height, left : left + width],
    )
    return tf.ensure_shape(pixels, [None, None, 3])


def size_of(image: tf.Tensor) -> tf.Tensor:
    """Return (height, width), int32 [2]; of a JPEG from its head, without decoding it."""
    size = tf.cond(
        tf.io.is_jpeg(image),
        lambda: tf.io.extract_jpeg_shape(image)[:2],
        lambda: tf.shape(decode_whole(image))[:2],
    )
    return tf.ensure_shape(size, [2])
