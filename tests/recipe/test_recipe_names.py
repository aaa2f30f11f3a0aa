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
