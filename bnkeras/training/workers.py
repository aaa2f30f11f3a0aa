"""What the chief tells the other workers, beside what a step exchanges."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnkeras.errors import RunError, WorkerLostError
from bnkeras.training.cluster import Cluster
from bnkeras.training.watchdog import Watchdog

# How TensorFlow reports that another process has ended, restarted or gone silent,
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.DeadlineExceededError,
    tf.errors.CancelledError,
)
# and what may also be an error of this process, which then speaks of no other.
_PERHAPS_LOST = (
    tf.errors.InternalError,
    tf.errors.UnknownError,
    tf.errors.FailedPreconditionError,
)


class Workers:
    """The workers that train together, or this process alone.

    All workers call a method at the same place of the program, since all have a part in
    the exchange. In a process alone they leave everything as it is.

    Args:
        strategy: the strategy.
        cluster: its workers, or None for this process alone.
    """

    def __init__(self, strategy: tf.distribute.Strategy, cluster: Cluster | None):
        self._strategy = strategy
        self.alone = cluster is None
        self.is_chief = cluster is None or cluster.is_chief

    @contextmanager
    def watched(self, seconds: float) -> Iterator[None]:
        """Abort what waits for other workers when `heard` was not called for `seconds`."""
        if self.alone:
            yield
            return
        with Watchdog(seconds) as self._watchdog:
            yield

    def heard(self) -> None:
        """Note that all workers have done a step."""
        if not self.alone:
            self._watchdog.heard()

    def from_chief(self, value: Any) -> Any:
        """Return the JSON value that the chief passes in; what others pass in is not looked at."""
        if self.alone:
            return value
        text = np.frombuffer(json.dumps(value).encode() if self.is_chief else b"", np.uint8)
        size = int(self._chiefs(np.array([text.size], np.float64))[0])
        mine = text if self.is_chief else np.zeros(size)
        return json.loads(self._chiefs(mine.astype(np.float64)).astype(np.uint8).tobytes())

    def check_agreement(self, facts: dict[str, Any]) -> None:
        """Compare what all workers have to agree on.

        Raises:
            RunError: this worker's facts are not the chief's.
        """
        # As JSON has it, which knows no tuples.
        mine = json.loads(json.dumps(dict(_flat(facts))))
        chiefs = self.from_chief(mine)
        changed = [key for key in mine | chiefs if mine.get(key) != chiefs.get(key)]
        if changed:
            listed = "\n".join(
                f"  {key}: {chiefs.get(key)!r} there, {mine.get(key)!r} here" for key in changed
            )
            raise RunError(
                f"All workers train the same recipe with the same data, and the chief has other "
                f"ones:\n{listed}\nGive all workers the same command and data."
            )

    def copy_from_chief(self, variables: Sequence[tf.Variable | keras.Variable]) -> None:
        """Give variables the values that they have in the chief, bit for bit."""
        if self.alone:
            return
        # float64 holds every float32, and integers up to 2^53.
        values = [np.asarray(variable.numpy(), np.float64) for variable in variables]
        flat = self._chiefs(np.concatenate([value.ravel() for value in values]))
        parts = np.split(flat, np.cumsum([value.size for value in values])[:-1])
        for variable, value, part in zip(variables, values, parts, strict=True):
            variable.assign(tf.cast(part.reshape(value.shape), variable.dtype))

    def _chiefs(self, values: np.ndarray) -> np.ndarray:
        """Return the chief's `values`, as large as those of the others."""
        return self._sum_of_chief(tf.constant(values)).numpy()

    @tf.function(autograph=False)
    def _sum_of_chief(self, values: tf.Tensor) -> tf.Tensor:
        def own():
            place = tf.distribute.get_replica_context().replica_id_in_sync_group
            # x + −0 is x, also where x is −0.
            return tf.where(place == 0, values, tf.constant(-0.0, values.dtype))

        return self._strategy.reduce("SUM", self._strategy.run(own), axis=None)


@contextmanager
def naming_lost_workers(cluster: Cluster | None) -> Iterator[None]:
    """Turn TensorFlow's errors at a worker that is gone into one that says what to do.

    Raises:
        WorkerLostError: in the context such an error was raised.
    """
    try:
        yield
    except _LOST + _PERHAPS_LOST as error:
        speaks_of_another = re.search(r"aborted by|grpc|/task:", str(error))
        if cluster is None or not (isinstance(error, _LOST) or speaks_of_another):
            raise
        raise WorkerLostError(
            f"This is {cluster}, and {_lost_worker(error, cluster)} has stopped or gone silent: "
            f"{_reason(error)}.\nSee what it said. Then start all workers again with the same "
            f"command: they go on from the last checkpoint."
        ) from error


def _lost_worker(error: tf.errors.OpError, cluster: Cluster) -> str:
    """Return the worker that the error speaks of, as far as it does."""
    for job, task in re.findall(r"/job:(\w+)/replica:\d+/task:(\d+)", str(error)):
        index = cluster.index_of(job, int(task))
        if index != cluster.index:
            return f"worker {index} ({cluster.workers[index]})"
    return "another worker"


def _reason(error: tf.errors.OpError) -> str:
    # The message is a listing of the graph, with the cause in one line of it.
    found = re.search(r"aborted by: *(.+)|grpc_message:\"([^\"]+)", str(error))
    return (found[1] or found[2]).strip(" :.") if found else type(error).__name__


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values in nested tables, by their dotted names."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
