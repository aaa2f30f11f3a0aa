"""The report of a study, made from run directories that nobody trained."""

import csv
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bnkeras.studies.arrangement import arrange
from bnkeras.studies.budget import Budget
from bnkeras.studies.drawing import draw
from bnkeras.studies.grid import members
from bnkeras.studies.measures import Measures
from bnkeras.studies.orders import compared, ranking
from bnkeras.studies.outcomes import groups, outcomes
from bnkeras.studies.report import write_report
from bnkeras.studies.shipped import load_study, names

BUDGET = Budget(0.02)
NOWHERE = Path("nowhere")
REACHED = {"all": 0.8, "bnonly": 0.4, "bnoutput": 0.45, "output": 0.3, "random2": 0.25}


class Analysed(Measures):
    """Measures of runs whose networks exist nowhere."""

    def analysis(self, outcome):
        gamma = np.array([0.0, 0.005, 0.02, 0.5], np.float32)
        return SimpleNamespace(
            gamma=gamma,
            beta=-gamma,
            shares={0.01: 0.5},
            zero_probabilities=np.array([0.2, 0.5, 0.6, 1.0]),
            mostly_zero=0.25,
            clamping=SimpleNamespace(
                thresholds=np.array([0.0, 0.1]), accuracy=np.array([0.4, 0.1])
            ),
        )


@pytest.fixture
def study():
    return load_study("cifar_depth")


@pytest.fixture
def asked(study):
    return members(study, BUDGET, replicates=2, models=["resnet14", "resnet32"])


@pytest.fixture
def root(asked, tmp_path, write_run):
    """All runs but one of output, which is unfinished, and one of random2, which is damaged."""
    folder = tmp_path / "members"
    for member in asked:
        deeper = 0.1 * (member.model == "resnet32")
        accuracy = REACHED[member.regime] + deeper + 0.02 * member.replicate
        last = member.model == "resnet32" and member.replicate == 1
        if last and member.regime == "output":
            write_run(folder / member.directory, member.recipe, None, epochs=2)
        else:
            path = write_run(folder / member.directory, member.recipe, accuracy)
            if last and member.regime == "random2":
                (path / "metrics.json").write_text("damaged")
    return folder


def read(folder):
    return json.loads((folder / "results.json").read_text("utf-8"))


def test_what_is_written(study, asked, root, tmp_path):
    folder = tmp_path / "report"
    page = write_report(study, asked, root, folder, commands=["bnkeras study run cifar_depth"])
    assert page == folder / "report.html"
    written = {file.name for file in folder.iterdir()}
    tables = {"report.html", "results.csv", "results.json", "runs.csv"}
    assert written == tables | {"1_accuracy.png", "1_accuracy.svg"}
    assert (folder / "1_accuracy.png").stat().st_size < 200_000
    groups = {(one["model"], one["regime"]): one for one in read(folder)["groups"]}
    bnonly = groups["resnet14", "bnonly"]
    assert (bnonly["accuracy_mean"], bnonly["accuracy_n"]) == (41.0, 2)
    assert bnonly["accuracy_sd"] == pytest.approx(2**0.5, abs=1e-4)  # of 40 and 42
    assert (bnonly["accuracy_paper"], bnonly["epochs"], bnonly["shipped_epochs"]) == (48, 3, 160)
    assert groups["resnet32", "output"]["accuracy_n"] == 1
    assert groups["resnet32", "output"]["accuracy_sd"] is None
    with (folder / "runs.csv").open(encoding="utf-8") as table:
        runs = list(csv.DictReader(table))
    assert len(runs) == 20
    assert {run["state"] for run in runs} == {"finished", "unfinished", "unreadable"}


def test_the_page_says_it_all(study, asked, root, tmp_path):
    page = write_report(study, asked, root, tmp_path / "report", commands=["bnkeras study run it"])
    text = page.read_text("utf-8")
    assert "18 of 20 runs are finished: 10 settings with 2 seeds each" in text
    assert "(3 of 160)" in text
    assert "41.0 ± 1.4 (2)" in text
    assert "2 of 3" in text  # epochs of the unfinished
    assert "metrics.json cannot be read" in text
    assert "a processor, 2 cores" in text
    assert "0123456789ab" in text
    assert "JPEG have other pixels" in text
    assert "bnkeras study run it" in text
    assert "full length" in text


def test_the_page_needs_nothing_else(study, asked, root, tmp_path):
    text = write_report(study, asked, root, tmp_path / "report").read_text("utf-8")
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "<script" not in text
    assert "@import" not in text


def test_the_same_runs_give_the_same_bytes(study, asked, root, tmp_path):
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        write_report(study, asked, root, folder)
    first, second = ({f.name: f.read_bytes() for f in folder.iterdir()} for folder in folders)
    assert first == second


def test_a_report_of_nothing_says_so(study, asked, tmp_path):
    folder = tmp_path / "report"
    text = write_report(study, asked, tmp_path / "members", folder).read_text("utf-8")
    assert "0 of 20 runs are finished" in text
    assert "Not drawn: Test accuracy by depth: no run of it is finished." in text
    assert not list(folder.glob("*.png"))
    assert read(folder)["order"] == {}


def test_a_report_of_accuracies_needs_no_tensorflow(study, asked, root, tmp_path):
    if "tensorflow" in sys.modules:
        pytest.skip("another test of this process has imported it")
    write_report(study, asked, root, tmp_path / "report")
    assert "tensorflow" not in sys.modules


def test_full_training_is_called_that(study, tmp_path):
    whole = members(study, replicates=1, models=["resnet14"])
    text = write_report(study, whole, tmp_path, tmp_path / "report").read_text("utf-8")
    assert "They train for all epochs of the shipped recipes." in text
    assert "Settings that differ" not in text


def test_the_order_is_that_of_the_means(asked, root):
    found = groups(outcomes(asked, root))
    ranked = ranking(found, Measures())
    means = [round(one.mean) for _, one in ranked["ResNet-14"]]
    assert means == [81, 46, 41, 31, 26]
    pairs = compared(found, Measures())
    assert [(one.statement.higher, one.statement.lower) for one in pairs[::2]] == [
        ("all", "bnoutput"),
        ("bnoutput", "bnonly"),
        ("bnonly", "random2"),
    ]
    assert all(one.agrees for one in pairs)
    assert pairs[0].difference == pytest.approx(35.0)


def test_another_order_than_the_papers_is_told(study, tmp_path, write_run):
    two = members(study, BUDGET, replicates=1, models=["resnet14"], regimes=["bnonly", "random2"])
    for member in two:
        accuracy = {"bnonly": 0.3, "random2": 0.4}[member.regime]
        write_run(tmp_path / member.directory, member.recipe, accuracy)
    (one,) = compared(groups(outcomes(two, tmp_path)), Measures())
    assert (one.agrees, one.difference) == (False, pytest.approx(-10.0))
    text = write_report(study, two, tmp_path, tmp_path / "report").read_text("utf-8")
    assert "reversed" in text
    assert "0 of 1 of these have the paper" in text


def test_levels_stand_beside_numbers_of_random_weights():
    study = load_study("random_weights")
    figure = next(figure for figure in study.figure if figure.x == "k")
    asked = members(study, replicates=1, models=["resnet14", "resnet110"])
    arranged = arrange(figure, groups(outcomes(asked, NOWHERE)))
    lines = {one.line: one.style for one in arranged.placed}
    assert lines == {one.line: one.style for one in arranged.levels}
    assert sorted(lines) == ["ResNet-110", "ResNet-14"]


def test_lines_are_named_by_what_keeps_them_apart(study):
    asked = members(study, replicates=1, models=["resnet14", "resnet32"])
    figure = study.figure[0].model_copy(update={"x": "model", "lines": "model"})
    arranged = arrange(figure, groups(outcomes(asked, NOWHERE)))
    names = {one.line for one in arranged.placed}
    assert "ResNet-14, γ and β only" in names
    assert len(names) == 10


@pytest.mark.parametrize("name", names())
def test_every_shipped_study_has_its_figures_drawn(name, tmp_path, write_run):
    study = load_study(name)
    chosen = [model for grid in study.grid for model in grid.models[:1]]
    chosen += [model for figure in study.figure for model in figure.models[:1]]
    asked = members(study, Budget(0.01), replicates=1, models=chosen)
    for member in asked:
        write_run(tmp_path / member.directory, member.recipe, 0.4)
    found = groups(outcomes(asked, tmp_path))
    for figure in study.figure:
        drawn = draw(study, figure, found, Analysed())
        top5 = figure.measure == "top5"  # which these runs do not have
        assert (drawn.figure is None) == top5, figure.title
