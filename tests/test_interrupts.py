"""Signals that ask a process to stop."""

import gc
import signal
import subprocess
import sys
import time

import pytest

from bnkeras.interrupts import interrupted_by

# Far above the tenth of a second after which an interruption comes again.
_SECONDS = 20


class _Ends:
    """Something in whose end a signal arrives."""

    def __del__(self):
        signal.raise_signal(signal.SIGTERM)


def _end_one_and_wait():
    _Ends()
    time.sleep(_SECONDS)


def _collect_and_wait():
    def callback(phase, info):
        gc.callbacks.remove(callback)
        signal.raise_signal(signal.SIGTERM)

    gc.callbacks.append(callback)
    gc.collect()
    time.sleep(_SECONDS)


def test_sigterm_interrupts_and_the_handler_from_before_is_back():
    before = signal.getsignal(signal.SIGTERM), sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), interrupted_by(signal.SIGTERM):
        signal.raise_signal(signal.SIGTERM)
    assert (signal.getsignal(signal.SIGTERM), sys.unraisablehook) == before


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("wait", [_end_one_and_wait, _collect_and_wait])
def test_a_signal_where_exceptions_are_dropped_is_not_lost(wait, once, capsys):
    with pytest.raises(KeyboardInterrupt), interrupted_by(signal.SIGTERM, once=once):
        wait()
    assert capsys.readouterr().err == ""


def test_once_the_later_ones_do_not_disturb():
    with interrupted_by(signal.SIGTERM, signal.SIGINT, once=True):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)


def test_what_has_ended_is_not_interrupted_any_more():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with interrupted_by(signal.SIGTERM):
            _Ends()
        time.sleep(0.5)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == []


def test_other_dropped_exceptions_are_reported_as_ever(monkeypatch):
    class Broken:
        def __del__(self):
            raise ValueError("in a destructor")

    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda one: seen.append(str(one.exc_value)))
    with interrupted_by(signal.SIGTERM):
        Broken()
    assert seen == ["in a destructor"]


@pytest.mark.parametrize(
    ("seconds", "code"), [(None, 3), (0.1, -signal.SIGKILL)], ids=["it stops", "it is stuck"]
)
def test_the_end_of_standard_input_stops_a_process(seconds, code):
    stuck = f"""
import signal, time
from bnkeras.interrupts import interrupted_by, stop_with_the_parent
with interrupted_by(signal.SIGTERM):
    stop_with_the_parent({seconds})
    try:
        print("ready", flush=True)
        time.sleep({_SECONDS})
    except KeyboardInterrupt:
        if {seconds} is None:
            raise SystemExit(3)
        time.sleep({_SECONDS})
"""
    with subprocess.Popen(
        [sys.executable, "-c", stuck], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        process.stdin.close()
        assert process.wait(_SECONDS) == code
