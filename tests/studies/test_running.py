"""Running members, with processes that only say what they were told to."""

import json
import os
import signal
import sys

import pytest

from bnkeras.errors import InputError
from bnkeras.studies import running
from bnkeras.studies.budget import Budget
from bnkeras.studies.grid import members
from bnkeras.studies.member import Job
from bnkeras.studies.member_files import MemberFiles
from bnkeras.studies.outcomes import outcome_of
from bnkeras.studies.process import Process
from bnkeras.studies.request import Request
from bnkeras.studies.running import Watcher, run_members
from bnkeras.studies.shipped import load_study

FIGURES = {"test_accuracy": 0.5}
FINISHED = {"event": "finished", "figures": FIGURES}
FAILED = {"event": "failed", "error": "no memory\nat all", "details": "Traceback:\n  here"}
ELSEWHERE = {"event": "elsewhere"}


@pytest.fixture(scope="module")
def three():
    return members(load_study("cifar_depth"), replicates=3, models=["resnet14"], regimes=["all"])


@pytest.fixture
def script(monkeypatch):
    """What each process says, one after another; the jobs that they got."""
    said, jobs = [], []

    class _Fake:
        def __init__(self, job, title):
            jobs.append((job, title))

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def events(self):
            for event in said.pop(0):
                if isinstance(event, type):
                    raise event
                yield event

    monkeypatch.setattr(running, "Process", _Fake)
    return said, jobs


class _Heard(Watcher):
    def __init__(self):
        self.calls = []

    def __getattribute__(self, name):
        if name in vars(Watcher):
            return lambda member, *facts: self.calls.append((name, member.replicate, *facts[:1]))
        return super().__getattribute__(name)


def finish(folder, member, figures=FIGURES):
    directory = folder / member.directory
    directory.mkdir(parents=True)
    (directory / "recipe.toml").write_text(member.recipe.to_toml(), "utf-8")
    (directory / "result.json").write_text(json.dumps(figures), "utf-8")


def test_finished_members_are_skipped_and_the_others_run(three, script, tmp_path):
    said, jobs = script
    finish(tmp_path, three[1])
    said += [[{"event": "progress", "step": 1}, FINISHED], [FINISHED]]
    heard = _Heard()
    outcome = run_members(three, tmp_path, watcher=heard, command=["bnkeras", "study"])
    assert heard.calls[0] == ("started", 0)
    assert heard.calls[1][:2] == ("progressed", 0)
    assert heard.calls[2:] == [
        ("finished", 0, FIGURES),
        ("skipped", 1, FIGURES),
        ("started", 2),
        ("finished", 2, FIGURES),
    ]
    assert set(outcome.finished) == {member.directory for member in three}
    assert [title for _, title in jobs] == ["resnet14_all/seed0", "resnet14_all/seed2"]
    directory = tmp_path / "resnet14_all" / "seed0"
    assert jobs[0][0] == Job(three[0].recipe, directory, None, ("bnkeras", "study"))


def test_a_failure_is_kept_and_the_others_run(three, script, tmp_path):
    said, _ = script
    said += [[FAILED], [FINISHED], [FINISHED]]
    outcome = run_members(three, tmp_path)
    assert outcome.failed == {three[0].directory: "no memory\nat all"}
    assert len(outcome.finished) == 2
    files = MemberFiles(tmp_path, three[0])
    assert outcome_of(three[0], tmp_path).state == "failed"
    assert json.loads(files.failure.read_text()) == {
        "member": "resnet14_all, seed 0",
        "error": "no memory\nat all",
        "details": ["Traceback:", "  here"],
    }
    # The directory stays as a run begins in it.
    assert not files.directory.exists()


def test_a_failure_is_forgotten_when_the_member_succeeds(three, script, tmp_path):
    said, _ = script
    said += [[FAILED], [FINISHED]]
    run_members(three[:1], tmp_path)
    run_members(three[:1], tmp_path)
    assert not MemberFiles(tmp_path, three[0]).failure.exists()


def test_what_runs_elsewhere_is_looked_at_again_in_the_end(three, script, tmp_path):
    said, _ = script
    said += [[ELSEWHERE], [ELSEWHERE], [FINISHED], [FINISHED], [ELSEWHERE]]
    outcome = run_members(three, tmp_path)
    assert outcome.elsewhere == [three[1]]
    assert set(outcome.finished) == {three[0].directory, three[2].directory}
    assert not said


def test_an_interruption_ends_the_study(three, script, tmp_path):
    said, jobs = script
    said += [[KeyboardInterrupt]]
    with pytest.raises(KeyboardInterrupt):
        run_members(three, tmp_path)
    assert len(jobs) == 1


def test_the_run_of_another_recipe_is_not_taken_for_the_member(three, tmp_path):
    finish(tmp_path, three[0])
    recipe = tmp_path / three[0].directory / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("epochs = 160", "epochs = 161"), "utf-8")
    found = outcome_of(three[0], tmp_path)
    assert (found.state, found.figures) == ("unreadable", None)


@pytest.mark.parametrize("content", ["", "[1, 2]", "{"])
def test_a_damaged_result_is_no_result(content, three, tmp_path):
    finish(tmp_path, three[0])
    (tmp_path / three[0].directory / "result.json").write_text(content)
    found = outcome_of(three[0], tmp_path)
    assert (found.state, found.figures) == ("unreadable", None)


def process_of(code, member, tmp_path):
    process = Process(Job(member.recipe, tmp_path, None, ()), "title")
    process._command = [sys.executable, "-c", code]
    return process


@pytest.mark.parametrize(
    ("code", "error", "details"),
    [
        ("import os; os.kill(os.getpid(), 9)", "ended by SIGKILL, as systems do when memory", ""),
        ("import os; os.kill(os.getpid(), 11)", "ended by SIGSEGV.", ""),
        ("import os; os.write(2, b'no module'); os._exit(3)", "with code 3", "no module"),
        ('print(\'{"event": "progress"}\', flush=True); 1 / 0', "code 1", "ZeroDivisionError"),
    ],
    ids=["killed", "crashed", "ended", "raised"],
)
def test_a_process_that_dies_without_a_word_has_failed(code, error, details, three, tmp_path):
    with process_of(code, three[0], tmp_path) as process:
        last = list(process.events())[-1]
    assert last["event"] == "failed"
    assert error in last["error"]
    assert details in last["details"]


_WAITS = """
import os, sys
print('{"event": "progress"}', flush=True)
while os.read(0, 1000):
    pass
open(sys.argv[1], 'w').close()
"""


def test_leaving_stops_the_process_and_waits_for_it(three, tmp_path):
    process = process_of(_WAITS, three[0], tmp_path)
    process._command.append(str(tmp_path / "saved"))

    def leave():
        with process:
            next(process.events())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
    assert (tmp_path / "saved").exists()
    assert process._child.returncode == 0


def test_the_process_is_out_of_the_reach_of_ctrl_c(three, tmp_path):
    with process_of(_WAITS, three[0], tmp_path) as process:
        assert os.getpgid(process._child.pid) != os.getpgid(0)
        process._child.send_signal(signal.SIGKILL)


def test_a_request_is_read_as_it_was_written(tmp_path):
    request = Request("cifar_depth", Budget(0.02), 2, ("resnet14",), ("all", "bnonly"))
    request.write(tmp_path / "cifar_depth")
    request.write(tmp_path / "cifar_depth")
    assert Request.read(tmp_path / "cifar_depth") == request
    assert [file.name for file in (tmp_path / "cifar_depth").iterdir()] == ["study.json"]
    assert request.name == "cifar_depth"
    assert Request("/some/where/mine.toml").name == "mine"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "has no study.json.*bnkeras study run"), ("{}", "study.json cannot be read")],
    ids=["missing", "empty"],
)
def test_a_request_that_is_not_there_is_told(content, message, tmp_path):
    if content is not None:
        (tmp_path / "study.json").write_text(content)
    with pytest.raises(InputError, match=message):
        Request.read(tmp_path)
