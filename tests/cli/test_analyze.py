"""`bnkeras analyze`."""

import json
import shutil
from functools import partial

import numpy as np
import pytest

from bnkeras.analysis.analysis import read_analysis
from bnkeras.cli import console


@pytest.fixture
def run(call_bnkeras):
    return partial(call_bnkeras, "analyze")


@pytest.fixture
def undrawn(monkeypatch):
    """Write no pictures, which take seconds."""
    module = "bnkeras.analysis.analysis_report.write_report"
    monkeypatch.setattr(module, lambda found, folder: folder / "report.html")


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """An export of a small perceptron, untrained, that says it was trained on the digits."""
    import bnkeras
    from bnkeras.recipe import load

    settings = ["data.dataset=digits", "model.input_shape=[8,8,1]", "model.hidden=[16,8]"]
    recipe = load("mlp_bnonly", settings)
    model = bnkeras.build("mlp", **recipe.model.build_arguments(), seed=0)
    bnkeras.set_regime(model, "bnonly")
    training = {"recipe": recipe.as_dict(), "result": {"recipe": "mlp_bnonly"}}
    path = tmp_path_factory.mktemp("exports") / "small"
    return bnkeras.save_compact(model, path, training=training)


def test_a_finished_run(run, export, tmp_path, monkeypatch):
    monkeypatch.setattr(console.out, "width", 120)
    shutil.copytree(export, tmp_path / "run" / "export")
    (tmp_path / "run" / "result.json").write_text("{}")
    before = {p: p.read_bytes() for p in (tmp_path / "run/export").rglob("*") if p.is_file()}
    code, out, err = run(tmp_path / "run", "--data-dir", tmp_path / "data", "--batches", 2)
    assert code == 0, err
    folder = tmp_path / "run" / "analysis"
    assert out.splitlines()[-1] == f"report: {folder / 'report.html'}"
    found = read_analysis(folder)
    assert found.is_complete
    assert found.recalibration.batches == 2
    lines = [line.split() for line in out.splitlines()]
    assert ["test", "accuracy", f"{found.accuracy:.1%}"] in lines
    assert any(line[:4] == ["|γ|", "<", "0.01", f"{found.shares[0.01]:.1%}"] for line in lines)
    assert "left out" not in out
    files = {file.name for file in folder.iterdir()}
    assert {"analysis.json", "clamping.csv", "clamping.png", "zeros.svg", "report.html"} <= files
    # The export is as it was.
    after = {p: p.read_bytes() for p in (tmp_path / "run/export").rglob("*") if p.is_file()}
    assert after == before


def test_without_data_beside_an_export(run, export):
    code, out, err = run(export, "--no-data")
    assert code == 0, err
    folder = export.with_name("small-analysis")
    said = "left out: Small γ set to zero, Zeros behind ReLUs, Moving statistics measured anew"
    assert f"{said}\n  it was not asked for" in out
    assert read_analysis(folder).clamping is None
    assert not (folder / "clamping.png").exists()


def test_as_json_where_an_analysis_is_already(run, export, tmp_path, undrawn):
    folder = tmp_path / "new"
    assert run(export, "--no-data", "--out", folder)[0] == 0
    code, out, _ = run(export, "--no-data", "--json", "--out", folder)
    facts = json.loads(out)
    assert code == 0
    assert facts["report"] == str(folder / "report.html")
    assert facts["summary"]["gamma"]["count"] == 24
    assert facts["summary"]["accuracy"] is None
    assert facts["left_out"][0]["part"] == "clamping"


def test_one_of_several_tasks(run, tmp_path, undrawn):
    import bnkeras

    model = bnkeras.build("resnet_cifar", depth=8, input_shape=(8, 8, 1), seed=3)
    bnkeras.set_regime(model, "bnonly")
    bnkeras.save_compact({"one": model}, tmp_path / "many")
    gamma = model.get_layer("stem_bn").gamma
    gamma.assign(np.zeros(gamma.shape))
    bnkeras.add_task(tmp_path / "many", "two", model)
    code, _, err = run(tmp_path / "many", "--no-data")
    assert code == 2
    assert "one, two" in err.replace("\n", " ")
    code, _, err = run(tmp_path / "many", "--task", "two", "--no-data")
    assert code == 0, err
    found = read_analysis(tmp_path / "many-two-analysis")
    assert found.subject.task == "two"
    assert found.scales[0].gamma.tolist() == [0] * 16


def test_refusals(run, export, tmp_path):
    code, _, err = run(tmp_path / "none")
    assert code == 2
    assert f"{tmp_path / 'none'} does not exist" in err.replace("\n", "")
    code, _, err = run(export, "--out", export / "analysis")
    assert code == 2
    assert "whose files are checked" in err.replace("\n", "")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("")
    code, _, err = run(export, "--out", tmp_path / "full")
    assert code == 2
    assert "holds no earlier analysis (it has no analysis.json)" in err
    code, _, err = run(export, "--out", tmp_path / "full" / "mine.txt")
    assert code == 2
    assert "is a file; an analysis needs a folder" in err
