"""`bnkeras data` as a user meets it."""

import json
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    pytest.importorskip("sklearn")
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def prepared(data):
    return _run("prepare", "digits", "--data-dir", data)


def _run(*arguments, code=0, environment=None):
    command = [sys.executable, "-m", "bnkeras.cli.main", "data", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == code, done.stderr
    return done


def test_prepare_ends_with_a_summary(prepared, data):
    lines = dict(line.split(None, 1) for line in prepared.stdout.splitlines())
    assert lines["images"] == "1,437 train, 360 test"
    assert lines["source"] == "scikit-learn (package)"
    assert lines["path"] == f"{data}/digits/{lines['fingerprint']}/1.0.0"
    assert lines["size"] == "0.2 MB"
    assert lines["time"].endswith(" s")


def test_info_for_people(prepared, data):
    shown = _run("info", "--data-dir", data).stdout
    assert shown.startswith(f"Prepared in {data}\n")
    assert "1,437 train, 360 test" in shown
    assert "Nothing is prepared in /nowhere" in _run("info", "--data-dir", "/nowhere").stdout


def test_info_as_json(prepared, data):
    (row,) = json.loads(_run("info", "--json", "--data-dir", data).stdout)
    assert row["dataset"] == "digits"
    assert row["counts"] == {"train": 1437, "test": 360}
    assert row["path"] == f"{data}/digits/{row['fingerprint']}/1.0.0"
    assert row["bytes"] > 100_000
    assert row["problem"] is None
    assert json.loads(_run("info", "--json", "--data-dir", "/nowhere").stdout) == []


def test_info_shows_a_damaged_one(data, tmp_path):
    damaged = tmp_path / "digits" / "0123456789abcdef" / "1.0.0"
    damaged.mkdir(parents=True)
    shown = _run("info", "--data-dir", tmp_path).stdout
    assert f"{damaged} is incomplete" in shown
    (row,) = json.loads(_run("info", "--json", "--data-dir", tmp_path).stdout)
    assert row["fingerprint"] == "0123456789abcdef"
    assert "dataset_info.json is missing" in row["problem"]


def test_unknown_dataset():
    failed = _run("prepare", "digit", code=2)
    assert failed.stderr.strip() == (
        "bnkeras: Unknown dataset 'digit'. Did you mean 'digits'? Known: cifar10, digits."
    )


def test_missing_source(tmp_path):
    failed = _run("prepare", "cifar10", "--source", tmp_path / "no", "--data-dir", "/x", code=2)
    assert failed.stderr.strip() == f"bnkeras: The source {tmp_path / 'no'} does not exist."


def test_help_gives_examples_and_needs_no_tensorflow():
    code = (
        "import sys; from typer.testing import CliRunner; from bnkeras.cli.main import app\n"
        "shown = CliRunner().invoke(app, ['data', 'prepare', '--help']).output\n"
        "assert 'bnkeras data prepare cifar10 --source' in shown, shown\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
