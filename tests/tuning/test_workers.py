"""The processes of a search on one machine: what each is told, and what becomes of them."""

import sys
import time

import pytest

from bnkeras.errors import RunError
from bnkeras.tuning.workers import run_workers

TOLD = """
import os
print(*(os.environ["KERASTUNER_" + key] for key in ("TUNER_ID", "ORACLE_IP", "ORACLE_PORT")))
"""
FAILS = """
import os, sys, time
if os.environ["KERASTUNER_TUNER_ID"] == "worker1":
    print("no space left on this device")
    sys.exit(1)
time.sleep(60)
"""
STOPS = """
import pathlib, signal, sys, time
def stop(number, frame):
    print("saved a checkpoint", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
time.sleep(60)
"""


def command(source):
    return [sys.executable, "-c", source]


def test_all_are_told_who_they_are_and_where_the_chief_is(tmp_path):
    looks = []
    run_workers(command(TOLD), 2, tmp_path / "logs", lambda: looks.append(1))
    told = {log.stem: log.read_text().split() for log in (tmp_path / "logs").iterdir()}
    assert {name: words[0] for name, words in told.items()} == {
        "chief": "chief",
        "worker0": "worker0",
        "worker1": "worker1",
    }
    (address,) = {tuple(words[1:]) for words in told.values()}
    assert address[0] == "127.0.0.1"
    assert 1024 < int(address[1]) < 65536
    assert looks


def test_one_that_fails_stops_the_others_and_says_why(tmp_path):
    began = time.monotonic()
    with pytest.raises(RunError, match=r"worker1 of the search has failed.\nno space left on this"):
        run_workers(command(FAILS), 2, tmp_path / "logs")
    assert time.monotonic() - began < 30


def test_an_interruption_lets_all_save(tmp_path):
    def interrupt():
        logs = [log.read_text() for log in (tmp_path / "logs").iterdir()]
        if all("ready" in log for log in logs):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_workers(command(STOPS), 1, tmp_path / "logs", interrupt)
    for name in ("chief", "worker0"):
        assert "saved a checkpoint" in (tmp_path / "logs" / f"{name}.log").read_text()
