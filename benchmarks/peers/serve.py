"""The side of a peer: a process that does steps when it is told to, and sleeps between.

Commands come as lines of JSON on stdin, answers go as lines of JSON to stdout:

| command | answer |
|---|---|
| `{"prepare": VARIANT}` | what the peer says of it, or `{"refused": reason}` |
| `{"run": VARIANT, "steps": k}` | `{"seconds": of one step, the mean of k}` |
| `{"memory": "now"}` | `{"bytes": resident}`; from here on a new peak is sought |
| `{"memory": "peak"}` | `{"bytes": the peak}` |
| others, by the peer | such as `{"product": [m, k, n], "precision": "float32"}` |

A variant is an object with the fields of `Variant`.

This module needs nothing but the standard library: PyTorch may live in an interpreter of its own.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Variant(NamedTuple):
    """What a peer trains, and how."""

    network: str
    regime: str
    precision: str
    setting: str


class Prepared(NamedTuple):
    """A variant that is ready: what is to be said of it, and its steps."""

    about: dict[str, Any]
    run: Callable[[int], float]  # does so many steps, returns the seconds of one


class Refused(Exception):  # noqa: N818, which is what a peer does
    """A peer has no such variant; the text says why."""


class Channel:
    """Commands in, answers out."""

    def __init__(self):
        # Libraries print to stdout, too.
        self._answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def command(self) -> dict[str, Any]:
        """Return the next command; exit where there are no more."""
        line = sys.stdin.readline()
        if not line:
            raise SystemExit
        return json.loads(line)

    def answer(self, **answer: Any) -> None:
        """Answer a command."""
        print(json.dumps(answer), file=self._answers, flush=True)


def serve(prepare: Callable[[Variant], Prepared], **others: Callable[..., dict[str, Any]]) -> None:
    """Answer commands until stdin ends; `others` answer commands of their names."""
    channel = Channel()
    prepared: dict[Variant, Prepared] = {}
    others = {"memory": memory, **others}
    while True:
        command = channel.command()
        if "prepare" in command:
            variant = Variant(**command["prepare"])
            try:
                prepared[variant] = prepare(variant)
            except Refused as reason:
                channel.answer(refused=str(reason))
            else:
                channel.answer(**prepared[variant].about)
        elif "run" in command:
            variant = Variant(**command["run"])
            channel.answer(seconds=prepared[variant].run(command["steps"]))
        else:
            (name,) = command.keys() & others.keys()
            channel.answer(**others[name](command.pop(name), **command))


def memory(which: str) -> dict[str, int]:
    """Return the bytes of this process that are resident now, or were at the peak (Linux)."""
    field = {"now": "VmRSS:", "peak": "VmHWM:"}[which]
    if which == "now":
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return {"bytes": next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))}


def timed(step: Callable[[], Any], steps: int) -> float:
    """Return the seconds of one of `steps` steps; one more goes before, for the caches."""
    step()
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - begin) / steps


def fastest(call: Callable[[], Any], seconds: float = 0.08) -> float:
    """Return the seconds of the fastest call among those of `seconds` seconds."""
    call()
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return min(times)
