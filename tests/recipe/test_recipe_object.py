"""The recipe as an object: frozen, comparable, printable."""

import json
import tomllib

import pydantic
import pytest

from bnkeras import recipe
from bnkeras.errors import RecipeError
from bnkeras.settings.toml import literal


def test_nothing_changes_afterwards():
    loaded = recipe.load("resnet14_bnonly")
    with pytest.raises(pydantic.ValidationError):
        loaded.train.epochs = 3
    with pytest.raises(AttributeError):
        loaded.seed = 3
    arguments = loaded.model.build_arguments()
    arguments["depth"] = 20
    loaded.as_dict()["model"]["depth"] = 20
    assert loaded.model.depth == 14


def test_differences_are_own_and_other():
    short = recipe.load("resnet14_bnonly", ["train.epochs=20"])
    assert recipe.load("resnet14_bnonly").differences(short) == {"train.epochs": (160, 20)}
    assert short.differences(recipe.load("resnet14_bnonly")) == {"train.epochs": (20, 160)}
    network = recipe.load("resnet14_bnonly").differences(recipe.load("mlp_bnonly"))
    assert network["model.depth"] == (14, None)
    assert network["model.hidden"] == (None, [1024, 512, 256])


def test_the_header_says_what_it_is():
    lines = recipe.load("resnet14_bnonly").to_toml().splitlines()
    assert lines[0] == "# recipe:   resnet14_bnonly, ResNet-14 on CIFAR-10: γ and β only"
    assert lines[1].startswith("# source:   Frankle, Schwab, Morcos 2021")
    assert lines[2].startswith("# hardware: ")
    assert lines[3].startswith("# duration: ")
    assert lines[4] == (
        "# expected: 48.0% test accuracy, mean of 5 seeds (paper: Frankle et al. 2021, Figure 2)"
    )
    digits = recipe.load("digits_resnet14_bnonly").to_toml()
    assert "% test accuracy, one seed (measured here: make quickstart)" in digits
    changed = recipe.load("resnet14_bnonly", ["data.fingerprint=abc", "train.epochs=20"]).to_toml()
    assert "# expected: not known for these settings\n" in changed
    assert (
        "# changed:  from resnet14_bnonly: train.epochs 160 → 20; "
        'data.fingerprint unset → "abc"\n' in changed
    )


def test_what_has_no_part_in_the_schedule_is_said(tmp_path):
    loaded = recipe.load("resnet14_bnonly", ["train.schedule=one_cycle"])
    lines = {line.partition(" = ")[0]: line for line in loaded.to_toml().splitlines()}
    assert lines["milestones"].startswith(
        'milestones = [80, 120]  # no part in "one_cycle"; of "steps": the rate drops as '
    )
    assert lines["decay"].startswith('decay = 0.1  # no part in "one_cycle"; of "steps": ')
    assert "no part" not in lines["warmup_epochs"] + lines["learning_rate"]
    assert "no part" not in recipe.load("resnet14_bnonly").to_toml()
    path = tmp_path / "mine.toml"
    path.write_text(loaded.to_toml(), encoding="utf-8")
    assert recipe.load(path) == loaded


def test_awkward_values_survive(tmp_path):
    path = tmp_path / 'a "name"\nseed = 9.toml'
    path.write_text('extends = "resnet14_bnonly"\n[data]\nfingerprint = "\\"\\\\\\u007f\\n é"\n')
    loaded = recipe.load(path)
    assert loaded.data.fingerprint == '"\\\x7f\n é'
    again = tmp_path / "again.toml"
    again.write_text(loaded.to_toml(), encoding="utf-8")
    assert recipe.load(again) == loaded
    assert recipe.load(again).seed == 0


@pytest.mark.parametrize(
    "value",
    ["a", 'q"\\\n\t\x01\x7f', 3, 2**64 - 1, 1e-7, 1e22, 0.1, True, [1, [2.5, "x"]], {"a": 1}],
)
def test_a_literal_reads_as_itself(value):
    assert tomllib.loads(f"x = {literal(value)}")["x"] == value


def test_the_settings_that_an_export_keeps_load_again():
    loaded = recipe.load("tweets_lstm_bnonly", ["train.epochs=3"], seed=5)
    settings = json.loads(json.dumps(loaded.as_dict()))
    again = recipe.from_settings(settings, "mine")
    assert again == loaded
    assert again.name == "mine"
    settings["train"]["epochs"] = -1
    with pytest.raises(
        RecipeError, match=r"(?s)mine has a fault:.*train\.epochs: must be .*received -1"
    ):
        recipe.from_settings(settings, "mine")


def test_settings_from_before_there_were_schedules_load():
    loaded = recipe.load("resnet14_bnonly")
    settings = loaded.as_dict()
    assert settings["train"].pop("schedule") == "steps"
    assert recipe.from_settings(settings, "before") == loaded
