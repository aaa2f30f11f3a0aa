"""`--set` and `--seed`: typed, validated and reported like what stands in a file."""

import doctest
import importlib

import pytest

from bnkeras import recipe
from bnkeras.errors import RecipeError


def message(name, *overrides, seed=None):
    with pytest.raises(RecipeError) as caught:
        recipe.load(name, overrides, seed)
    return str(caught.value)


def fault(*overrides, name="resnet14_bnonly"):
    header, line = message(name, *overrides).splitlines()
    assert header == f"The recipe {name} has a fault:"
    return line.strip()


def test_values_are_toml_or_text():
    loaded = recipe.load(
        "resnet14_bnonly",
        [
            "train.epochs=20",
            "train.milestones=[10,15]",
            "train.learning_rate = 5e-2",
            "data.flip=false",
            "model.gamma=uniform(-1, 1)",
            'model.beta="constant(1)"',
            "strategy.name=single",
            "train={warmup_epochs=2}",
        ],
    )
    train = loaded.train
    assert (train.epochs, train.milestones, train.warmup_epochs) == (20, (10, 15), 2)
    assert (train.learning_rate, loaded.data.flip) == (0.05, False)
    assert (loaded.model.gamma, loaded.model.beta) == ("uniform(-1, 1)", "constant(1)")
    assert loaded.strategy.name == "single"


def test_the_last_one_counts():
    loaded = recipe.load("resnet14_bnonly", ["train.epochs=1", "seed=3", "train.epochs=2"], seed=4)
    assert (loaded.train.epochs, loaded.seed) == (2, 4)


def test_fewer_epochs_leave_milestones_that_are_never_reached():
    loaded = recipe.load("resnet14_bnonly", ["train.epochs=2"])
    assert loaded.train.milestones == (80, 120)


def test_numbers_are_not_converted():
    assert recipe.load("resnet14_bnonly", ["train.learning_rate=1"]).train.learning_rate == 1
    assert recipe.load("resnet14_bnonly", ["model.width=2"]).as_dict()["model"]["width"] == 2
    assert isinstance(recipe.load("resnet14_bnonly").model.build_arguments()["width"], int)
    largest = 2**64 - 1
    assert recipe.load("resnet14_bnonly", seed=largest).as_dict()["seed"] == largest


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("train.epochs=ten", 'train.epochs: must be an integer ≥ 1; received "ten"'),
        ("train.epochs=true", "train.epochs: must be an integer ≥ 1; received true"),
        ("train.epochs=2.0", "train.epochs: must be an integer ≥ 1; received 2.0"),
        ("train.epochs=", 'train.epochs: must be an integer ≥ 1; received ""'),
        ("train.epochs=[2", 'train.epochs: must be an integer ≥ 1; received "[2"'),
        ("train.epochs=2\nseed=1", 'train.epochs: must be an integer ≥ 1; received "2\\nseed=1"'),
        ("train.epochs.x=1", "train.epochs: must be an integer ≥ 1; received a table"),
        ("train.epochs={}", "train.epochs: must be an integer ≥ 1; received a table"),
        ("train.learning_rate=nan", "train.learning_rate: must be a number > 0; received nan"),
        ("train.learning_rate=true", "train.learning_rate: must be a number > 0; received true"),
        ("train.momentum=1", "train.momentum: must be a number ≥ 0 and < 1; received 1"),
        ("data.validation=51", "data.validation: must be an integer, 0 to 50; received 51"),
        ("seed=-1", "seed: must be an integer, 0 to 2^64 − 1; received -1"),
        (f"seed={2**64}", f"seed: must be an integer, 0 to 2^64 − 1; received {2**64}"),
        ("strategy=3", "strategy: must be a table; received 3"),
        (
            "train.milestones=10",
            "train.milestones: must be a list of epochs ≥ 1, each greater than the one before; "
            "received 10",
        ),
        (
            "train.milestones=[10, true]",
            "train.milestones: must be a list of epochs ≥ 1, each greater than the one before; "
            "received [10, true]",
        ),
        (
            "model.input_shape=[32, 32]",
            "model.input_shape: must be a list [height, width, channels] of integers ≥ 1; "
            "received [32, 32]",
        ),
        (
            "train.optimizer=adm",
            'train.optimizer: must be one of "sgd", "adam"; received "adm". Did you mean \'adam\'?',
        ),
        (
            "train.schedule=onecycle",
            'train.schedule: must be one of "steps", "cosine", "one_cycle"; received "onecycle". '
            "Did you mean 'one_cycle'?",
        ),
        (
            "model.network=resnet",
            'model.network: must be one of "resnet_cifar", "resnet_imagenet", "vgg_cifar", "mlp", '
            '"tweet_lstm"; received "resnet". '
            "Did you mean 'resnet_cifar'?",
        ),
        (
            "model.depth=100",
            "model.depth: The depth of a CIFAR ResNet is 6n + 2 with n ≥ 1; received 100. "
            "The nearest valid: 98 and 104.",
        ),
        (
            "model.depth=3",
            "model.depth: The depth of a CIFAR ResNet is 6n + 2 with n ≥ 1; received 3. "
            "The nearest valid: 8.",
        ),
        (
            "model.width=0.3",
            "model.width: 16 · width is the number of channels of the stem, a whole number; "
            "received width=0.3, which gives 4.8. Multiples of 1/16 are valid.",
        ),
        ("model.width=1e308", "received width=1e+308"),
        (
            "train.epoch=3",
            "train.epoch: is not a setting; received 3. Did you mean 'train.epochs'?",
        ),
        ("epochs=3", "epochs: is not a setting; received 3. Did you mean 'train.epochs'?"),
        ("trian.epochs=3", "trian.epochs: is not a setting; received 3. Did you mean"),
        ("train.dataset=x", "Did you mean 'data.dataset'?"),
        ("data.zzz=3", "data.zzz: is not a setting; received 3. [data] has dataset, fingerprint,"),
        ("model.hidden=[3]", "model.hidden: is not a setting; received [3]. [model] has network,"),
        ("model.gamma=unifrm(0, 1)", "Did you mean 'uniform'?"),
        ("model.gamma=uniform(0)", "received 'uniform(0)'"),
    ],
)
def test_a_fault_names_rule_value_and_override(override, sentence):
    line = fault(override)
    assert sentence in line
    shown = override if override.isprintable() else repr(override)
    assert line.endswith(f"(--set {shown})")


@pytest.mark.parametrize("text", ["train.epochs", "=3", "train..epochs=3", ".=3", ""])
def test_a_key_and_a_value_are_needed(text):
    line = fault(text)
    assert line == f"--set {text}: must be KEY=VALUE, such as --set train.epochs=2"


def test_all_faults_of_all_overrides_at_once():
    lines = message(
        "resnet14_bnonly", "oops", "train.epochs=ten", "data.flip=1", "train.keep=best", seed=-3
    ).splitlines()
    assert lines[0].endswith("has 5 faults:")
    keys = {line.strip().split(":")[0] for line in lines[1:]}
    assert keys == {"--set oops", "train.epochs", "data.flip", "train.keep", "seed"}
    assert any(line.endswith("received -3 (--seed -3)") for line in lines)


def test_the_best_needs_validation_images():
    line = fault("train.keep=best")
    assert 'received "best" with data.validation = 0. Set data.validation to 10' in line
    assert recipe.load("resnet14_bnonly", ["train.keep=best", "data.validation=10"])
    assert "train.keep" in fault("data.validation=0", name="mlp_bnonly")


def test_the_network_has_to_fit_the_dataset():
    line = fault("data.dataset=digits")
    assert line.startswith('model.input_shape: must be [8, 8, 1], as data.dataset is "digits"; ')
    assert "model.classes: must be 10" in fault("model.classes=11")
    assert recipe.load(
        "resnet14_bnonly", ["data.dataset=digits", "model.input_shape=[8, 8, 1]"]
    ).model.input_shape == (8, 8, 1)


def test_a_model_keeps_excluding_regimes():
    line = fault("model.regime=shortcutoutput", name="mlp_bnonly")
    assert 'received "shortcutoutput", but an MLP has no shortcuts' in line
    assert recipe.load("mlp_bnonly", ["model.regime=output"]).model.regime == "output"


MODULES = [
    "recipe._draft",
    "recipe._load",
    "recipe._overrides",
    "recipe._parts",
    "settings.checking",
    "settings.faults",
    "settings.toml",
]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_in_the_docstrings(module):
    result = doctest.testmod(importlib.import_module(f"bnkeras.{module}"))
    assert result.failed == 0
