"""Names that do not exist, and parts that are broken."""

import pytest

from bnkeras import recipe
from bnkeras.errors import RecipeError
from bnkeras.recipe import _parts


def message(name):
    with pytest.raises(RecipeError) as caught:
        recipe.load(name)
    return str(caught.value)


def test_the_nearest_name_is_suggested():
    text = message("rsenet14_bnonly")
    assert text.startswith("No recipe 'rsenet14_bnonly'. Did you mean 'resnet14_bnonly'?")
    assert text.endswith("`bnkeras recipe list` shows all.")
    assert message("quite_something") == (
        "No recipe 'quite_something'. `bnkeras recipe list` shows all."
    )
    assert message("") == "No recipe ''. `bnkeras recipe list` shows all."


def test_a_known_model_with_an_unknown_regime():
    assert message("digits_resnet14_bnolny") == (
        "No recipe 'digits_resnet14_bnolny': the model digits_resnet14 has no regime 'bnolny'. "
        "It has all, bnonly, bnoutput, bnshortcutoutput, frozenbn, output, random2, "
        "random2output, shortcutoutput, and random<k> for every k. "
        "Did you mean 'digits_resnet14_bnonly'? `bnkeras recipe list` shows all."
    )


def test_a_regime_that_the_model_excludes():
    text = message("mlp_shortcutoutput")
    assert "has no regime 'shortcutoutput', since an MLP has no shortcuts. It has all, " in text


def test_a_model_alone():
    text = message("resnet14")
    assert "that is a model alone. Add a regime, such as resnet14_all;" in text


def test_a_base_is_no_recipe():
    assert "No recipe" in message("_resnet_cifar_bnonly")


def test_a_tuned_recipe_is_suggested_too():
    text = message("resnet14_bnonly_tuend")
    assert "the model resnet14 has no regime 'bnonly_tuend'. It has all, bnonly, " in text
    assert "Did you mean 'resnet14_bnonly_tuned'?" in text
    assert "Did you mean 'resnet14_bnonly_tuned'?" in message("rsenet14_bnonly_tuned")


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """A folder of parts of our own."""
    monkeypatch.setattr(_parts, "ROOT", tmp_path)

    def write(name, text):
        path = tmp_path / f"{name}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    write("regimes/all", '[about]\ntitle = "all"\nsource = "s"\n[model]\nregime = "all"\n')
    return write


def test_the_extending_part_wins(parts):
    parts("models/_a", "[train]\nepochs = 1\nbatch_size = 2\nmilestones = [1, 2]\n")
    parts("models/b", 'extends = "_a"\n[train]\nepochs = 3\nmilestones = [4]\n')
    draft = _parts.part("models", "b")
    assert draft.values == {"train": {"epochs": 3, "batch_size": 2, "milestones": [4]}}
    assert draft.origin(("train", "epochs")).endswith("b.toml")
    assert draft.origin(("train", "batch_size")).endswith("_a.toml")
    assert recipe.names() == ["b_all"]


def test_parts_that_extend_each_other(parts):
    parts("models/a", 'extends = "b"')
    parts("models/b", 'extends = "a"')
    assert "circle" in message("a_all")


def test_a_part_that_extends_nothing_there_is(parts):
    path = parts("models/a", 'extends = "zzz"')
    assert f"{path} extends 'zzz'. No recipe file" in message("a_all")


def test_the_faults_of_a_part_name_its_file(parts):
    path = parts("models/a", '[about]\ntitle = 3\n[model]\nnetwork = "mlp"\nhidden = "many"\n')
    text = message("a_all")
    assert f"about.title: must be text that is not empty; received 3 (file {path})" in text
    assert f'received "many" (file {path})' in text
    assert "train: is missing" in text


SMALL = """
[about]
title = "small"
source = "s"
hardware = "h"
duration = "d"
[expected.all]
accuracy = 50
from = "paper: p"
[model]
network = "mlp"
hidden = [8]
[data]
dataset = "cifar10"
[train]
epochs = 1
batch_size = 2
optimizer = "sgd"
learning_rate = 1
"""


def test_a_tuned_recipe(parts):
    parts("models/b", SMALL)
    parts("models/a", SMALL)
    path = parts(
        "tuned/b_better",
        'extends = "b_all"\n[about]\ntitle = "tuned"\nsource = "t"\n[train]\nl2 = 0.5\n',
    )
    assert recipe.catalogue() == [
        recipe.Entry("a_all", "a", "all"),
        recipe.Entry("b_all", "b", "all"),
        recipe.Entry("b_better", "b", "all", tuned=True),
    ]
    assert recipe.names() == ["a_all", "b_all", "b_better"]
    loaded = recipe.load("b_better")
    assert recipe.load("b_all").differences(loaded) == {"train.l2": (0.0, 0.5)}
    assert (loaded.name, loaded.base, loaded.changes) == ("b_better", "b_better", {})
    assert recipe.load("b_all").expected.accuracy == 50
    assert loaded.expected is None
    assert (loaded.about.title, loaded.about.source) == ("tuned", "t")
    assert (loaded.about.hardware, loaded.about.duration) == (None, None)
    # Nor is what it expects inherited where its settings are those that it extends.
    own = '[expected.all]\naccuracy = 60\nfrom = "measured here: m"\n'
    parts("tuned/b_better", f'extends = "b_all"\n{own}')
    parts("tuned/b_same", 'extends = "b_all"\n')
    _parts._read.cache_clear()
    assert recipe.load("b_better").expected.accuracy == 60
    assert recipe.load("b_better", ["train.l2=1"]).expected is None
    assert recipe.load("b_same").expected is None
    parts("tuned/b_better", 'extends = "b_all"\n[train]\nl2 = -1\n')
    _parts._read.cache_clear()
    assert f"train.l2: must be a number ≥ 0; received -1 (file {path})" in message("b_better")


@pytest.mark.parametrize(
    ("extends", "received"),
    [
        ("", "received no extends."),
        ('extends = "b"', 'received "b".'),
        ('extends = "b_other"', 'received "b_other".'),
        ('extends = "b_better"', 'received "b_better".'),
    ],
)
def test_a_tuned_recipe_extends_a_composition(parts, extends, received):
    parts("models/b", SMALL)
    path = parts("tuned/b_better", extends)
    text = message("b_better")
    assert text.startswith(f"{path}: a tuned recipe extends the MODEL_REGIME whose settings")
    assert text.endswith(received)
