"""What each regime by name trains, and reading the regime off a model."""

import keras
import pytest

import bnkeras
from bnkeras.errors import RegimeError
from bnkeras.models.registry import BUILDERS
from bnkeras.models.variables import Group, grouped_variables
from bnkeras.regimes import REGIMES

L = keras.layers


def is_norm(path):
    return path.endswith(("/gamma", "/beta"))


def is_output(path):
    return path in ("output/kernel", "output/bias")


def is_shortcut(path):
    return path.endswith("_shortcut_conv/kernel")


def is_random(path):
    return path.endswith("/random_kernel")


# The regimes by hand: which weights train, by their paths.
RULES = {
    "all": lambda path: True,
    "bnonly": is_norm,
    "bnoutput": lambda path: is_norm(path) or is_output(path),
    "output": is_output,
    "bnshortcutoutput": lambda path: is_norm(path) or is_output(path) or is_shortcut(path),
    "shortcutoutput": lambda path: is_output(path) or is_shortcut(path),
    "frozenbn": lambda path: not is_norm(path),
    "random2": is_random,
    "random1spread": is_random,
    "random2output": lambda path: is_random(path) or is_output(path),
    "random1spreadoutput": lambda path: is_random(path) or is_output(path),
}
CASES = [
    (name, regime)
    for name in BUILDERS
    for regime in RULES
    if name.startswith("resnet") or "shortcut" not in regime
]


@pytest.mark.parametrize("name", BUILDERS)
def test_what_trains(name, network):
    """Every regime in turn on one network, so that each has to undo the one before."""
    model = network(name)
    weights = {variable.path for variable in model.variables if "/moving_" not in variable.path}
    for regime in (regime for builder, regime in CASES if builder == name):
        assert bnkeras.set_regime(model, regime) is model
        with_masks = {variable.path for variable in model.variables}
        masked = {path for path in with_masks if is_random(path)}
        assert bool(masked) is regime.startswith("random")
        expected = {path for path in weights | masked if RULES[regime](path)}
        assert {variable.path for variable in model.trainable_variables} == expected, regime
        # A total selection: what does not train is frozen, and the statistics are neither.
        frozen = {variable.path for variable in model.non_trainable_variables}
        assert frozen == with_masks - expected
        assert all(layer.trainable for layer in model._flatten_layers())
        assert bnkeras.regime_of(model) == regime
    bnkeras.set_regime(model, "all")
    assert {v.path for v in model.variables if "/moving_" not in v.path} == weights


@pytest.fixture(scope="module")
def resnet14():
    return bnkeras.build("resnet_cifar", depth=14)


@pytest.mark.parametrize(
    ("regime", "trains"),
    [
        ("all", 175_258),
        ("bnonly", 1_120),
        ("bnoutput", 1_120 + 650),
        ("output", 650),
        ("bnshortcutoutput", 1_120 + 2_560 + 650),
        ("shortcutoutput", 2_560 + 650),
        ("frozenbn", 175_258 - 1_120),
        ("random2", 1_120),
        ("random2spread", 1_120),
        ("random2output", 1_120 + 650),
        ("random16", 8_960),
    ],
)
def test_how_much_of_resnet14_trains(regime, trains, resnet14):
    counts = bnkeras.parameter_counts(bnkeras.set_regime(resnet14, regime))
    assert counts == {
        "total": 175_258,
        "batchnorm": 1_120,
        "output": 650,
        "shortcut": 2_560,
        "trainable": trains,
    }


def test_the_tweets_and_the_perceptron_of_torri():
    tweets = bnkeras.build("tweet_lstm", vocabulary_size=100)
    assert bnkeras.parameter_counts(bnkeras.set_regime(tweets, "bnonly"))["trainable"] == 604
    assert bnkeras.parameter_counts(bnkeras.set_regime(tweets, "random2"))["trainable"] == 200
    perceptron = bnkeras.set_regime(bnkeras.build("mlp"), "bnoutput")
    assert bnkeras.parameter_counts(perceptron)["trainable"] == 6_154


@pytest.mark.parametrize("regime", RULES)
def test_regime_of_a_selection_that_was_changed(regime, network):
    model = network("resnet_cifar", regime)
    assert bnkeras.regime_of(model) == regime
    weight = next(v for v in model.variables if v.path == "stem_conv/kernel")
    weight.trainable ^= True
    assert bnkeras.regime_of(model) is None


@pytest.mark.parametrize(
    ("name", "norm"),
    [
        ("resnet_cifar", "instance"),
        ("resnet_cifar", "group"),
        ("resnet_cifar", "layer"),
        # Behind its logits stands a scale and shift without a norm.
        ("tweet_lstm", "layer"),
    ],
)
def test_norms_that_leave_the_batch_alone(name, norm, network):
    model = network(name, "bnonly", norm=norm)
    gamma_and_beta = {variable.path for variable in model.variables if is_norm(variable.path)}
    assert gamma_and_beta
    assert {variable.path for variable in model.trainable_variables} == gamma_and_beta
    expected = bnkeras.parameter_counts(network(name))["batchnorm"]
    assert bnkeras.parameter_counts(model)["batchnorm"] == expected
    assert bnkeras.regime_of(model) == "bnonly"


@pytest.mark.parametrize("regime", ["bnonly", "output"])
def test_a_norm_layer_frozen_as_a_whole_is_in_no_regime(regime, network):
    """It normalizes with moving statistics, even where its variables' flags are right."""
    model = network("mlp", regime)
    layer = model.get_layer("hidden1_bn")
    layer.trainable = False
    layer.gamma.trainable = layer.beta.trainable = regime == "bnonly"
    assert bnkeras.regime_of(model) is None
    assert bnkeras.regime_of(bnkeras.set_regime(model, regime)) == regime
    assert layer.trainable


def test_the_statistics_are_under_no_rule(network):
    model = network("resnet_cifar", "all")
    statistics = [row for row in grouped_variables(model) if row.group is Group.STATISTICS]
    assert {row.path.rpartition("/")[2] for row in statistics} == {"moving_mean", "moving_variance"}
    assert not any(row.variable.trainable for row in statistics)


def test_what_toggling_a_layer_loses_is_restored(network):
    model = network("resnet_cifar", "bnonly")
    model.get_layer("stem_conv").trainable = False
    model.get_layer("stem_conv").trainable = True
    assert model.get_layer("stem_conv").kernel.trainable
    assert bnkeras.regime_of(model) is None
    bnkeras.set_regime(model, "bnonly")
    assert bnkeras.regime_of(model) == "bnonly"


def test_what_a_clone_loses_is_restored(network):
    model = keras.models.clone_model(network("mlp", "bnonly"))
    assert bnkeras.regime_of(model) == "all"
    bnkeras.set_regime(model, "bnonly")
    assert {variable.name for variable in model.trainable_variables} == {"gamma", "beta"}


def test_regimes_can_be_changed_until_training_begins(network, compiled):
    model = network("resnet_cifar")
    assert bnkeras.regime_of(model) == "all"
    for regime in (*RULES, "bnonly"):
        assert bnkeras.regime_of(compiled(bnkeras.set_regime(model, regime))) == regime


def test_an_optimizer_that_is_built(network, compiled, examples, refusal):
    model = compiled(network("mlp", "bnonly"))
    model.fit(*examples(model), verbose=0)
    for regime in ("all", "random2", [("*", "train")]):
        assert refusal(model, regime) == (
            f"The regime is set before the optimizer is built, and the optimizer of 'mlp' is built "
            f"for another selection. Call model.compile with a new optimizer, and then set the "
            f"regime {regime!r}."
        )
    assert bnkeras.regime_of(model) == "bnonly"
    # The same selection asks nothing of the optimizer, and the remedy works.
    bnkeras.set_regime(model, "bnonly").fit(*examples(model), verbose=0)
    bnkeras.set_regime(compiled(model), "all").fit(*examples(model), verbose=0)
    assert bnkeras.regime_of(model) == "all"


def test_a_regime_that_does_not_exist(network, refusal):
    model = network("mlp", "bnonly")
    assert refusal(model, "bnonyl").startswith("No regime 'bnonyl': choose one of all, bnonly, ")
    assert refusal(model, "random0").startswith("No regime 'random0': choose one of all, ")


@pytest.mark.parametrize("regime", ["shortcutoutput", "bnshortcutoutput"])
def test_a_rule_that_matches_nothing(regime, network, refusal):
    assert refusal(network("mlp"), regime) == (
        f"The regime {regime!r} has a rule for shortcut variables, and 'mlp' has none. Choose a "
        "regime without it: all, bnonly, bnoutput, output, frozenbn."
    )


def test_a_network_without_norms(refusal):
    layers = [keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2)]
    model = keras.Sequential([*layers, keras.layers.UnitNormalization()], name="dense")
    assert refusal(model, "bnoutput") == (
        "The regime 'bnoutput' has a rule for batchnorm variables, and 'dense' has none: it has no "
        "norm layer with γ or β. Choose a regime without it: all, output."
    )
    assert refusal(model, "bnshortcutoutput") == (
        "The regime 'bnshortcutoutput' has a rule for batchnorm, shortcut variables, and 'dense' "
        "has none: it has no norm layer with γ or β. Choose a regime without it: all, output."
    )


@pytest.mark.parametrize(
    "layers",
    [
        [keras.Input((8,)), L.Dense(3)],
        [keras.Input((8,)), L.BatchNormalization()],
        [keras.Input((8,)), L.BatchNormalization(), L.Dense(3)],
        [keras.Input((8,)), L.Embedding(5, 3)],
    ],
    ids=["dense", "norm", "norm_and_dense", "embedding"],
)
def test_the_regimes_advised_are_those_that_can_be_set(layers, refusal):
    model = keras.Sequential(layers)
    advised, refused = set(), []
    for regime in REGIMES:
        try:
            bnkeras.set_regime(model, regime)
        except RegimeError as error:
            refused.append(str(error))
        else:
            advised.add(regime)
    assert refused
    for message in refused:
        listed = message.split("Choose a regime without it: ")[1].removesuffix(".")
        assert set(listed.split(", ")) == advised


@pytest.mark.parametrize("regime", ["all", "output", "random2", [("*", "train")]])
def test_a_network_that_is_not_built(regime, refusal):
    model = keras.Sequential([keras.layers.Dense(3)], name="later")
    assert refusal(model, regime) == (
        "A regime selects among the variables of a built model, and 'later' has none yet. "
        "Call it on a batch, or model.build, first."
    )
    assert bnkeras.regime_of(model) is None
    model.build((None, 4))
    assert bnkeras.regime_of(bnkeras.set_regime(model, "output")) == "all"
