"""`bnkeras study report`."""

import json
from functools import partial

import pytest

from bnkeras.studies.budget import Budget
from bnkeras.studies.request import Request
from bnkeras.studies.shipped import load_study


@pytest.fixture
def run(call_bnkeras):
    return partial(call_bnkeras, "study", "report")


@pytest.fixture
def out_folder(tmp_path, write_run):
    """A study that was asked for two seeds of ResNet-14 with γ and β only; one is finished."""
    folder = tmp_path / "studies"
    request = Request("cifar_depth", Budget(0.02), 2, ("resnet14",), ("bnonly",))
    request.write(folder / "cifar_depth")
    first, _ = request.members(load_study("cifar_depth"))
    write_run(folder / "members" / first.directory, first.recipe, 0.41)
    return folder


def test_a_report_is_of_what_was_asked_for(run, out_folder):
    code, out, err = run("cifar_depth", "--out", out_folder)
    assert (code, err) == (0, "")
    assert "resnet14  γ and β only  41.0 (1)  48" in out
    assert "runs: 1 finished, 1 not begun" in out
    page = out_folder / "cifar_depth" / "report.html"
    assert out.splitlines()[-1] == f"report: {page}"
    command = "bnkeras study run cifar_depth --budget 2% --replicates 2 --model resnet14"
    assert command in page.read_text("utf-8")


def test_options_change_what_was_asked_for(run, out_folder):
    code, out, _ = run("cifar_depth", "--out", out_folder, "--replicates", 1, "--json")
    found = json.loads(out)
    assert code == 0
    assert [one["state"] for one in found["runs"]] == ["finished"]
    code, out, _ = run("cifar_depth", "--out", out_folder, "--budget", "1%", "--json")
    assert {one["state"] for one in json.loads(out)["runs"]} == {"not begun"}
    code, out, _ = run("cifar_depth", "--out", out_folder, "--regime", "all", "--json")
    assert [one["regime"] for one in json.loads(out)["groups"]] == ["all"]


def test_where_no_study_ran_is_bad_input(run, tmp_path):
    code, out, err = run("cifar_depth", "--out", tmp_path / "nothing")
    assert (code, out) == (2, "")
    assert f"{tmp_path / 'nothing'} has no runs of studies" in err
    assert "bnkeras study run cifar_depth" in err


def test_no_such_study_or_model_is_bad_input(run, out_folder):
    code, _, err = run("cifar_dept", "--out", out_folder)
    assert code == 2
    assert "Did you mean 'cifar_depth'?" in err
    code, _, err = run("cifar_depth", "--out", out_folder, "--model", "resnet15")
    assert code == 2
    assert "no model 'resnet15'" in err
