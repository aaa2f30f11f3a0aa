"""A user's own files: what they extend, what they change, and how they can go wrong."""

import pytest

from bnkeras import recipe
from bnkeras.errors import RecipeError, RegimeError
from bnkeras.regimes import check_regime

WHOLE = """
[model]
network = "mlp"
regime = "bnonly"
hidden = [8]

[data]
dataset = "cifar10"

[train]
epochs = 1
batch_size = 16
optimizer = "sgd"
learning_rate = 1
"""


@pytest.fixture
def write(tmp_path):
    def _write(name, text):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return _write


def message(reference, *overrides):
    with pytest.raises(RecipeError) as caught:
        recipe.load(reference, overrides)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_file_may_extend_a_shipped_recipe(write):
    path = write("mine.toml", 'extends = "resnet14_bnonly"\nseed = 3\n[train]\nepochs = 20\n')
    loaded = recipe.load(path)
    shipped = recipe.load("resnet14_bnonly")
    assert (loaded.name, loaded.base) == ("mine", "resnet14_bnonly")
    assert loaded.changes == {"seed": (0, 3), "train.epochs": (160, 20)}
    assert shipped.differences(loaded) == loaded.changes
    assert loaded != shipped
    assert loaded.model == shipped.model
    assert loaded.about == shipped.about


def test_a_file_may_extend_a_tuned_recipe(write):
    path = write("mine.toml", 'extends = "resnet14_bnonly_tuned"\n[train]\nepochs = 3\n')
    loaded, tuned = recipe.load(path), recipe.load("resnet14_bnonly_tuned")
    assert (loaded.name, loaded.base) == ("mine", "resnet14_bnonly_tuned")
    assert loaded.changes == {"train.epochs": (tuned.train.epochs, 3)}
    assert recipe.load("resnet14_bnonly_tuned", ["train.epochs=3"]) == loaded
    assert "from resnet14_bnonly_tuned: train.epochs " in loaded.to_toml()


def test_a_path_may_be_text(write):
    path = write("mine.toml", 'extends = "resnet14_bnonly"')
    assert recipe.load(str(path)) == recipe.load("resnet14_bnonly")


def test_expected_accuracy_does_not_survive_other_settings(write):
    assert recipe.load("resnet14_bnonly").expected.accuracy == 48
    harmless = ["train.checkpoint_minutes=1", "strategy.name=single", "train.epochs=160"]
    assert recipe.load("resnet14_bnonly", harmless, seed=7).expected.accuracy == 48
    assert recipe.load("resnet14_bnonly", ["train.epochs=20"]).expected is None
    own = 'extends = "resnet14_bnonly"\n[train]\nepochs = 20\n'
    assert recipe.load(write("a.toml", own)).expected is None
    own += '[expected.bnonly]\naccuracy = 44.2\nseeds = 1\nfrom = "measured here: results/a"\n'
    expected = recipe.load(write("b.toml", own)).expected
    assert (expected.accuracy, expected.seeds, expected.spread) == (44.2, 1, None)
    assert str(expected) == "44.2%"


def test_another_regime_is_expected_to_reach_something_else():
    assert recipe.load("resnet14_bnonly", ["model.regime=shortcutoutput"]).expected is None


def test_extends_is_seen_from_the_file(write):
    write("base.toml", 'extends = "resnet14_bnonly"\n[train]\nepochs = 20\nmomentum = 0.5\n')
    path = write("deeper/mine.toml", 'extends = "../base.toml"\n[train]\nepochs = 2\n')
    train = recipe.load(path).train
    assert (train.epochs, train.momentum, train.batch_size) == (2, 0.5, 128)


def test_a_file_may_stand_alone(write):
    loaded = recipe.load(write("whole.toml", WHOLE))
    assert loaded.model.hidden == (8,)
    assert loaded.base is None
    assert loaded.about.title is None
    assert loaded.train.learning_rate == 1.0
    assert (loaded.strategy.name, loaded.train.precision) == ("auto", "float32")


def test_a_circle_is_refused(write):
    write("a.toml", 'extends = "b.toml"')
    path = write("b.toml", 'extends = "a.toml"')
    text = message(path)
    assert "circle" in text
    assert text.count("b.toml") == 2
    assert "circle" in message(write("self.toml", 'extends = "./self.toml"'))


def test_extending_what_does_not_exist_names_the_file(write):
    path = write("mine.toml", 'extends = "resnet14_bnolny"')
    assert message(path).startswith(f"{path} extends 'resnet14_bnolny'. No recipe")
    path = write("other.toml", 'extends = "nowhere.toml"')
    assert f"{path} extends 'nowhere.toml'. No recipe file" in message(path)
    assert "received 3" in message(write("third.toml", "extends = 3"))


def test_a_missing_file_lists_its_neighbours(write, tmp_path):
    write("mine.toml", WHOLE)
    text = message(tmp_path / "mien.toml")
    assert str(tmp_path / "mien.toml") in text
    assert "In that folder: mine.toml." in text
    assert message("nowhere/at/all.toml") == "No recipe file nowhere/at/all.toml."


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"seed = 1\n[model\n", "mine.toml, line 2, column 7: not valid TOML"),
        (b"seed = 1\nseed = 2\n", "line 2"),
        (b'seed = "', "mine.toml, at its end: not valid TOML"),
        (b"seed = " + b"9" * 5000, "mine.toml is not valid TOML"),
        (b"title = '\xff'", "is UTF-8 text; byte 9 is not"),
    ],
)
def test_what_is_not_toml_is_placed(tmp_path, content, place):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    text = message(path)
    assert str(path) in text
    assert place in text


def test_a_folder_is_no_recipe(tmp_path):
    (tmp_path / "folder.toml").mkdir()
    assert "Cannot read" in message(tmp_path / "folder.toml")


def test_all_faults_of_a_file_at_once(write):
    path = write(
        "mine.toml",
        """
        extends = "resnet14_bnonly"
        sede = 1
        [train]
        epochs = "ten"
        learning_rte = 0.1
        milestones = [80, 40]
        [data]
        dataset = "cifar100"
        flip = 1
        [trian]
        epochs = 1
        batch_size = 2
        [about]
        title = 3
        [expected.bnoutptu]
        accuracy = 101
        """,
    )
    lines = message(path).splitlines()
    assert lines[0] == f"The recipe {path} has 11 faults:"
    file = f"(file {path})"
    with pytest.raises(RegimeError) as no_regime:
        check_regime("bnoutptu")
    assert set(lines[1:]) == {
        f'  train.epochs: must be an integer ≥ 1; received "ten" {file}',
        "  train.learning_rte: is not a setting; received 0.1. "
        f"Did you mean 'train.learning_rate'? {file}",
        "  train.milestones: must be a list of epochs ≥ 1, each greater than the one before; "
        f"received [80, 40] {file}",
        "  data.dataset: Unknown dataset 'cifar100'. Did you mean 'cifar10'? Known: cifar10, "
        f"digits, imagenet, tweets, folder/NAME, tfds/NAME. {file}",
        f"  data.flip: must be true or false; received 1 {file}",
        f"  about.title: must be text that is not empty; received 3 {file}",
        f"  expected.bnoutptu: {no_regime.value} {file}",
        "  expected.bnoutptu.accuracy: must be a percentage, 0 to 100; received 101 " + file,
        "  expected.bnoutptu.from: is missing; it must be text that is not empty",
        f"  sede: is not a setting; received 1. Did you mean 'seed'? {file}",
        f"  trian: is not a setting. Did you mean 'train'? {file}",
    }


def test_what_is_missing_is_named(write):
    path = write("mine.toml", '[model]\nnetwork = "resnet_cifar"\n[data]\n')
    assert message(path).splitlines()[1:] == [
        '  model.regime: is missing; it must be one of "all", "bnonly", "bnoutput", "output", '
        '"bnshortcutoutput", "shortcutoutput", "frozenbn", or random<k> such as "random2"',
        "  model.depth: is missing; it must be an integer 6n + 2 with n ≥ 1",
        '  data.dataset: is missing; it must be one of "cifar10", "digits", "imagenet", "tweets", '
        '"folder/NAME", "tfds/NAME" or "given"',
        "  train: is missing; it must be a table",
    ]
    path = write("none.toml", "[model]\ndepth = 14\n")
    assert '  model.network: is missing; it must be one of "resnet_cifar", ' in message(path)


def test_a_fault_names_the_file_that_holds_it(write):
    base = write("base.toml", 'extends = "resnet14_bnonly"\n[train]\nepochs = 0\nl2 = -1\n')
    path = write("mine.toml", 'extends = "base.toml"\n[train]\nl2 = "no"\n')
    lines = message(path).splitlines()
    assert lines[1] == f"  train.epochs: must be an integer ≥ 1; received 0 (file {base})"
    assert lines[2] == f'  train.l2: must be a number ≥ 0; received "no" (file {path})'


def test_a_number_in_quotes_is_no_number(write):
    path = write("mine.toml", 'extends = "resnet14_bnonly"\n[train]\nepochs = "3"\n')
    assert 'received "3". Write 3 without quotes.' in message(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("model = 3", "model: must be a table; received 3"),
        ("expected = 3", "expected: must be a table; received 3"),
        ("about = [1]", "about: must be a table; received [1]"),
        ("[expected]\nbnonly = 3", "expected.bnonly: must be a table; received 3"),
        ("[excludes]\nall = 3", "excludes.all: must be text that is not empty; received 3"),
        ("[expected.bnonly]\naccuracy=1\nfrom='x'\nspread='y'", 'be a number ≥ 0; received "y"'),
        ("[train]\nepochs = 2024-01-01", "an integer ≥ 1; received 2024-01-01"),
        ("zzz = 3", "zzz: is not a setting; received 3. A recipe has extends, seed, model, data, "),
        ("extend = 'x'", "extend: is not a setting; received \"x\". Did you mean 'extends'?"),
    ],
)
def test_what_should_be_a_table_or_text(write, text, sentence):
    path = write("mine.toml", f'extends = "resnet14_bnonly"\n{text}\n')
    header, line = message(path).splitlines()
    assert header == f"The recipe {path} has a fault:"
    assert sentence in line
    assert line.endswith(f"(file {path})")


def test_a_key_in_the_wrong_table_is_sent_home(write):
    path = write("mine.toml", 'extends = "resnet14_bnonly"\n[train]\nseed = 3\n')
    assert "train.seed: is not a setting; received 3. Did you mean 'seed'?" in message(path)
