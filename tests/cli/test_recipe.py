"""`bnkeras recipe list` and `bnkeras recipe show`."""

import json
from functools import partial

import pytest

from bnkeras import recipe


@pytest.fixture
def run(call_bnkeras):
    return partial(call_bnkeras, "recipe")


def test_list_shows_every_recipe(run):
    code, out, err = run("list")
    assert (code, err) == (0, "")
    words = out.split()
    assert [name for name in recipe.names() if name not in words] == []
    assert "ResNet-14 on CIFAR-10 (network resnet_cifar, dataset cifar10)" in out
    line = next(line for line in out.splitlines() if line.startswith("resnet14_bnonly "))
    assert line.split()[1:] == ["48.0%", "paper:", "Frankle", "et", "al.", "2021,", "Figure", "2"]
    assert max(map(len, out.splitlines())) <= 80
    assert "bnonly            γ and β only" in out


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
        "accuracy": 48.0,
        "spread": None,
        "seeds": 5,
        "from": "paper: Frankle et al. 2021, Figure 2",
    }


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


@pytest.mark.parametrize("command", ["list", "show"])
def test_help_has_examples(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"bnkeras recipe {command}" in out.split("Examples:")[1]
