"""Weights and values that lie in files, as resources that fill themselves."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from bnkeras.compact.external import FOLDER
from bnkeras.compact.graph.frozen import FrozenWeights
from bnkeras.compact.graph.stored import bytes_of, words_of
from bnkeras.compact.manifest.records import ExternalFile
from bnkeras.compact.provenance import StoredVariable


class ExternalWeights(FrozenWeights):
    """The weights that a file holds, in the export or in the folder `external` beside it.

    Args:
        variables: what the file holds, in this order.
        record: the file, as the manifest has it.
        file: where it is now.
        asset: a file of the export, which knows where the export lies when it is loaded.
    """

    def __init__(
        self,
        variables: list[keras.Variable],
        record: ExternalFile,
        file: Path,
        asset: tf.saved_model.Asset,
    ):
        shapes = [tuple(variable.shape) for variable in variables]
        super().__init__(shapes, [record.sha256, shapes])
        self.asset = asset
        self._record = record
        self._fingerprint = int(_fingerprint(tf.io.read_file(str(file))))

    def _initialize(self) -> None:
        places = _places(self.asset.asset_path, self._record.file)
        is_it = tf.autograph.experimental.do_not_convert(
            lambda content: tf.equal(_fingerprint(content), self._fingerprint)
        )
        # The first of the files that exists and is the right one; an empty text if none is.
        content = (
            tf.data.Dataset.from_tensor_slices(places)
            .map(tf.io.read_file)
            .ignore_errors()
            .filter(is_it)
            .take(1)
            .reduce("", tf.autograph.experimental.do_not_convert(lambda _, found: found))
        )
        missing = [
            f"The frozen weights of this export lie in a file of {self._record.bytes} bytes, which "
            f"is missing or another one: ",
            tf.strings.reduce_join(places, separator=" or "),
            ". Put it there; its name is its SHA-256.",
        ]
        found = tf.debugging.Assert(tf.not_equal(content, ""), [tf.strings.join(missing)])
        with tf.control_dependencies([found]):
            values = tf.io.decode_raw(content, tf.float32)
        sizes = [int(np.prod(shape)) for shape in self._shapes]
        for index, part in enumerate(tf.split(values, sizes)):
            self._fill(index, tf.reshape(part, self._shapes[index]))


class FileWeights(FrozenWeights):
    """Vectors of stored values, each in a file of the export.

    Args:
        files: where they are now.
        stored: what each holds, in this order.
    """

    def __init__(self, files: Sequence[Path], stored: Sequence[list[StoredVariable]]):
        contents = [file.read_bytes() for file in files]
        shapes = [(sum(map(words_of, entries)),) for entries in stored]
        super().__init__(shapes, [hashlib.sha256(content).hexdigest() for content in contents])
        self.assets = [tf.saved_model.Asset(str(file)) for file in files]
        self._fingerprints = [int(_fingerprint(tf.constant(content))) for content in contents]
        # The bytes before those of float16.
        self._plain = [
            sum(bytes_of(entry.variable) for entry in entries if not entry.is_rounded)
            for entries in stored
        ]

    def _initialize(self) -> None:
        for index, asset in enumerate(self.assets):
            plain = tf.constant(self._plain[index], tf.int32)
            fingerprint = tf.constant(self._fingerprints[index], tf.int64)
            words = _words_of_file(asset.asset_path, fingerprint, plain)
            self._fill(index, tf.ensure_shape(words, self._shapes[index]))


@tf.function(
    autograph=False,
    input_signature=[
        tf.TensorSpec([], tf.string),
        tf.TensorSpec([], tf.int64),
        tf.TensorSpec([], tf.int32),
    ],
)
def _words_of_file(path: tf.Tensor, fingerprint: tf.Tensor, plain: tf.Tensor) -> tf.Tensor:
    """Return the words of a file: its first `plain` bytes, and behind them float16 ones."""
    content = tf.io.read_file(path)
    message = tf.strings.join(["The values of a task have changed: ", path])
    right = tf.equal(_fingerprint(content), fingerprint)
    with tf.control_dependencies([tf.debugging.Assert(right, [message])]):
        words = tf.io.decode_raw(tf.strings.substr(content, 0, plain), tf.float32)
    rest = tf.strings.substr(content, plain, tf.strings.length(content) - plain)
    rounded = tf.io.decode_raw(rest, tf.float16)
    return tf.concat([words, tf.cast(rounded, tf.float32)], axis=0)


def _places(asset_path: tf.Tensor, name: str) -> tf.Tensor:
    """Return where the file `name` may lie, for an asset of the export at `asset_path`."""
    assets = tf.strings.regex_replace(asset_path, r"[^/\\]*$", "")
    # File systems of the cloud know no "..", and an export that is loaded as "." has no name.
    beside = tf.strings.regex_replace(
        asset_path, r"^(.*[/\\])?[^/\\]+[/\\][^/\\]+[/\\][^/\\]*$", rf"\1{FOLDER}/{name}"
    )
    parent = tf.strings.join([assets, f"../../{FOLDER}/{name}"])
    return tf.stack([tf.strings.join([assets, name]), beside, parent])


def _fingerprint(content: tf.Tensor) -> tf.Tensor:
    """Return 63 bits of FarmHash's Fingerprint64, which is the same on all platforms."""
    return tf.strings.to_hash_bucket_fast(content, 2**63 - 1)
