"""`bnkeras report`."""

import json

import pytest

from bnkeras.recipe import load


@pytest.fixture
def two(tmp_path, write_run):
    short = ("train.epochs=4", "train.milestones=[2]")
    done = write_run(tmp_path / "first", load("resnet14_bnonly", short), 0.45)
    return done, write_run(tmp_path / "second", load("resnet14_all", short), None, 2)


def test_runs_side_by_side(call_bnkeras, two, tmp_path):
    code, out, err = call_bnkeras("report", *two, "--out", tmp_path / "report")
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert lines[:2] == [["1", "first"], ["2", "second"]]
    assert ["model.regime", "bnonly", "all"] in lines
    assert lines[-1] == ["report:", str(tmp_path / "report" / "report.html")]
    assert "unfinished" in out
    assert (tmp_path / "report" / "curves.png").is_file()


def test_runs_as_json(call_bnkeras, two, tmp_path):
    code, out, _ = call_bnkeras("report", *two, "--out", tmp_path / "report", "--json")
    found = json.loads(out)
    assert code == 0
    assert [run["test_accuracy"] for run in found["runs"]] == [0.45, None]
    assert found["differences"] == {"model.regime": {"first": "bnonly", "second": "all"}}


def test_one_run(call_bnkeras, two, tmp_path):
    code, out, _ = call_bnkeras("report", two[0], "--out", tmp_path / "report")
    assert code == 0
    assert "45.0%" in out
    assert "differ" not in out


def test_what_is_no_run_is_bad_input(call_bnkeras, two, tmp_path):
    code, out, err = call_bnkeras("report", two[0], tmp_path, "--out", tmp_path / "report")
    assert (code, out) == (2, "")
    assert f"{tmp_path} is no run directory" in err
    assert not (tmp_path / "report").exists()
