"""Budgets: shares of the epochs, with the schedule shortened alike."""

import doctest

import pytest

from bnkeras.errors import InputError
from bnkeras.recipe import load
from bnkeras.studies import budget
from bnkeras.studies.budget import FULL, Budget


@pytest.mark.parametrize(
    ("text", "share"),
    [("full", 1.0), ("100%", 1.0), ("1", 1.0), ("2%", 0.02), ("0.02", 0.02), ("2.5%", 0.025)],
)
def test_a_budget_is_read(text, share):
    assert Budget.parse(text).share == share
    assert Budget.parse(str(Budget.parse(text))) == Budget.parse(text)


@pytest.mark.parametrize("text", ["0", "0%", "101%", "-1%", "2", "half", "", "%", "nan", "inf"])
def test_anything_else_is_refused(text):
    with pytest.raises(InputError, match="full") as caught:
        Budget.parse(text)
    assert f"received {text!r}" in str(caught.value)


# By hand: ResNets on CIFAR-10 train 160 epochs with drops at 80 and 120; on ImageNet 90, with
# drops at 30, 60, 80 and 5 of warm-up; the perceptron 100 at one rate.
@pytest.mark.parametrize(
    ("share", "name", "epochs", "milestones", "warmup"),
    [
        (0.5, "resnet14_all", 80, (40, 60), 0),
        (0.25, "resnet14_all", 40, (20, 30), 0),
        (0.02, "resnet14_all", 3, (2,), 0),  # 3.2 epochs, drops at 1.6 and 2.4
        (0.025, "resnet14_all", 4, (2, 3), 0),
        (0.005, "resnet14_all", 1, (), 0),
        (0.0001, "resnet14_all", 1, (), 0),
        (0.5, "resnet50_all", 45, (15, 30, 40), 3),  # 2.5 of warm-up goes up
        (0.1, "resnet50_all", 9, (3, 6, 8), 1),
        (0.02, "resnet50_all", 2, (1,), 0),
        (0.1, "mlp_all", 10, (), 0),
    ],
)
def test_the_schedule_shrinks(share, name, epochs, milestones, warmup):
    recipe = load(name, Budget(share).settings(load(name)))
    assert recipe.train.epochs == epochs
    assert recipe.train.milestones == milestones
    assert recipe.train.warmup_epochs == warmup


def test_a_schedule_without_drops_shrinks_with_the_epochs():
    cycle = load("resnet14_all", ["train.schedule=one_cycle"])
    shortened = Budget(0.25).settings(cycle)
    assert shortened == ("train.epochs=40", "train.warmup_epochs=0")
    assert load("resnet14_all", ["train.schedule=one_cycle", *shortened]).train.epochs == 40
    cosine = load("resnet50_all", ["train.schedule=cosine"])
    assert Budget(0.5).settings(cosine) == ("train.epochs=45", "train.warmup_epochs=3")


def test_the_whole_changes_nothing():
    assert FULL.settings(load("resnet14_all")) == ()
    assert str(FULL) == "full"


def test_a_shortened_recipe_expects_nothing():
    recipe = load("resnet14_bnonly")
    assert recipe.expected is not None
    assert load("resnet14_bnonly", Budget(0.5).settings(recipe)).expected is None


def test_the_example_in_the_docstring():
    assert doctest.testmod(budget, extraglobs={"load": load}).failed == 0
