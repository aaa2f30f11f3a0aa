"""The runs that a study comes to."""

from pathlib import Path

import pytest

from bnkeras.errors import InputError
from bnkeras.recipe import load
from bnkeras.studies.budget import Budget
from bnkeras.studies.definition import Study
from bnkeras.studies.grid import members, share_of
from bnkeras.studies.shipped import load_study

ABOUT = {"title": "Mine", "source": "nobody", "question": "What?"}


def study(grid, **settings):
    figure = [{"kind": "accuracy", "title": "Accuracy"}]
    return Study.model_validate(
        {
            "name": "mine",
            "about": ABOUT,
            "replicates": 2,
            "grid": grid,
            "figure": figure,
            **settings,
        }
    )


GRID = [{"models": ["resnet14", "resnet32"], "regimes": ["all", "bnonly"]}]


def test_each_model_with_each_regime_seed_by_seed():
    runs = members(study(GRID))
    names = ["resnet14_all", "resnet14_bnonly", "resnet32_all", "resnet32_bnonly"]
    expected = [(name, seed) for seed in (0, 1) for name in names]
    assert [(one.recipe.name, one.recipe.seed) for one in runs] == expected
    assert [one.replicate for one in runs] == [0] * 4 + [1] * 4
    assert [str(one.directory) for one in runs] == [f"{name}/seed{seed}" for name, seed in expected]
    assert {one.series for one in runs} == {"all parameters", "γ and β only"}
    assert all(one.as_shipped and one.variant is None for one in runs)
    assert str(runs[-1]) == "resnet32_bnonly, seed 1"


def test_a_seed_is_as_loaded_with_it():
    for member in members(study(GRID, set=["train.epochs=3"])):
        again = load(member.recipe.name, ["train.epochs=3"], seed=member.replicate)
        assert member.recipe == again
        assert list(member.recipe.changes.items()) == list(again.changes.items())
        assert member.recipe.to_toml() == again.to_toml()


def test_replicates_in_place_of_the_studys():
    assert [one.replicate for one in members(study(GRID), replicates=1)] == [0] * 4
    assert len(members(study(GRID), replicates=5)) == 20


def test_variants_multiply_and_settings_add_up():
    grid = [
        {"models": ["resnet14"], "regimes": ["bnonly"], "set": ["model.width=2"], "series": "a"}
    ]
    variants = [{"name": "plain"}, {"name": "shifted", "set": ["model.beta=constant(1)"]}]
    runs = members(study(grid, variant=variants, set=["train.epochs=4"]), replicates=1)
    assert [one.variant for one in runs] == ["plain", "shifted"]
    assert {one.series for one in runs} == {"a"}
    assert [one.recipe.model.beta for one in runs] == ["constant(0)", "constant(1)"]
    assert {(one.recipe.model.width, one.recipe.train.epochs) for one in runs} == {(2, 4)}
    assert not any(one.as_shipped for one in runs)
    assert len({one.directory for one in runs}) == 2
    assert str(runs[1]) == "resnet14_bnonly, model.width=2, shifted, seed 0"


def test_what_is_set_as_shipped_is_the_shipped_run():
    (changed,) = members(
        study([{**GRID[0], "models": ["resnet14"], "regimes": ["all"]}], set=["model.norm=batch"]),
        replicates=1,
    )
    assert changed.as_shipped
    assert changed.directory == Path("resnet14_all/seed0")


def test_a_budget_makes_other_runs_that_are_still_as_shipped():
    whole, half = (members(study(GRID), budget) for budget in (Budget(), Budget(0.5)))
    assert not {one.directory for one in whole} & {one.directory for one in half}
    assert all(one.as_shipped for one in half)
    assert {one.recipe.train.epochs for one in half} == {80}
    assert {one.directory.parent.name.rpartition("-")[0] for one in half} == {
        one.recipe.name for one in whole
    }


def test_studies_share_their_runs():
    depth, gamma, shifted, plain = (
        {one.directory for one in members(load_study(name), Budget(0.02), models=["resnet14"])}
        for name in ("cifar_depth", "gamma", "bn_initialisations", "bn_parameters")
    )
    assert len(depth & gamma) == 2 * 5
    assert len(shifted & plain) == len(plain) == 5
    assert len(shifted) == 4 * 5


def test_one_run_that_two_grids_name_is_one():
    assert len(members(study([*GRID, *GRID]))) == 8


def test_narrowed():
    runs = members(study(GRID), models=["resnet32"], regimes=["all"])
    assert [one.recipe.name for one in runs] == ["resnet32_all"] * 2
    with pytest.raises(InputError, match=r"no model 'resnet15'; it has resnet14, resnet32\."):
        members(study(GRID), models=["resnet15"])
    with pytest.raises(InputError, match=r"no regime 'output'; it has all, bnonly\."):
        members(study(GRID), regimes=["output"])


def test_shards_are_all_of_it_once():
    runs = members(study(GRID))
    shares = [share_of(runs, shard, 3) for shard in (1, 2, 3)]
    assert [len(share) for share in shares] == [3, 3, 2]
    assert shares[1] == [runs[1], runs[4], runs[7]]
    assert {one.directory for share in shares for one in share} == {one.directory for one in runs}


@pytest.mark.parametrize(
    ("model", "regime", "places"),
    [
        # By hand: ResNet-14 has 175,258 values, 1,120 of them γ and β.
        ("resnet14", "all", (14, 1, None, 175258)),
        ("resnet14", "bnonly", (14, 1, None, 1120)),
        ("wrn14x2", "bnonly", (14, 2, None, 2240)),
        ("vgg11", "random4output", (11, 1, 4, None)),
        ("mlp", "bnoutput", (None, None, None, 6154)),
        ("tweets_lstm", "all", (None, None, None, None)),
    ],
)
def test_places_along_axes(model, regime, places):
    (member,) = members(study([{"models": [model], "regimes": [regime]}]), replicates=1)
    found = tuple(member.at(axis) for axis in ("depth", "width", "k", "parameters"))
    assert found[:3] == places[:3]
    assert places[3] in (found[3], None)
    assert member.at("model") == model
    assert member.at("variant") is None
