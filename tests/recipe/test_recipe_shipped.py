"""Every shipped recipe: found, valid, described, and equal after a round trip."""

import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

import bnkeras.recipes
from bnkeras import recipe
from bnkeras.errors import RecipeError
from bnkeras.pipelines import DATASETS
from bnkeras.recipe._parts import composition, part, part_names, tuned
from bnkeras.regimes import REGIMES

FOLDER = Path(bnkeras.recipes.__file__).parent
FILES = sorted(path for kind in ("models", "regimes") for path in FOLDER.glob(f"{kind}/*.toml"))
TUNED = sorted(FOLDER.glob("tuned/*.toml"))
NAMES = recipe.names()


def test_every_file_is_a_part_that_something_uses():
    assert len(FILES) > 10
    used = set()
    for kind in ("models", "regimes"):
        for name in part_names(kind):
            draft = part(kind, name)
            origins = {text for text in draft._origins.values() if text.startswith("file ")}
            used |= {Path(text.removeprefix("file ")) for text in origins}
    assert set(FILES) == used


CIFAR = [f"resnet{depth}" for depth in (14, 32, 56, 110, 218, 434, 866)]
IMAGENET = [f"resnet{depth}" for depth in (18, 34, 50, 101, 200)]
WIDE = [f"wrn14x{width}" for width in (1, 2, 4, 8, 16, 32)]
VGG = [f"vgg{depth}" for depth in (11, 13, 16, 19)]
WITHOUT_SHORTCUTS = ["mlp", "tweets_lstm", "tweets_lstm_glove", *VGG]
LISTED = {*REGIMES, "random2", "random2output"}


def test_names_are_models_times_regimes():
    with_shortcuts = ["digits_resnet14", *CIFAR, *IMAGENET, *WIDE]
    assert set(recipe.models()) == {*with_shortcuts, *WITHOUT_SHORTCUTS}
    assert len(NAMES) == len(set(NAMES))
    assert {entry.name for entry in recipe.catalogue() if not entry.tuned} == {
        f"{model}_{regime}"
        for model in recipe.models()
        for regime in LISTED
        if model in with_shortcuts or regime not in ("shortcutoutput", "bnshortcutoutput")
    }


def test_models_are_listed_by_depth_and_width():
    names = list(recipe.models())
    by_depth = sorted(CIFAR + IMAGENET, key=lambda name: int(name.removeprefix("resnet")))
    assert [name for name in names if name in by_depth] == by_depth
    assert [name for name in names if name in WIDE] == WIDE


@pytest.mark.parametrize("model", [*CIFAR[:1], *IMAGENET[-1:], *WIDE[-1:], *WITHOUT_SHORTCUTS])
def test_there_is_a_random_regime_for_every_k(model):
    for k, variant in product((1, 2, 3, 16), ("", "spread", "output", "spreadoutput")):
        loaded = recipe.load(f"{model}_random{k}{variant}")
        assert loaded.model.regime == f"random{k}{variant}"
        assert f"{k} random weight" in loaded.about.title
        assert ("spread" in loaded.about.title) == ("spread" in variant)
    with pytest.raises(RecipeError, match="has no regime 'random0'"):
        recipe.load(f"{model}_random0")


def test_a_regime_part_is_named_after_its_regime():
    assert set(recipe.regimes()) == LISTED
    for name in recipe.regimes():
        assert part("regimes", name).get(("model", "regime")) == name


def test_tuned_recipes_are_found_beside_what_they_change():
    entries = {entry.name: entry for entry in recipe.catalogue() if entry.tuned}
    assert TUNED
    assert set(entries) == {path.stem for path in TUNED}
    order = [entry.model for entry in recipe.catalogue()]
    assert list(dict.fromkeys(order)) == list(recipe.models())
    assert order == sorted(order, key=list(recipe.models()).index)


@pytest.mark.parametrize("name", [path.stem for path in TUNED])
def test_a_tuned_recipe_is_a_composition_with_other_settings(name):
    parent, own = tuned(name)
    (entry,) = (entry for entry in recipe.catalogue() if entry.name == name)
    assert composition(name) is None, "the composition of that name would not be found any more"
    assert composition(parent) == (entry.model, entry.regime)
    loaded, extended = recipe.load(name), recipe.load(parent)
    changed = {key.partition(".")[0] for key in extended.differences(loaded)}
    assert changed
    assert changed <= {"model", "data", "train"}
    assert loaded.model.regime == entry.regime
    assert loaded.model.network == extended.model.network
    # What it reaches and how long it takes, it says itself.
    assert (loaded.expected is None) == (own.get(("expected", entry.regime)) is None)
    assert loaded.about.model_dump(exclude_none=True) == own.get(("about",))


@pytest.mark.parametrize("path", [*FILES, *TUNED], ids=lambda path: path.stem)
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
    assert name.endswith(f"_{loaded.model.regime}") or (FOLDER / f"tuned/{name}.toml").exists()
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


@pytest.mark.parametrize("model", recipe.models())
def test_the_network_fits_the_dataset(model):
    loaded = recipe.load(f"{model}_bnonly")
    spec = DATASETS[loaded.data.dataset]
    assert loaded.model.classes == len(spec.class_names)
    assert (loaded.model.network == "tweet_lstm") == (spec.kind == "texts")
    if spec.kind == "pixels":
        assert loaded.model.input_shape == spec.image_shape


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
        "norm": "batch",
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


def test_the_papers_settings_on_imagenet():
    loaded = recipe.load("resnet200_bnonly")
    train = loaded.train
    assert (train.epochs, train.batch_size, train.learning_rate) == (90, 1024, 0.4)
    assert (train.milestones, train.decay, train.warmup_epochs) == ((30, 60, 80), 0.1, 5)
    assert (train.momentum, train.l2) == (0.9, 1e-4)
    assert (loaded.data.crop_scale, loaded.data.crop_aspect) == ((0.1, 1.0), (0.8, 1.25))
    assert (loaded.data.image_size, loaded.data.flip) == (224, True)
    assert str(loaded.expected) == "32.0% top-5"


def test_torris_settings_on_tweets():
    loaded = recipe.load("tweets_lstm_bnonly")
    train = loaded.train
    assert (train.optimizer, train.learning_rate, train.batch_size) == ("adam", 1e-3, 32)
    assert (train.epochs, train.keep, loaded.data.validation) == (100, "best", 10)
    assert loaded.model.build_arguments() == {
        "units": 100,
        "classes": 2,
        "gamma": "constant(1)",
        "beta": "constant(0)",
        "norm": "batch",
    }
    assert recipe.load("tweets_lstm_glove_bnonly").expected.accuracy == 74


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
        text = {"tokenizer", "minimum_count", "glove", "glove_export"}
        assert set(section.model_fields) - {"network", "regime"} - text <= parameters
