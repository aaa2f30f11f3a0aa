"""`bnkeras study` as a user meets it: listed, run, killed, resumed, sharded."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from filelock import FileLock

from bnkeras.studies.extent import extent
from bnkeras.studies.grid import members
from bnkeras.studies.shipped import load_study, names

# The first member diverges, the second does not.
STUDY = """
replicates = 1
set = ["train.epochs=3", "train.milestones=[2]"]

[about]
title = "Digits with [brackets]"
source = "here"
question = "Does it run?"

[[grid]]
models = ["digits_resnet14"]
regimes = ["bnonly"]

[[variant]]
name = "hot"
set = ["train.learning_rate=1e9"]

[[variant]]
name = "mild"

[[figure]]
kind = "accuracy"
title = "Accuracy"
x = "variant"
"""
MILD = STUDY.replace('[[variant]]\nname = "hot"\nset = ["train.learning_rate=1e9"]\n', "")


@pytest.fixture
def call(call_bnkeras):
    return partial(call_bnkeras, "study")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


def command(*arguments):
    return [sys.executable, "-m", "bnkeras.cli.main", "study", "run", *map(str, arguments)]


@pytest.fixture(scope="module")
def first(tmp_path_factory, data_dir):
    """A study with a member that failed, its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("first")
    (folder / "mine.toml").write_text(STUDY)
    done = subprocess.run(
        command("mine.toml", "--data-dir", data_dir),
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    return folder, done


def run_directory(folder, variant):
    (member,) = (
        one
        for one in members(load_study(folder / "mine.toml"), replicates=1)
        if one.variant == variant
    )
    return folder / "runs" / "studies" / "members" / member.directory


def contents(folder):
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


def test_one_fails_and_the_other_is_done(first):
    folder, done = first
    assert done.returncode == 1, done.stdout + done.stderr
    figures = json.loads((run_directory(folder, "mild") / "result.json").read_text())
    percent = 100 * figures["test_accuracy"]
    lines = done.stdout.splitlines()
    assert lines[0] == "Digits with [brackets]"
    assert lines[1].startswith("2 members, 6 epochs, budget full, in runs/studies; stop it")
    assert lines[3].startswith("[1/2] digits_resnet14_bnonly, hot, seed 0: failed: The loss of")
    assert lines[4].startswith(f"[2/2] digits_resnet14_bnonly, mild, seed 0: {percent:.1f}%, ")
    assert f"digits_resnet14, mild  {percent:.1f} (1)" in done.stdout
    page = Path("runs", "studies", "mine", "report.html")
    assert done.stdout.endswith(f"\nreport: {page}\n")
    assert f"{percent:.1f} (1)" in (folder / page).read_text("utf-8")
    failure = run_directory(folder, "hot").with_name("seed0.failure.json").relative_to(folder)
    assert "1 of 2 members failed:" in done.stderr
    assert "training diverged" in done.stderr
    assert done.stderr.endswith(f"    see {failure}\n")
    assert json.loads((folder / failure).read_text())["details"][0].startswith("Traceback")


def test_what_was_asked_and_how_is_recorded(first):
    folder, _ = first
    asked = json.loads((folder / "runs" / "studies" / "mine" / "study.json").read_text())
    assert asked == {
        "study": str(folder / "mine.toml"),
        "budget": "full",
        "replicates": None,
        "models": [],
        "regimes": [],
    }
    (start,) = json.loads((run_directory(folder, "mild") / "environment.json").read_text())
    assert "study run mine.toml --data-dir" in start["command"]
    toml = (run_directory(folder, "mild") / "recipe.toml").read_text()
    assert "# changed:  from digits_resnet14_bnonly: train.epochs 50 → 3" in toml


def test_list_shows_how_far_each_is(first, call, monkeypatch):
    folder, _ = first
    monkeypatch.chdir(folder)
    code, out, err = call("list", "mine.toml", "--json")
    assert (code, err) == (0, "")
    hot, mild = json.loads(out)
    assert (hot["state"], hot["epochs_done"], hot["accuracy"]) == ("failed", 0, None)
    assert "training diverged" in hot["failure"]
    assert (mild["state"], mild["epochs_done"], mild["epochs"]) == ("finished", 3, 3)
    assert (folder / "runs/studies/members" / mild["directory"] / "result.json").exists()
    printed = call("list", "mine.toml")[1]
    assert "failed    0/3" in printed
    assert "1 of 2 members finished, 3 epochs left" in printed


def test_a_finished_study_trains_nothing_again(first, call, data_dir, monkeypatch):
    folder, _ = first
    monkeypatch.chdir(folder)
    # The shard has the member that was finished.
    arguments = ["run", "mine.toml", "--shard", "2/2", "--data-dir", data_dir]
    before = contents(folder / "runs" / "studies" / "members")
    code, out, err = call(*arguments)
    assert (code, err) == (0, "")
    # Others may still be at theirs, so a shard leaves the report to a command.
    assert out.endswith("\nThe report: bnkeras study report mine.toml\n")
    assert "1 of 1 have been finished before" in out
    code, out, _ = call(*arguments, "--json")
    assert [row["state"] for row in json.loads(out)] == ["finished"]
    assert contents(folder / "runs" / "studies" / "members") == before


def processes_of(parent):
    done = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=False
    )
    return [int(pid) for pid in done.stdout.split()]


def wait_until(true, seconds=120):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def is_alive(pid):
    # A zombie, whom init has not buried yet, is none.
    with suppress(OSError):
        stat = Path("/proc", str(pid), "stat").read_text()
        return stat.rpartition(")")[2].split()[0] != "Z"
    return False


def same_bits(one, other):
    """Compare the weights and metrics of two runs; seconds, which no run has twice, apart."""
    data = "export/variables/variables.data-00000-of-00001"
    assert (one / data).read_bytes() == (other / data).read_bytes()

    def rows(run):
        table = json.loads((run / "metrics.json").read_text())
        return [{key: row[key] for key in row if key != "seconds"} for row in table]

    assert rows(one) == rows(other)


def stopped_in_the_middle(folder, data_dir, signal_number):
    """Begin the study of `folder`, and send a signal after the first epoch.

    No process that trained may be left. Returns exit code and what was printed.
    """
    study = subprocess.Popen(
        command("mine.toml", "--data-dir", data_dir),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        # As of a script that starts it in the background.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
        if signal_number == signal.SIGKILL
        else None,
    )
    directory = run_directory(folder, "mild")
    saved = directory / "checkpoints" / "checkpoint"
    wait_until(lambda: saved.exists() or study.poll() is not None)
    trainers = processes_of(study.pid)
    assert len(trainers) == 1
    study.send_signal(signal_number)
    printed = study.communicate()
    wait_until(lambda: not any(map(is_alive, trainers)), seconds=30)
    assert not (directory / "result.json").exists()
    assert saved.exists()
    return study.returncode, *printed


@pytest.mark.parametrize(
    "signal_number",
    [
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, marks=pytest.mark.exhaustive),
        pytest.param(signal.SIGTERM, marks=pytest.mark.exhaustive),
    ],
)
def test_stopped_and_resumed_is_as_never_stopped(
    signal_number, first, call, data_dir, tmp_path, monkeypatch
):
    whole, _ = first
    (tmp_path / "mine.toml").write_text(MILD)
    code, _, err = stopped_in_the_middle(tmp_path, data_dir, signal_number)
    if signal_number != signal.SIGKILL:
        assert code == 130
        assert err == "Stopped. The same command goes on from the last checkpoint.\n"
    monkeypatch.chdir(tmp_path)
    code, _, err = call("run", "mine.toml", "--data-dir", data_dir)
    assert (code, err) == (0, "")
    directory = run_directory(tmp_path, "mild")
    same_bits(directory, run_directory(whole, "mild"))
    assert len(json.loads((directory / "environment.json").read_text())) == 2


@pytest.mark.exhaustive
def test_a_study_of_four_killed_again_and_again(data_dir, tmp_path):
    text = MILD.replace("replicates = 1", "replicates = 2").replace(
        '["bnonly"]', '["bnonly", "output"]'
    )
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
        (folder / "mine.toml").write_text(text)
    arguments = command("mine.toml", "--data-dir", data_dir)
    subprocess.run(arguments, check=True, capture_output=True, cwd=whole)
    for seconds in (9, 13, 17, None):
        study = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, cwd=cut)
        with suppress(subprocess.TimeoutExpired):
            study.wait(seconds)
        if seconds:
            study.kill()
    assert study.wait() == 0
    found = members(load_study(cut / "mine.toml"))
    assert len(found) == 4
    for member in found:
        path = os.path.join("runs", "studies", "members", member.directory)
        same_bits(cut / path, whole / path)


@pytest.mark.exhaustive
def test_what_another_process_trains_is_left_to_it(call, data_dir, tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text(MILD)
    monkeypatch.chdir(tmp_path)
    directory = run_directory(tmp_path, "mild")
    directory.mkdir(parents=True)
    with FileLock(directory / ".lock"):
        code, out, err = call("run", "mine.toml", "--data-dir", data_dir)
    assert (code, err) == (0, "")
    assert out.count("[1/1] digits_resnet14_bnonly, mild, seed 0: is being trained by") == 1
    assert "1 of 1 members are being trained by other processes" in out
    assert "report" not in out


def test_list_has_every_study(call):
    code, out, err = call("list")
    assert (code, err) == (0, "")
    lines = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert set(names()) <= set(lines)
    assert lines["cifar_depth"][1:] == ["Figure", "2", "175", "28,000"]
    assert max(map(len, out.splitlines())) <= 80
    rows = {row["study"]: row for row in json.loads(call("list", "--json")[1])}
    assert list(rows) == names()
    assert (rows["cifar_depth"]["members"], rows["cifar_depth"]["epochs"]) == (175, 28_000)


@pytest.mark.parametrize(
    "name",
    [
        "cifar_depth",
        "torri_mlp",
        *(pytest.param(one, marks=pytest.mark.exhaustive) for one in names()),
    ],
)
def test_the_extent_is_that_of_the_members(name):
    study = load_study(name)
    found = members(study, replicates=1)
    epochs = sum(member.recipe.train.epochs for member in found)
    assert extent(study) == (study.replicates * len(found), study.replicates * epochs)


CHOICE = ["cifar_depth", "--budget", "2%", "--replicates", "2", "--model", "resnet14"]


def test_a_dry_run_starts_nothing(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call("run", *CHOICE, "--regime", "all", "--dry-run")
    assert (code, err) == (0, "")
    assert "resnet14_all, seed 1  not begun  0/3" in out
    assert "0 of 2 members finished, 6 epochs left" in out
    assert not list(tmp_path.iterdir())


def test_shards_share_the_members(call):
    def rows(*more):
        return json.loads(call("run", *CHOICE, "--dry-run", "--json", *more)[1])

    shards = [rows("--shard", f"{one}/2") for one in (1, 2)]
    assert list(map(len, shards)) == [5, 5]
    assert sorted(row["member"] for shard in shards for row in shard) == sorted(
        row["member"] for row in rows()
    )
    assert rows("--shard", "11/11") == []


def test_all_data_that_are_missing_are_named_before_anything_starts(call, tmp_path):
    text = MILD.replace('["digits_resnet14"]', '["digits_resnet14", "mlp", "resnet18"]')
    (tmp_path / "mine.toml").write_text(text)
    out = tmp_path / "out"
    code, printed, err = call(
        "run", tmp_path / "mine.toml", "--data-dir", tmp_path / "none", "--out", out
    )
    assert (code, printed) == (2, "")
    assert "bnkeras data prepare cifar10" in err
    assert "bnkeras data prepare imagenet" in err
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cifar_dept"], "'cifar_dept'. Did you mean 'cifar_depth'?"),
        ([*CHOICE, "--shard", "0/3"], "from 1 to N; received '0/3'"),
        ([*CHOICE, "--shard", "half"], "from 1 to N; received 'half'"),
        (["cifar_depth", "--budget", "0"], "received '0'"),
        (["cifar_depth", "--model", "resnet15"], "no model 'resnet15'; it has resnet14"),
        (["cifar_depth", "--replicates", "0"], "greater than or equal"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
@pytest.mark.parametrize("what", ["list", "run"])
def test_bad_input_is_two_and_names_the_value(what, arguments, message, call):
    code, out, err = call(what, *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_a_study_cannot_be_called_members(call, tmp_path):
    (tmp_path / "members.toml").write_text(MILD)
    code, _, err = call("run", tmp_path / "members.toml", "--dry-run")
    assert code == 2
    assert "otherwise than members.toml" in err


@pytest.mark.parametrize("what", ["list", "run"])
def test_help_has_examples(what, call):
    code, out, _ = call(what, "--help")
    assert code == 0
    assert f"bnkeras study {what}" in out.split("Examples:")[1]


def test_list_and_dry_run_wait_for_no_tensorflow():
    probe = (
        "import sys\n"
        "from bnkeras.cli.main import app\n"
        "for line in ('list', 'list torri_mlp', 'run torri_mlp --dry-run'):\n"
        "    app(['study', *line.split()], standalone_mode=False)\n"
        "print('LOADED', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    loaded = done.stdout.rpartition("LOADED ")[2].split()
    assert not {"tensorflow", "keras", "matplotlib", "sklearn"} & set(loaded)
