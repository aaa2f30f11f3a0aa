"""Variables of which every replica has values of its own."""

from collections.abc import Sequence

import keras
import tensorflow as tf


class ReplicaValues:
    """Reads and writes variables that differ between replicas: moving statistics, metrics.

    A plain read of such a variable returns the first replica's value, or the sum over all.

    Args:
        strategy: the strategy of the variables.
        variables: float32 variables.
    """

    def __init__(self, strategy: tf.distribute.Strategy, variables: Sequence[keras.Variable]):
        self._strategy = strategy
        self._variables = list(variables)
        self.shape = (
            strategy.num_replicas_in_sync,
            sum(tf.TensorShape(variable.shape).num_elements() for variable in self._variables),
        )

    @tf.function(autograph=False)
    def read(self) -> tf.Tensor:
        """Return the values of all replicas, float32 [replicas, values]."""
        rows = self._strategy.run(lambda: self._row()[tf.newaxis])
        return self._strategy.gather(rows, axis=0)

    @tf.function(autograph=False)
    def write(self, rows: tf.Tensor) -> None:
        """Give every replica the values that `read` returned for it."""

        def own():
            place = tf.distribute.get_replica_context().replica_id_in_sync_group
            self._assign(rows[place])

        self._strategy.run(own)

    @tf.function(autograph=False)
    def average(self) -> None:
        """Give all replicas the mean of their values."""
        if self._strategy.num_replicas_in_sync == 1 or not self._variables:
            return

        def mean():
            context = tf.distribute.get_replica_context()
            self._assign(context.all_reduce(tf.distribute.ReduceOp.MEAN, self._row()))

        self._strategy.run(mean)

    def _row(self) -> tf.Tensor:
        return tf.concat([tf.reshape(v.value, [-1]) for v in self._variables], axis=0)

    def _assign(self, row: tf.Tensor) -> None:
        shapes = [tf.TensorShape(variable.shape) for variable in self._variables]
        parts = tf.split(row, [shape.num_elements() for shape in shapes])
        for variable, shape, part in zip(self._variables, shapes, parts, strict=True):
            variable.assign(tf.reshape(part, shape))
