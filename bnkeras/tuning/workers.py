"""Keras Tuner's distributed mode on one machine: a chief that chooses, workers that train."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bnkeras.errors import RunError

# Set for processes that are to stop when their standard input ends.
WITH_PARENT = "BNKERAS_STOP_WITH_PARENT"

_SECONDS_BETWEEN_LOOKS = 0.5
# After its last worker the chief has little left to do, but looks only every 20 s for it.
_SECONDS_FOR_THE_CHIEF = 60.0
# A worker that was interrupted saves a checkpoint first.
_SECONDS_TO_STOP = 600.0


def run_workers(
    command: Sequence[str], count: int, logs: Path, look: Callable[[], None] = lambda: None
) -> None:
    """Run `command` as a chief and as `count` workers, and return when all have ended.

    What they print goes into `logs`. When this process is interrupted, they stop with a
    checkpoint.

    Args:
        command: the words of what all of them run.
        count: how many workers.
        logs: folder for what they print.
        look: called again and again meanwhile.

    Raises:
        RunError: one of them has failed; the others have stopped.
    """
    logs.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        address = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(_free_port())}
        started = {
            name: stack.enter_context(_started(command, name, address, logs / f"{name}.log"))
            for name in ("chief", *(f"worker{number}" for number in range(count)))
        }
        chief = started.pop("chief")
        while any(process.poll() is None for process in started.values()):
            for name, process in [*started.items(), ("chief", chief)]:
                if process.poll() not in (None, 0):
                    raise RunError(f"The {name} of the search has failed.{_end_of(logs, name)}")
            look()
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        look()
        try:
            code = chief.wait(_SECONDS_FOR_THE_CHIEF)
        except subprocess.TimeoutExpired:
            return  # it waits for a worker that was killed; its state is written
        if code:
            raise RunError(f"The chief of the search has failed.{_end_of(logs, 'chief')}")


@contextlib.contextmanager
def _started(
    command: Sequence[str], name: str, address: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, **address, "KERASTUNER_TUNER_ID": name, WITH_PARENT: "1"}
    with (
        log.open("wb") as printed,
        subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,  # which closes when this process is killed
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches this process, which tells them in turn
        ) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(_SECONDS_TO_STOP)
                except subprocess.TimeoutExpired:
                    process.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _end_of(logs: Path, name: str) -> str:
    lines = (logs / f"{name}.log").read_text("utf-8", "replace").strip().splitlines()[-5:]
    return "\n".join(["", *lines, f"All of it: {logs / name}.log"]) if lines else ""
