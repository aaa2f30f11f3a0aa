"""Every shipped recipe: found, valid, described, and equal after a round trip."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import bnkeras.recipes
from bnkeras import recipe
from bnkeras.pipelines import DATASETS
from bnkeras.recipe._parts import part, part_names
from bnkeras.regimes import REGIMES

FOLDER = Path(bnkeras.recipes.__file__).parent
FILES = sorted(FOLDER.rglob("*.toml"))
NAMES = recipe.names()


def test_every_file_is_a_part_that_something_uses():
    assert len(FILES) > 10
    used = set()
    for kind in ("models", "regimes"):
        for name in part_names(kind):
            draft = part(kind, name)
            used.add(FOLDER / kind / f"{name}.toml")
            used |= {Path(text.removeprefix("file ")) for text in draft._origins.values()}
    assert set(FILES) == used


def test_names_are_models_times_regimes():
    assert len(NAMES) == len(set(NAMES)) == 61
    models = ["resnet14", "resnet32", "resnet56", "resnet110", "resnet218", "resnet434"]
    assert list(recipe.models()) == ["digits_resnet14", "mlp", *models, "resnet866"]
    assert {f"{model}_{regime}" for model in models for regime in REGIMES} <= set(NAMES)
    assert "mlp_bnoutput" in NAMES
    assert not {"mlp_shortcutoutput", "mlp_bnshortcutoutput"} & set(NAMES)


def test_a_regime_part_is_named_after_its_regime():
    assert set(recipe.regimes()) == set(REGIMES)
    for name in recipe.regimes():
        assert part("regimes", name).get(("model", "regime")) == name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_part_opens_with_what_it_is(path):
    text = path.read_text()
    tables = re.findall(r"^\[(.*)\]$", text, re.M)
    assert tables[0] == "about"
    assert re.search(r'^title = ".+"$', text, re.M)
    assert re.search(r'^source = ".+"$', text, re.M)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_loads_and_says_what_it_is(name):
    loaded = recipe.load(name)
    assert loaded.name == loaded.base == name
    assert loaded.changes == {}
    assert name.endswith(f"_{loaded.model.regime}")
    assert all((loaded.about.title, loaded.about.source))
    assert all((loaded.about.hardware, loaded.about.duration))
    if loaded.expected is not None:
        assert loaded.expected.source.startswith(("paper: ", "measured here: ", "third party"))


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_survives_its_own_toml(name, tmp_path):
    loaded = recipe.load(name)
    path = tmp_path / "mine.toml"
    path.write_text(loaded.to_toml(), encoding="utf-8")
    again = recipe.load(path)
    assert again == loaded
    assert again.differences(loaded) == {}
    assert again.as_dict() == loaded.as_dict()
    assert again.name == "mine"


@pytest.mark.parametrize("name", NAMES)
def test_the_network_fits_the_dataset(name):
    loaded = recipe.load(name)
    spec = DATASETS[loaded.data.dataset]
    assert loaded.model.input_shape == spec.image_shape
    assert loaded.model.classes == len(spec.class_names)


def test_the_papers_settings():
    loaded = recipe.load("resnet110_bnonly")
    assert loaded.seed == 0
    assert loaded.model.build_arguments() == {
        "depth": 110,
        "width": 1,
        "classes": 10,
        "input_shape": (32, 32, 3),
        "features": "he_normal",
        "gamma": "uniform(0, 1)",
        "beta": "constant(0)",
    }
    train = loaded.train
    assert (train.epochs, train.batch_size, train.milestones) == (160, 128, (80, 120))
    assert (train.optimizer, train.learning_rate, train.momentum, train.l2) == (
        "sgd",
        0.1,
        0.9,
        1e-4,
    )
    assert (loaded.data.translate, loaded.data.flip, loaded.data.scale) == (4, True, "channel")
    assert (loaded.expected.accuracy, loaded.expected.seeds) == (69.5, 5)
    assert recipe.load("resnet110_all").expected is None


def test_torris_settings():
    loaded = recipe.load("mlp_bnoutput")
    train = loaded.train
    assert (train.optimizer, train.learning_rate, train.batch_size) == ("adam", 1e-3, 32)
    assert (train.epochs, train.keep, loaded.data.validation) == (100, "best", 10)
    assert (loaded.data.scale, loaded.data.flip, loaded.data.translate) == ("unit", False, 0)
    assert "6,154" in loaded.about.source


def test_recipes_need_neither_keras_nor_tensorflow():
    probe = (
        "import sys, bnkeras.recipe as r; early = 'pydantic' in sys.modules; "
        "[r.load(name) for name in r.names()]; "
        "print(early, {'keras', 'tensorflow'} & set(sys.modules) or 'none')"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "none"]


def test_build_arguments_are_the_builders_own():
    from bnkeras.recipe._schema import NETWORKS

    for name, section in NETWORKS.items():
        source = FOLDER.parent / "bnkeras" / "models" / f"{name}.py"
        if not source.is_file():
            pytest.skip("not run from the checkout")
        accepted = re.search(rf"def {name}\((.*?)\) ->", source.read_text(), re.S).group(1)
        parameters = set(re.findall(r"^\s+(\w+):", accepted, re.M))
        assert set(section.model_fields) - {"network", "regime"} <= parameters
