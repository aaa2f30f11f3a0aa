"""Signals that ask a command to stop."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Have SIGTERM, by which batch systems stop a job, wait for the checkpoint as Ctrl-C does."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def stop_with_the_parent() -> None:
    """Have the end of standard input, which a parent keeps open, interrupt this process.

    Also where the parent was killed and could not say anything.
    """

    def wait() -> None:
        while os.read(0, 1):
            pass
        # The handler runs in the main thread.
        signal.raise_signal(signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
