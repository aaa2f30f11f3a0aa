"""One training loop for every distribution strategy."""

from collections.abc import Callable
from functools import cached_property

import keras
import tensorflow as tf

from bnkeras.models.variables import is_batch_norm
from bnkeras.pipelines import Share
from bnkeras.training.replica_values import ReplicaValues
from bnkeras.training.step import train_steps

# AutoGraph would read this file again when a function is first called, for the evaluation
# after the first epoch: a file that was changed since then is other code. There is nothing
# in these functions to convert. Batches of texts differ in length, and one graph serves all.
_traced = tf.function(autograph=False, reduce_retracing=True)


class Loop:
    """Runs a compiled model's own train and test step through a strategy.

    `keras.Model.fit` does the same where it works, at no lower cost, but draws a
    batch of its own before the first step and fails under
    `MultiWorkerMirroredStrategy`.

    Args:
        model: a compiled model, built in the scope of `strategy`.
        strategy: the strategy it was built under.
    """

    def __init__(self, model: keras.Model, strategy: tf.distribute.Strategy):
        self.model = model
        self.strategy = strategy

    def distribute(self, make: Callable[[Share], tf.data.Dataset]):
        """Return batches, each divided among the replicas.

        Args:
            make: makes the dataset of a worker's rows of each batch. What it yields is
                divided among the worker's replicas. The number of steps is for the caller
                to count: with many workers there is no end, and batches begin anew.

        Returns:
            A dataset, or what the strategy distributes of one: an iterable of global batches.
        """

        def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
            workers = context.num_input_pipelines
            batches = make(Share(context.input_pipeline_id, workers))
            local = context.num_replicas_in_sync // workers
            if local > 1:
                batches = _divided(batches, local)
            # Of a dataset with an end, the workers would ask each other at every step
            # whether they all still have a batch.
            return batches.repeat() if workers > 1 else batches

        return self.strategy.distribute_datasets_from_function(of_worker)

    @_traced
    def train_step(self, batch) -> None:
        """Train on one global batch."""
        self.strategy.run(self.model.train_step, args=(batch,))

    @_traced
    def train_steps(self, batches, count: tf.Tensor) -> None:
        """Train on the next `count` global batches of the iterator `batches`."""
        train_steps(self.model, self.strategy, batches, count)

    def build_metrics(self, classes: int) -> None:
        """Create the metrics' variables, which Keras otherwise does at the first step."""
        labels, logits = tf.zeros([1], tf.int32), tf.zeros([1, classes])
        self.strategy.run(
            lambda: self.model.compute_metrics(None, labels, logits, sample_weight=tf.ones([1]))
        )
        self.model.reset_metrics()

    @cached_property
    def own_values(self) -> ReplicaValues:
        """What differs between replicas: moving statistics and metrics."""
        return ReplicaValues(self.strategy, [*self._statistics, *self.model.metrics_variables])

    def evaluate(
        self, batches, steps: int, after_step: Callable[[], None] = lambda: None
    ) -> dict[str, float]:
        """Return the metrics over `steps` batches (x, y, weight) of `distribute`."""
        self.model.reset_metrics()
        batches = iter(batches)
        for _ in range(steps):
            self._test_step(next(batches))
            after_step()
        return self.metrics()

    def metrics(self) -> dict[str, float]:
        """Return `loss`, `accuracy` and, if there is one, `top5_accuracy` since the last reset."""
        metrics = self._metrics()
        # Keras' own "loss" divides by the padded size of a batch; this one by its weights.
        metrics["loss"] = metrics.pop("cross_entropy")
        names = ("loss", "accuracy", "top5_accuracy")
        return {name: plain_float(metrics[name]) for name in names if name in metrics}

    def average_statistics(self) -> None:
        """Give all replicas the mean of their moving statistics.

        Each replica keeps moving statistics of its own share of the batches; without
        this an evaluation would differ between replicas and a save would take the first's.
        """
        self._averaged.average()

    @cached_property
    def _averaged(self) -> ReplicaValues:
        return ReplicaValues(self.strategy, self._statistics)

    @cached_property
    def _statistics(self) -> list[keras.Variable]:
        return [
            variable
            for layer in self.model._flatten_layers()
            if is_batch_norm(layer)
            for variable in (layer.moving_mean, layer.moving_variance)
        ]

    @_traced
    def _test_step(self, batch) -> None:
        self.strategy.run(self.model.test_step, args=(batch,))

    # Traced, because a metric's aggregation over replicas is a collective that
    # every worker has to enter.
    @_traced
    def _metrics(self):
        return self.model.get_metrics_result()


def plain_float(value: tf.Tensor) -> float:
    """Return a float32 with the seven digits that it has, not the seventeen of a float64."""
    return float(f"{float(value):.7g}")


def _divided(batches: tf.data.Dataset, parts: int) -> tf.data.Dataset:
    """Return the batches of `batches` in so many equal parts each, one after another."""

    @tf.autograph.experimental.do_not_convert
    def divide(*batch):
        return tuple(
            tf.ensure_shape(
                tf.reshape(x, tf.concat([[parts, tf.shape(x)[0] // parts], tf.shape(x)[1:]], 0)),
                [parts, x.shape[0] and x.shape[0] // parts, *x.shape[1:]],
            )
            for x in batch
        )

    return batches.map(divide).unbatch().prefetch(parts)
