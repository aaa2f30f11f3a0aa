"""One training loop for every distribution strategy."""

import keras
import tensorflow as tf

from bnkeras.models.variables import is_batch_norm

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
        self._statistics = [
            variable
            for layer in model._flatten_layers()
            if is_batch_norm(layer) and not layer.synchronized
            for variable in (layer.moving_mean, layer.moving_variance)
        ]

    def distribute(self, dataset: tf.data.Dataset):
        """Return `dataset` with each global batch divided among the replicas."""
        return self.strategy.experimental_distribute_dataset(dataset)

    @_traced
    def train_step(self, batch) -> None:
        """Train on one global batch."""
        self.strategy.run(self.model.train_step, args=(batch,))

    def build_metrics(self, classes: int) -> None:
        """Create the metrics' variables, which Keras otherwise does at the first step."""
        labels, logits = tf.zeros([1], tf.int32), tf.zeros([1, classes])
        self.strategy.run(
            lambda: self.model.compute_metrics(None, labels, logits, sample_weight=tf.ones([1]))
        )
        self.model.reset_metrics()

    def evaluate(self, dataset) -> dict[str, float]:
        """Return the metrics over `dataset` of (x, y, weight) batches."""
        self.model.reset_metrics()
        for batch in dataset:
            self._test_step(batch)
        return self.metrics()

    def metrics(self) -> dict[str, float]:
        """Return `loss`, `accuracy` and, if there is one, `top5_accuracy` since the last reset."""
        metrics = self._metrics()
        # Keras' own "loss" divides by the padded size of a batch; this one by its weights.
        metrics["loss"] = metrics.pop("cross_entropy")
        names = ("loss", "accuracy", "top5_accuracy")
        return {name: plain_float(metrics[name]) for name in names if name in metrics}

    @_traced
    def average_statistics(self) -> None:
        """Give all replicas the mean of their moving statistics.

        Each replica keeps moving statistics of its own share of the batches; without
        this an evaluation would differ between replicas and a save would take the first's.
        """
        if self.strategy.num_replicas_in_sync == 1:
            return
        for variable in self._statistics:
            values = self.strategy.run(lambda variable=variable: tf.identity(variable.value))
            mean = self.strategy.reduce(tf.distribute.ReduceOp.MEAN, values, axis=None)
            self.strategy.run(lambda mean, variable=variable: variable.assign(mean), args=(mean,))

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
