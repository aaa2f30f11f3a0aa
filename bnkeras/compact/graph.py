"""What the SavedModel holds: one resource that regenerates, one variable that stores."""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from bnkeras.compact.digests import values_digest
from bnkeras.seeding import Law, graph, stream

# Σ i · quantile[i] · 2^20 over the quantile table. A TensorFlow that computed another
# table would regenerate other weights, so the export checks it when it initialises.
_TABLE_CHECKSUM = 1_270_437_075_299_313


@dataclass(frozen=True)
class SeededVariable:
    """A Keras variable whose values the SavedModel regenerates."""

    path: str
    law: Law
    variable: keras.Variable


class SeededWeights(tf.saved_model.experimental.TrackableResource):
    """Fills one resource variable per seeded weight when the SavedModel is loaded.

    One resource with one initialiser, and handles found by shared name, take a
    third of the graph that one resource per weight would, and load three times
    faster.

    Args:
        seed: root seed.
        weights: what to regenerate.
        scope: prefix of the shared names, unique per seed and set of weights: TF1
            sessions that load two exports keep their variables apart by it.
    """

    def __init__(self, seed: int, weights: list[SeededVariable], scope: str):
        super().__init__()
        self._seed = seed
        self._weights = weights
        self._scope = scope

    def read(self, index: int) -> tf.Tensor:
        """Return weight number `index`, inside a traced function."""
        return tf.raw_ops.ReadVariableOp(resource=self._handle(index), dtype=tf.float32)

    def _handle(self, index: int) -> tf.Tensor:
        return tf.raw_ops.VarHandleOp(
            dtype=tf.float32,
            shape=self._weights[index].variable.shape,
            shared_name=f"{self._scope}/{index}",
        )

    def _create_resource(self) -> tf.Tensor:
        return tf.raw_ops.VarHandleOp(dtype=tf.int8, shape=[], shared_name=self._scope)

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
        for index, weight in enumerate(self._weights):
            shape = tuple(weight.variable.shape)
            draw = weight.law.resolve(shape)
            if (draw, shape) not in bodies:
                bodies[draw, shape] = tf.function(
                    lambda key, high, table, draw=draw, shape=shape: graph.draw(
                        draw, shape, key, high, table
                    ),
                    autograph=False,
                )
            value = bodies[draw, shape](key, highs[index], table)
            tf.raw_ops.AssignVariableOp(resource=self._handle(index), value=value)


class CompactModule(tf.Module):
    """The object that is saved: seeded weights, stored values and the serving signature.

    Args:
        model: the network, whose graph is traced.
        seeded: the weights that are regenerated, from `seed`.
        stored: the variables whose values are kept, in order.
        seed: root seed.
        scope: prefix of the shared names.
    """

    def __init__(
        self,
        model: keras.Model,
        seeded: list[SeededVariable],
        stored: list[keras.Variable],
        seed: int,
        scope: str,
    ):
        super().__init__()
        flat = np.concatenate([np.zeros(0, np.float32), *(v.numpy().ravel() for v in stored)])
        # TF1 sessions find variables by name, and two exports may be in one.
        name = f"{scope}/stored_{values_digest(flat)}"
        self.stored = tf.Variable(flat, trainable=False, name=name)
        self.seeded = SeededWeights(seed, seeded, scope)
        # In a tuple Keras variables would be tracked, and so saved whole.
        self._trace = lambda inputs: self._logits(model, seeded, stored, inputs)
        spec = tf.TensorSpec([None, *model.input_shape[1:]], tf.float32, name="image")
        self.serve = tf.function(self._serve, input_signature=[spec], autograph=False)

    def _serve(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = self._trace(image)
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

    def _logits(self, model, seeded, stored, image) -> tf.Tensor:
        sizes = [int(np.prod(variable.shape)) for variable in stored]
        values = tf.split(self.stored, sizes) if stored else []
        mapping = [
            # A vector is its own share of the flat values; a reshape would be one more node.
            (variable, value if len(variable.shape) == 1 else tf.reshape(value, variable.shape))
            for variable, value in zip(stored, values, strict=True)
        ]
        mapping += [(weight.variable, self.seeded.read(i)) for i, weight in enumerate(seeded)]
        with keras.StatelessScope(state_mapping=mapping):
            return model(image, training=False)
