"""Runs side by side, of directories that nobody trained and of real ones."""

import csv
import json
import re
import shutil

import pytest

from bnkeras.analysis.comparison import compare, write_comparison
from bnkeras.analysis.runs import labels, read_run
from bnkeras.errors import InputError, RunDirectoryError, RunError
from bnkeras.recipe import load

SHORT = ("train.epochs=4", "train.milestones=[2]")


@pytest.fixture
def two(tmp_path, write_run):
    """A finished run, and one of another regime and seed that is half done."""
    done = write_run(tmp_path / "runs" / "first", load("resnet14_bnonly", SHORT), 0.45)
    half = write_run(tmp_path / "runs" / "second", load("resnet14_all", SHORT, seed=1), None, 2)
    return done, half


def test_only_settings_that_differ_are_told(two):
    assert compare(two).differences() == {"seed": [0, 1], "model.regime": ["bnonly", "all"]}
    assert compare(two[:1]).differences() == {}


def test_a_setting_that_one_does_not_have_is_none(two, tmp_path, write_run):
    third = write_run(tmp_path / "runs" / "third", load("mlp_bnonly"), None, 1)
    found = compare([*two, third]).differences()
    assert found["model.depth"] == [14, 14, None]
    assert found["model.hidden"] == [None, None, [1024, 512, 256]]
    assert found["seed"] == [0, 1, 0]


def test_what_runs_came_to(two):
    finished, half = compare(two).rows()
    assert (finished["state"], finished["epochs"], finished["of"]) == ("finished", 4, 4)
    assert (finished["test_accuracy"], finished["seconds"]) == (0.45, 10.0)
    assert (half["state"], half["epochs"], half["test_accuracy"]) == ("unfinished", 2, None)
    assert half["last_test_accuracy"] == pytest.approx(0.202)
    # Counted by arithmetic, as the result is not there yet.
    assert (half["parameters"], half["parameters_trained"]) == (175258, 175258)


def test_what_is_written(two, tmp_path):
    folder = tmp_path / "report"
    page = write_comparison(compare(two), folder)
    files = {"curves.csv", "curves.png", "curves.svg", "report.html", "runs.csv", "runs.json"}
    assert {file.name for file in folder.iterdir()} == files
    text = page.read_text("utf-8")
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert all(word in text for word in ("unfinished", "2 of 4", "45.0%", "model.regime"))
    with (folder / "curves.csv").open(encoding="utf-8") as table:
        assert [row["run"] for row in csv.DictReader(table)] == ["first"] * 4 + ["second"] * 2
    found = json.loads((folder / "runs.json").read_text("utf-8"))
    assert found["differences"]["seed"] == {"first": 0, "second": 1}


def test_the_same_runs_give_the_same_bytes(two, tmp_path):
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        write_comparison(compare(two), folder)
    first, second = ({f.name: f.read_bytes() for f in folder.iterdir()} for folder in folders)
    assert first == second


def test_runs_that_have_not_trained_an_epoch_have_no_curves(tmp_path, write_run):
    run = write_run(tmp_path / "run", load("resnet14_bnonly"), None, 0)
    page = write_comparison(compare([run]), tmp_path / "report")
    assert "Curves" not in page.read_text("utf-8")


def test_names_are_the_paths_without_what_they_share(tmp_path, write_run):
    recipe = load("resnet14_bnonly", SHORT)
    places = ("a/seed0", "a/seed1", "b/seed0")
    runs = [read_run(write_run(tmp_path / place, recipe)) for place in places]
    assert labels(runs) == list(places)
    assert labels(runs[:2]) == ["seed0", "seed1"]
    assert labels(runs[:1]) == ["a/seed0"]


def test_the_export_of_a_run_is_that_run(shared_results, tmp_path):
    run = shared_results / "mlp_bnoutput" / "seed0"
    inside, whole = read_run(run / "export"), read_run(run)
    assert (inside.recipe, inside.rows) == (whole.recipe, whole.rows)
    alone = tmp_path / "export"
    shutil.copytree(run / "export", alone)
    moved = read_run(alone)
    assert moved.rows == ()
    assert (moved.name, moved.epochs, moved.finished) == ("mlp_bnoutput", 100, True)
    assert moved.figure("test_accuracy") == whole.figure("test_accuracy")


def test_every_run_in_the_results_can_be_read(shared_results):
    runs = [read_run(file.parent) for file in sorted(shared_results.glob("*/seed*/result.json"))]
    assert len(runs) >= 5
    assert all(run.finished and run.rows and run.parameters and run.starts for run in runs)


@pytest.mark.parametrize("name", ["recipe.toml", "metrics.json", "environment.json"])
def test_a_damaged_file_is_named(two, name):
    (two[0] / name).write_text("[[")
    with pytest.raises(RunError, match=re.escape(str(two[0]))):
        read_run(two[0])


def test_what_is_no_run_is_named(tmp_path):
    with pytest.raises(RunDirectoryError, match=f"{re.escape(str(tmp_path))} is no run directory"):
        read_run(tmp_path)
    with pytest.raises(RunDirectoryError, match=r"nowhere is no run directory.*does not exist"):
        read_run("nowhere")


def test_a_run_is_given_once(two):
    with pytest.raises(InputError, match=re.escape(f"{two[0]} twice")):
        compare([two[0], two[0]])
    with pytest.raises(InputError, match="received none"):
        compare([])


@pytest.fixture
def shared_results(request):
    """The committed runs."""
    return request.config.rootpath / "results"
