"""Signals that ask a process to stop."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_SECONDS_TO_COME_AGAIN = 0.1


@contextmanager
def interrupted_by(*signals: signal.Signals, once: bool = False) -> Iterator[None]:
    """Have these signals raise KeyboardInterrupt in the main thread, as Ctrl-C does.

    A run then saves a checkpoint before it stops. By SIGTERM batch systems stop a job. Python
    drops an exception that a destructor or a callback of its garbage collector raises; an
    interruption that fell into one comes again.

    Args:
        signals: such as `signal.SIGTERM`.
        once: whether those after the first are ignored, so that they don't disturb what it
            makes the process do.
    """

    def listen() -> None:
        for number in signals:
            signal.signal(number, interrupt)

    def interrupt(number: int, frame: object) -> None:
        if once:
            for other in signals:
                signal.signal(other, signal.SIG_IGN)
        raise KeyboardInterrupt

    def dropped(unraisable: "sys.UnraisableHookArgs") -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            before(unraisable)
            return
        listen()
        # Later, for this one is called where exceptions are dropped.
        again = threading.Timer(_SECONDS_TO_COME_AGAIN, _to_the_main_thread, signals[:1])
        again.daemon = True
        again.start()
        coming.append(again)

    coming: list[threading.Timer] = []
    before = sys.unraisablehook
    handlers = {number: signal.getsignal(number) for number in signals}
    listen()
    sys.unraisablehook = dropped
    try:
        yield
    finally:
        for again in coming:
            again.cancel()
        sys.unraisablehook = before
        for number, handler in handlers.items():
            signal.signal(number, handler)


def stop_with_the_parent(seconds: float | None = None) -> None:
    """Have the end of standard input, which a parent keeps open, send this process SIGTERM.

    Also where the parent was killed and could not say anything.

    Args:
        seconds: after so many more a process that has not stopped is killed.
    """

    def wait() -> None:
        while os.read(0, 1):
            pass
        _to_the_main_thread(signal.SIGTERM)
        if seconds is not None:
            time.sleep(seconds)
            os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def _to_the_main_thread(number: signal.Signals) -> None:
    # Handlers run there in any case, but what it waits for ends only by a signal of its own.
    signal.pthread_kill(threading.main_thread().ident, number)
