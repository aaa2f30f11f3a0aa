"""`bnkeras recipe list` and `bnkeras recipe show`."""

import json
from functools import partial

import pytest

from bnkeras import recipe
from bnkeras.cli.recipe import _complete, _default_directory


@pytest.fixture
def run(call_bnkeras):
    return partial(call_bnkeras, "recipe")


def test_list_is_a_line_per_model(run):
    code, out, err = run("list")
    assert (code, err) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in out.splitlines() if len(line.split()) > 1)
    assert set(recipe.models()) <= set(lines)
    words = {name: " ".join(line.split()) for name, line in lines.items()}
    assert words["resnet14"].startswith("175,258 1,120 bnonly 48.0, bnshortcutoutput 63.0,")
    assert words["resnet200"] == "64,673,832 176,000 bnonly 32.0 top-5, bnoutput 57.0 top-5,"
    assert words["tweets_lstm"].startswith("about 4,899,806 604 all 78.0")
    assert words["bnonly"] == "γ and β only"
    tuned = [entry.name for entry in recipe.catalogue() if entry.tuned]
    assert tuned
    assert set(tuned) <= set(lines)
    assert words["resnet14_bnonly_tuned"].startswith("1,120 ")
    for name in tuned:
        assert words[name].endswith(recipe.load(name).about.title)
    assert out.index("Dataset cifar10") < out.index("wrn14x32") < out.index("Dataset imagenet")
    assert max(map(len, out.splitlines())) <= 80


def test_list_of_a_model_shows_its_recipes_and_sources(run):
    code, out, err = run("list", "resnet14", "mlp")
    assert (code, err) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in out.splitlines() if len(line.split()) > 1)
    names = {name for name in recipe.names() if name.startswith(("resnet14_", "mlp_"))}
    assert {name for name in lines if "_" in name} == names
    row = "resnet14_bnonly 1,120 48.0% paper: Frankle et al. 2021, Figure 2 resnet14_bnoutput"
    assert row in " ".join(out.split())
    assert lines["resnet14_random2output"].strip() == "1,770"
    assert "network resnet_cifar, dataset cifar10, 175,258 parameters, of which train:" in out


def test_list_of_an_unknown_model(run):
    code, out, err = run("list", "resnet15")
    assert (code, out) == (2, "")
    assert err.startswith("bnkeras: No model 'resnet15'. Did you mean 'resnet")
    assert run("list", "resnet15", "--json")[0] == 2


def test_list_as_json(run):
    code, out, _ = run("list", "--json")
    rows = {row["recipe"]: row for row in json.loads(out)}
    assert code == 0
    assert list(rows) == recipe.names()
    assert rows["resnet14_bnonly"] == {
        "model": "resnet14",
        "recipe": "resnet14_bnonly",
        "dataset": "cifar10",
        "network": "resnet_cifar",
        "regime": "bnonly",
        "tuned": False,
        "parameters": 175_258,
        "trained": 1_120,
        "accuracy": 48.0,
        "top5": False,
        "spread": None,
        "seeds": 5,
        "from": "paper: Frankle et al. 2021, Figure 2",
    }
    tuned = rows["resnet14_bnonly_tuned"]
    assert (tuned["model"], tuned["regime"], tuned["tuned"]) == ("resnet14", "bnonly", True)
    some = json.loads(run("list", "mlp", "--json")[1])
    assert [row["recipe"] for row in some] == [n for n in recipe.names() if n.startswith("mlp_")]


def test_show_prints_a_recipe_that_loads_again(run, tmp_path):
    code, out, err = run(
        "show", "resnet14_bnonly", "--set", "train.epochs=20", "--set", "train.milestones=[10,15]"
    )
    assert (code, err) == (0, "")
    path = tmp_path / "mine.toml"
    path.write_text(out, encoding="utf-8")
    wanted = recipe.load("resnet14_bnonly", ["train.epochs=20", "train.milestones=[10,15]"])
    assert recipe.load(path) == wanted
    assert run("show", path)[1].split("\n\n", 1)[1] == out.split("\n\n", 1)[1]


def test_show_as_json(run):
    code, out, _ = run("show", "mlp_bnoutput", "--seed", "7", "--json")
    shown = json.loads(out)
    assert code == 0
    assert shown["recipe"] == "mlp_bnoutput"
    assert shown["seed"] == 7
    assert shown["changes"] == {"seed": [0, 7]}
    assert shown["expected"]["from"].startswith("paper: Torri 2022")
    assert shown["about"]["hardware"]
    assert shown["train"] == recipe.load("mlp_bnoutput").as_dict()["train"]


def test_a_tuned_recipe_is_shown_and_completed(run):
    name = "resnet14_bnonly_tuned"
    code, out, err = run("show", name, "--seed", "7", "--json")
    shown = json.loads(out)
    assert (code, err) == (0, "")
    assert (shown["recipe"], shown["base"]) == (name, name)
    assert shown["changes"] == {"seed": [0, 7]}
    assert shown["train"] == recipe.load(name).as_dict()["train"]
    assert name in _complete("resnet14_bnonly")


def test_an_unknown_name_is_a_short_message(run):
    code, out, err = run("show", "resnet14_bnolny")
    assert (code, out) == (2, "")
    assert err.startswith("bnkeras: No recipe 'resnet14_bnolny'")
    assert "Did you mean 'resnet14_bnonly'?" in err
    assert err.count("\n") == 1


def test_faults_are_a_line_each(run):
    code, out, err = run(
        "show", "resnet14_bnonly", "--set", "train.epochs=ten", "--set", "train.epoch=3"
    )
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "bnkeras: The recipe resnet14_bnonly has 2 faults:",
        '  train.epochs: must be an integer ≥ 1; received "ten" (--set train.epochs=ten)',
        "  train.epoch: is not a setting; received 3. Did you mean 'train.epochs'? "
        "(--set train.epoch=3)",
    ]


def test_a_setting_that_came_later_leaves_directories_their_names():
    name = "resnet14_bnonly"

    def directory(*settings):
        return _default_directory(name, recipe.load(name, settings)).as_posix()

    short = ["train.epochs=20", "train.milestones=[10,15]"]
    # Pinned: the same command has to find the run that it began with an earlier version.
    assert directory(*short) == "runs/resnet14_bnonly-93d65c"
    assert directory(*short, "train.schedule=cosine") != directory(*short)
    assert directory() == "runs/resnet14_bnonly"


@pytest.mark.parametrize("command", ["list", "show"])
def test_help_has_examples(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"bnkeras recipe {command}" in out.split("Examples:")[1]
