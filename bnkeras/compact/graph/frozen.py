"""Frozen weights as resources that fill themselves, and those that a seed regenerates."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import astuple, fields
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf

from bnkeras.compact.manifest.slim import Cut
from bnkeras.compact.provenance import SeededVariable
from bnkeras.compact.slim.values import TensorCutter
from bnkeras.seeding import graph, stream
from bnkeras.seeding.laws import Draw

# Σ i · quantile[i] · 2^20 over the quantile table. A TensorFlow that computed another
# table would regenerate other weights, so the export checks it when it initialises.
_TABLE_CHECKSUM = 1_270_437_075_299_313


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
