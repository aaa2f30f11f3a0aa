"""An end to waiting for a worker that is alive and does nothing."""

import threading
import time
from types import TracebackType

import tensorflow as tf

# Public is only the timeout of `CommunicationOptions`, which keeps a thread for each collective
# operation until its time is over: thirty operations a step and ten minutes of patience are
# more threads than a process may have.
from tensorflow.python.eager import context


class Watchdog:
    """A context that aborts collective operations when nothing has happened for long.

    TensorFlow itself notices that a process has ended or that a machine does not answer,
    within seconds, but not that a process is stuck: its partners wait in a collective
    operation for ever. Aborted, the operation raises `tf.errors.UnavailableError`.

    Args:
        seconds: how long nothing may happen.

    Example:
        >>> with Watchdog(600) as watchdog:
        ...     for batch in batches:
        ...         loop.train_step(batch)
        ...         watchdog.heard()
    """

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._heard_at = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Watchdog":
        """Begin to watch."""
        self._heard_at = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop watching."""
        self._over.set()
        self._thread.join()

    def heard(self) -> None:
        """Note that something has happened."""
        self._heard_at = time.monotonic()

    def _watch(self) -> None:
        while not self._over.wait(min(1.0, self._seconds / 10)):
            if time.monotonic() - self._heard_at > self._seconds:
                reason = f"nothing was heard for {self._seconds:g} s (strategy.timeout_seconds)"
                context.context().abort_collective_ops(tf.errors.UNAVAILABLE, reason)
                return
