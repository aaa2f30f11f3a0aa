"""One member in a process of its own: started, listened to, stopped."""

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import IO, Any, Self

from bnkeras.studies.member import Job

# Of what a process printed before it died, the end says why.
_BYTES_KEPT = 8000
# TensorFlow speaks of its build before anything can be said to it; and on a GPU it would take
# all of the memory, also that of another shard.
_QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}


class Process:
    """The process of one job; leaving the context stops it, with a checkpoint.

    Args:
        job: what it does.
        title: what stands behind its command in lists of processes.

    Example:
        >>> with Process(job, "resnet14_bnonly/seed0") as process:
        ...     for event in process.events():
        ...         event
        {'event': 'progress', 'step': 0, 'steps': 62400, 'epochs': 160}
        ...
        {'event': 'finished', 'figures': {...}}
    """

    def __init__(self, job: Job, title: str):
        self._job = job
        # Without -P, a file in the working directory could stand in for a module.
        self._command = [sys.executable, "-P", "-m", "bnkeras.studies.member", title]

    def __enter__(self) -> Self:
        """Start the process."""
        self._printed: IO[bytes] = tempfile.TemporaryFile()
        # In a session of its own, so that Ctrl-C reaches it once: from its parent.
        self._child = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            start_new_session=True,
            env=_QUIET | os.environ,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the process, and wait until it has saved."""
        try:
            # The child reads its end, and stops.
            with suppress(BrokenPipeError):
                self._child.stdin.close()
            self._child.wait()
        except BaseException:
            # Asked again to stop, while it saves: the checkpoint before will do.
            self._child.kill()
            self._child.wait()
            raise
        finally:
            self._child.stdout.close()
            self._printed.close()

    def events(self) -> Iterator[dict[str, Any]]:
        """Give what the process tells; the last is an end, also of one that died without a word."""
        # One that died at once is told of below.
        with suppress(BrokenPipeError):
            self._child.stdin.write(pickle.dumps(self._job))
            self._child.stdin.flush()
        event: dict[str, Any] = {"event": ""}
        for line in self._child.stdout:
            event = json.loads(line)
            yield event
        # Its input stays open until it has ended: it must not think that it should stop.
        code = self._child.wait()
        if event["event"] in ("", "progress"):
            yield {"event": "failed", "error": _death(code), "details": self._last_words()}

    def _last_words(self) -> str:
        size = self._printed.seek(0, os.SEEK_END)
        self._printed.seek(max(0, size - _BYTES_KEPT))
        return self._printed.read().decode("utf-8", "replace")


def _death(code: int) -> str:
    if code >= 0:
        return f"The process of the run ended with code {code} and said nothing."
    name = signal.Signals(-code).name
    reason = ", as systems do when memory runs out" if -code == signal.SIGKILL else ""
    return f"The process of the run was ended by {name}{reason}."
