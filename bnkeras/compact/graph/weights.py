"""What the SavedModel holds: resources that fill frozen weights, variables that store the rest."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import astuple, fields
from functools import cache
from itertools import groupby
from math import prod
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnkeras.compact.digests import values_digest
from bnkeras.compact.external import FOLDER
from bnkeras.compact.manifest.records import ExternalFile
from bnkeras.compact.provenance import SeededVariable, StoredVariable
from bnkeras.compact.slim.plan import Cut
from bnkeras.compact.slim.values import TensorCutter
from bnkeras.seeding import graph, stream
from bnkeras.seeding.laws import Draw

# Σ i · quantile[i] · 2^20 over the quantile table. A TensorFlow that computed another
# table would regenerate other weights, so the export checks it when it initialises.
_TABLE_CHECKSUM = 1_270_437_075_299_313

# From this many bytes on a stored variable is one of the SavedModel, too. Smaller ones are
# parts of a vector, which are copied at each call: for them that costs less than a node.
_LARGE = 1 << 18


class FrozenWeights(tf.saved_model.experimental.TrackableResource):
    """Fills one resource variable per frozen weight when the SavedModel is loaded.

    One resource with one initialiser, and handles found by shared name, take a
    third of the graph that one resource per weight would, and load three times
    faster. A subclass says in `_initialize` what the values are.

    Nothing destroys the variables before the process ends: functions that read them by
    name outlive the loaded object, as in `tf.saved_model.load(path).signatures[...]`.

    Args:
        shapes: the shapes of the weights.
        specification: what else the values depend on. It is part of the shared names:
            sessions of TF1 that load two exports share what is equal, and nothing else.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], specification: Any):
        super().__init__()
        self.scope = _scope(specification)
        self._shapes = shapes

    def read(self, index: int) -> tf.Tensor:
        """Return weight number `index`, inside a traced function."""
        return tf.raw_ops.ReadVariableOp(resource=self._handle(index), dtype=tf.float32)

    def _fill(self, index: int, value: tf.Tensor) -> None:
        tf.raw_ops.AssignVariableOp(resource=self._handle(index), value=value)

    def _handle(self, index: int) -> tf.Tensor:
        return tf.raw_ops.VarHandleOp(
            dtype=tf.float32, shape=self._shapes[index], shared_name=f"{self.scope}/{index}"
        )

    def _create_resource(self) -> tf.Tensor:
        return tf.raw_ops.VarHandleOp(dtype=tf.int8, shape=[], shared_name=self.scope)


class SeededWeights(FrozenWeights):
    """The weights that a seed regenerates."""

    def __init__(self, seed: int, weights: list[SeededVariable]):
        shapes = [tuple(weight.variable.shape) for weight in weights]
        laws = [specification(w.path, str(w.law), w.variable.shape, w.lost) for w in weights]
        super().__init__(shapes, [seed, laws])
        self._seed = seed
        self._weights = weights

    def _initialize(self) -> None:
        table = graph.quantiles()
        order = tf.range(65536, dtype=tf.int64)
        tf.debugging.assert_equal(
            tf.reduce_sum(order * tf.cast(table * 2.0**20, tf.int64)),
            tf.constant(_TABLE_CHECKSUM, tf.int64),
            "This TensorFlow computes other normal quantiles than bnkeras is defined with: "
            "the weights of this export cannot be regenerated.",
        )
        # From NumPy: tf.constant reads a list of integers as signed ones.
        key = tf.constant(np.uint64(self._seed))
        streams = [stream(self._seed, weight.path)[1] for weight in self._weights]
        highs = tf.unstack(tf.constant(np.array(streams, np.uint64)))
        # The graph holds a function for each kind of law, each shape and each number once.
        draws, shapes, numbers = cache(_draws), cache(_shape), cache(_number)
        cuts = [weight.lost for weight in self._weights if weight.lost is not None]
        cutter = TensorCutter(cuts) if cuts else None
        for index, (weight, shape) in enumerate(zip(self._weights, self._shapes, strict=True)):
            full = shape if weight.lost is None else weight.lost.full_shape(shape)
            law = weight.law.resolve(full)
            given = map(numbers, astuple(law))
            values = draws(type(law))(key, highs[index], table, shapes(full), *given)
            values.set_shape(full)
            self._fill(index, cutter(values, weight.lost) if weight.lost else values)


def _draws(kind: type[Draw]) -> Callable:
    """Return a function of the graph that draws from laws of one kind.

    It takes key, high half of the counter, table of quantiles, shape and the law's numbers.
    """
    streams = [tf.TensorSpec([], tf.uint64)] * 2
    rest = [tf.TensorSpec([65536], tf.float32), tf.TensorSpec([None], tf.int32)]
    numbers = [tf.TensorSpec([], tf.float64)] * len(fields(kind))

    def function(key, high, table, shape, *numbers):
        return graph.draw(kind(*numbers), shape, key, high, table)

    return tf.function(function, autograph=False, input_signature=[*streams, *rest, *numbers])


def _shape(shape: tuple[int, ...]) -> tf.Tensor:
    return tf.constant(shape, tf.int32)


def _number(number: float) -> tf.Tensor:
    return tf.constant(number, tf.float64)


def specification(path: str, law: str, shape: Sequence[int], lost: Cut | None) -> tuple:
    """Return what the values of a seeded weight depend on besides the seed, JSON-ready."""
    whole = (path, law, tuple(shape))
    return whole if lost is None else (*whole, lost.specification)


def seeded_scope(seed: int, specifications: Sequence[tuple]) -> str:
    """Return what `SeededWeights` of these specifications are called in a graph."""
    return _scope([seed, specifications])


def _scope(specification: Any) -> str:
    return f"bn/{hashlib.sha256(json.dumps(specification).encode()).hexdigest()[:12]}"


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
            sum(_size(entry.variable) for entry in entries if not entry.is_rounded)
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


class StoredWeights:
    """The values that are kept, in few variables: `parts`, whose keys sort as the rows do.

    A checkpoint writes its variables in the order of their keys, so all values lie in it
    one after another.

    This is no `tf.Module`: one would track the Keras variables, and save them whole.

    Args:
        stored: what is kept, in the order of the file.
    """

    def __init__(self, stored: list[StoredVariable]):
        self._runs = [
            list(run)
            for _, run in groupby(
                stored,
                lambda s: (s.is_rounded, s.variable.path if _size(s.variable) >= _LARGE else None),
            )
        ]
        self.parts = {}
        for index, run in enumerate(self._runs):
            kept = np.float16 if run[0].is_rounded else np.float32
            words = np.concatenate([np.ravel(stored.values()).view(kept) for stored in run])
            # TF1 sessions find variables by name, and two exports may be in one.
            name = f"bn/stored{index}_{values_digest(words)}"
            self.parts[f"{index:05}"] = tf.Variable(words, trainable=False, name=name)

    def values(self) -> list[tuple[keras.Variable, tf.Tensor]]:
        """Return each variable with its value, inside a traced function."""
        pairs = []
        for run, part in zip(self._runs, self.parts.values(), strict=True):
            pairs += unpacked(run, tf.cast(part, tf.float32))
        return pairs


def unpacked(
    stored: list[StoredVariable], words: tf.Tensor
) -> list[tuple[keras.Variable, tf.Tensor]]:
    """Return each variable with its value, of a vector of four bytes for each number."""
    parts = tf.split(words, [words_of(entry) for entry in stored]) if stored else []
    return [
        (s.variable, _from_words(s.variable, part)) for s, part in zip(stored, parts, strict=True)
    ]


def words_of(stored: StoredVariable) -> int:
    """Return how many words of four bytes the values of a variable are."""
    return _size(stored.variable) // 4


def _size(variable: keras.Variable) -> int:
    """Return the bytes of a variable's values."""
    return prod(variable.shape) * tf.as_dtype(variable.dtype).size


def _from_words(variable: keras.Variable, words: tf.Tensor) -> tf.Tensor:
    """Return the value of `variable` that the four-byte `words` are."""
    shape, dtype = tuple(variable.shape), tf.as_dtype(variable.dtype)
    if dtype.size > 4:
        shape = (*shape, dtype.size // 4)
    # A vector is its own share of the words; a reshape would be one more node.
    words = words if len(shape) == 1 else tf.reshape(words, shape)
    return words if dtype == tf.float32 else tf.bitcast(words, dtype)
