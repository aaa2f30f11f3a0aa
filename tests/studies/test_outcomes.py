"""What became of the runs of a study, and what their replicates come to."""

import json
from math import sqrt

import pytest

from bnkeras.studies.budget import Budget
from bnkeras.studies.grid import members
from bnkeras.studies.measures import Measures
from bnkeras.studies.outcomes import groups, outcomes, summarize
from bnkeras.studies.paper_values import published
from bnkeras.studies.shipped import load_study


@pytest.fixture
def study():
    return load_study("cifar_depth")


@pytest.fixture
def asked(study):
    """Three seeds of ResNet-14, γ and β only, 3 epochs each."""
    return members(study, Budget(0.02), replicates=3, models=["resnet14"], regimes=["bnonly"])


def test_mean_and_deviation_are_those_of_a_sample():
    found = summarize([40.0, 43.0, 46.0])
    assert found == (43.0, 3.0, 3)
    assert summarize([1.0, 2.0]).sd == pytest.approx(sqrt(0.5))
    assert str(found) == "43.0 ± 3.0 (3)"


def test_one_run_has_no_deviation_and_none_has_nothing():
    assert summarize([48.0]) == (48.0, None, 1)
    assert str(summarize([48.0])) == "48.0 (1)"
    assert summarize([]) is None


def test_replicates_are_one_group(asked, tmp_path, write_run):
    for member, accuracy in zip(asked, (0.40, 0.43, 0.46), strict=True):
        write_run(tmp_path / member.directory, member.recipe, accuracy)
    (group,) = groups(outcomes(asked, tmp_path))
    found = Measures().summary(group, "accuracy")
    assert (found.mean, found.sd, found.n) == pytest.approx((43.0, 3.0, 3))
    assert str(group) == "resnet14_bnonly"


def test_every_state_is_told(asked, tmp_path, write_run):
    finished, unfinished, failed = asked
    write_run(tmp_path / finished.directory, finished.recipe)
    write_run(tmp_path / unfinished.directory, unfinished.recipe, None, epochs=2)
    write_run(tmp_path / failed.directory, failed.recipe, None, epochs=1)
    failure = tmp_path / f"{failed.directory}.failure.json"
    failure.write_text(json.dumps({"error": "the loss is nan"}))
    found = outcomes(asked, tmp_path)
    assert [one.state for one in found] == ["finished", "unfinished", "failed"]
    assert [one.run.epochs for one in found] == [3, 2, 1]
    assert found[2].reason == "the loss is nan"
    assert outcomes(asked, tmp_path / "elsewhere")[0].state == "not begun"


def test_one_that_failed_before_it_began(asked, tmp_path):
    failure = tmp_path / f"{asked[0].directory}.failure.json"
    failure.parent.mkdir()
    failure.write_text("[")
    found = outcomes(asked, tmp_path)[0]
    assert (found.state, found.run) == ("failed", None)
    assert str(failure) in found.reason


@pytest.mark.parametrize("name", ["recipe.toml", "metrics.json", "result.json"])
def test_a_damaged_run_is_an_outcome(asked, tmp_path, write_run, name):
    path = write_run(tmp_path / asked[0].directory, asked[0].recipe)
    (path / name).write_text("[[[")
    found = outcomes(asked, tmp_path)[0]
    assert found.state == "unreadable"
    assert str(path) in found.reason


def test_a_result_without_accuracy_is_unreadable(asked, tmp_path, write_run):
    path = write_run(tmp_path / asked[0].directory, asked[0].recipe)
    (path / "result.json").write_text("{}")
    assert "no test_accuracy" in outcomes(asked, tmp_path)[0].reason


def test_the_run_of_another_recipe_does_not_count(asked, tmp_path, write_run):
    write_run(tmp_path / asked[0].directory, asked[1].recipe)
    found = outcomes(asked, tmp_path)[0]
    assert found.state == "unreadable"
    assert "seed = 1 in place of 0" in found.reason


def test_the_papers_value_is_that_of_the_shipped_recipe(study, asked):
    found = published(study, asked[0])
    assert (found.value, found.source) == (48.0, "Frankle et al. 2021, Figure 2")
    assert str(found) == "48"
    assert published(study, asked[0], "top5") is None


def test_other_settings_have_no_value_of_the_paper(study):
    changed = study.model_copy(update={"set": ("model.beta=constant(1)",), "paper": ()})
    (member,) = members(changed, replicates=1, models=["resnet14"], regimes=["bnonly"])
    assert published(changed, member) is None


def test_what_a_study_says_of_the_paper_comes_first():
    study = load_study("vgg")
    (member,) = members(study, replicates=1, models=["vgg11"], regimes=["bnonly"])
    found = published(study, member, "small_gamma")
    assert (found.value, found.upto, str(found)) == (44.0, 48.0, "44 to 48")
