"""What the SavedModel holds: resources that fill frozen weights, variables that store the rest."""

import hashlib
import json
from collections.abc import Callable, Sequence
from itertools import groupby
from math import prod
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnkeras.compact.digests import values_digest
from bnkeras.compact.external import FOLDER
from bnkeras.compact.interface import Interface
from bnkeras.compact.manifest import ExternalFile
from bnkeras.compact.provenance import SeededVariable, Sources
from bnkeras.seeding import graph, stream

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

    Args:
        shapes: the shapes of the weights.
        specification: what else the values depend on. It is part of the shared names:
            sessions of TF1 that load two exports share what is equal, and nothing else.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], specification: Any):
        super().__init__()
        digest = hashlib.sha256(json.dumps(specification).encode()).hexdigest()
        self.scope = f"bn/{digest[:12]}"
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
        laws = [(w.path, str(w.law), shape) for w, shape in zip(weights, shapes, strict=True)]
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
        # Weights of one shape and law share a function, so the graph holds its body once.
        bodies = {}
        for index, (weight, shape) in enumerate(zip(self._weights, self._shapes, strict=True)):
            draw = weight.law.resolve(shape)
            if (draw, shape) not in bodies:
                bodies[draw, shape] = tf.function(
                    lambda key, high, table, draw=draw, shape=shape: graph.draw(
                        draw, shape, key, high, table
                    ),
                    autograph=False,
                )
            self._fill(index, bodies[draw, shape](key, highs[index], table))


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
        variables: what is kept, in the order of the rows.
    """

    def __init__(self, variables: list[keras.Variable]):
        self._runs = [
            list(run)
            for _, run in groupby(variables, lambda v: v.path if _size(v) >= _LARGE else None)
        ]
        self.parts = {}
        for index, run in enumerate(self._runs):
            words = np.concatenate([np.ravel(v.numpy()).view(np.float32) for v in run])
            # TF1 sessions find variables by name, and two exports may be in one.
            name = f"bn/stored{index}_{values_digest(words)}"
            self.parts[f"{index:05}"] = tf.Variable(words, trainable=False, name=name)

    def values(self) -> list[tuple[keras.Variable, tf.Tensor]]:
        """Return each variable with its value, inside a traced function."""
        pairs = []
        for run, part in zip(self._runs, self.parts.values(), strict=True):
            words = tf.split(part, [_size(variable) // 4 for variable in run])
            pairs += [(v, _from_words(v, w)) for v, w in zip(run, words, strict=True)]
        return pairs


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


class CompactModule(tf.Module):
    """The object that is saved: frozen weights, stored values, and a front.

    Args:
        interface: the network, whose graph is traced.
        sources: where the values of its variables come from.
        external: the weights that a file holds, if there are any.
        front: makes the network's inputs of others, such as raw strings.
    """

    def __init__(
        self,
        interface: Interface,
        sources: Sources,
        external: ExternalWeights | None,
        front: tf.Module | None,
    ):
        super().__init__()
        self._interface = interface
        self._sources = sources
        self._stored = StoredWeights(sources.stored)
        self.stored = self._stored.parts
        self.seeded = SeededWeights(sources.seed, sources.seeded) if sources.seeded else None
        self.external = external
        # A resource does not track its own: its path would stay that of this process.
        self.asset = external and external.asset
        self.front = front

    def signatures(self) -> dict[str, Callable]:
        """Trace and return the functions that the SavedModel offers, by name."""
        interface = self._interface
        specs = [tf.TensorSpec(r.shape, r.dtype, r.name) for r in interface.inputs]
        network = self._traced(interface.call, specs)
        if self.front is None:
            return {"serving_default": network}
        spec = self.front.spec

        def served(inputs):
            given = self.front(inputs[spec.name])
            interface.check(given)
            return interface.call_as_is(given)

        return {"serving_default": self._traced(served, [spec]), "network": network}

    def _traced(self, call: Callable, specs: list[tf.TensorSpec]) -> Callable:
        states = [(variable, variable.numpy()) for variable in self._sources.random]

        def function(**inputs):
            values = self._values() + [(v, tf.constant(state)) for v, state in states]
            with keras.StatelessScope(state_mapping=values):
                return call(inputs)

        traced = tf.function(function, autograph=False)
        return traced.get_concrete_function(**{spec.name: spec for spec in specs})

    def _values(self) -> list[tuple[keras.Variable, tf.Tensor]]:
        """Return every weight of the network with its value, inside a traced function."""
        pairs = self._stored.values()
        pairs += [(w.variable, self.seeded.read(i)) for i, w in enumerate(self._sources.seeded)]
        pairs += [(v, self.external.read(i)) for i, v in enumerate(self._sources.external)]
        return pairs
