"""What each regime trains, and that frozen means bit-identical and still normalized by batch."""

import keras
import numpy as np
import pytest

import bnkeras
from bnkeras.errors import InputError, RegimeError
from bnkeras.layers import BatchNormalization
from bnkeras.models.variables import Group, grouped_variables
from bnkeras.regimes import REGIMES
from bnkeras.training.optimizers import SGD, Adam

SMALL = {
    "resnet_cifar": {"depth": 8, "width": 0.25, "input_shape": (12, 12, 3), "classes": 4},
    "mlp": {"hidden": (24, 16), "input_shape": (12, 12, 3), "classes": 4},
}


def is_norm(path):
    return path.endswith(("/gamma", "/beta"))


def is_output(path):
    return path in ("output/kernel", "output/bias")


def is_shortcut(path):
    return path.endswith("_shortcut_conv/kernel")


# The regimes by hand: which weights train, by their paths.
RULES = {
    "all": lambda path: True,
    "bnonly": is_norm,
    "bnoutput": lambda path: is_norm(path) or is_output(path),
    "output": is_output,
    "bnshortcutoutput": lambda path: is_norm(path) or is_output(path) or is_shortcut(path),
    "shortcutoutput": lambda path: is_output(path) or is_shortcut(path),
    "frozenbn": lambda path: not is_norm(path),
}
CASES = [
    (name, regime)
    for name in SMALL
    for regime in RULES
    if not (name == "mlp" and "shortcut" in regime)
]


def network(name, regime=None, **arguments):
    model = bnkeras.build(name, seed=7, **SMALL[name] | arguments)
    return model if regime is None else bnkeras.set_regime(model, regime)


def images(count=32, seed=0):
    """Return images that show their class: a colour and a position, with noise."""
    random = np.random.default_rng(seed)
    y = np.arange(count) % 4
    x = random.normal(0, 0.5, (count, 12, 12, 3)).astype(np.float32)
    for image, label in zip(x, y, strict=True):
        row, column = divmod(label, 2)
        image[6 * row : 6 * row + 6, 6 * column : 6 * column + 6, label % 3] += 2
    return x, y


def compiled(model, optimizer=None):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or SGD(0.1, momentum=0.9, l2=1e-4), loss)
    return model


def values(model):
    return {variable.path: variable.numpy() for variable in model.variables}


def weight_paths(model):
    """Return the paths of everything but moving statistics."""
    return {variable.path for variable in model.variables if "/moving_" not in variable.path}


def same_bits(one, other):
    return one.tobytes() == other.tobytes()


def test_the_regimes_are_those_of_the_issue():
    assert set(REGIMES) == set(RULES)


def test_every_rule_names_a_group_and_the_last_takes_the_rest():
    for rules in REGIMES.values():
        names = [name for name, _ in rules]
        assert names[-1] == "*"
        assert set(names[:-1]) <= set(Group) - {Group.STATISTICS}
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(("name", "regime"), CASES)
def test_what_trains(name, regime):
    model = network(name)
    assert bnkeras.set_regime(model, regime) is model
    expected = {path for path in weight_paths(model) if RULES[regime](path)}
    assert {variable.path for variable in model.trainable_variables} == expected
    # A total selection: what does not train is frozen, and the statistics are neither.
    frozen = {variable.path for variable in model.non_trainable_variables}
    assert frozen == {variable.path for variable in model.variables} - expected
    assert all(layer.trainable for layer in model._flatten_layers())


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
    ],
)
def test_how_much_of_resnet14_trains(regime, trains):
    model = bnkeras.set_regime(bnkeras.build("resnet_cifar", depth=14), regime)
    assert bnkeras.parameter_counts(model)["trainable"] == trains


@pytest.mark.parametrize(
    ("name", "regime", "policy"),
    [
        *((name, regime, "float32") for name, regime in CASES),
        *(("resnet_cifar", regime, "mixed_bfloat16") for regime in ("all", "bnonly", "output")),
    ],
)
def test_one_step(name, regime, policy):
    """Promises 1 and 2: frozen tensors keep their bits, and normalization goes on."""
    model = compiled(network(name, regime, dtype=policy))
    before = values(model)
    model.fit(*images(), batch_size=32, epochs=1, verbose=0)
    for path, start in before.items():
        kept = same_bits(start, model_value(model, path))
        assert kept is not ("/moving_" in path or RULES[regime](path)), path


def model_value(model, path):
    return next(variable.numpy() for variable in model.variables if variable.path == path)


@pytest.mark.parametrize("optimizer", [SGD, Adam])
@pytest.mark.parametrize("regime", ["bnonly", "frozenbn"])
def test_frozen_through_a_training_run(regime, optimizer):
    model = compiled(network("resnet_cifar", regime), optimizer(0.02, l2=1e-2))
    before = values(model)
    losses = model.fit(*images(64), batch_size=16, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    for path, start in before.items():
        trains = "/moving_" in path or RULES[regime](path)
        assert same_bits(start, model_value(model, path)) is not trains, path


@pytest.mark.parametrize(("name", "regime"), CASES)
def test_normalization_does_not_depend_on_the_regime(name, regime):
    """In training mode every regime gives the bits that training all parameters gives."""
    x, _ = images()
    model, reference = network(name, regime), network(name)
    inference = reference(x).numpy()
    expected = reference(x, training=True).numpy()
    assert np.abs(expected - inference).max() > 0.1
    assert same_bits(model(x).numpy(), inference)
    assert same_bits(model(x, training=True).numpy(), expected)
    for path, moved in values(reference).items():
        assert same_bits(model_value(model, path), moved), path


def plain_network(norm=keras.layers.BatchNormalization):
    """Return a network of Keras' own layers, as a user brings it."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((12, 12, 3))
    x = keras.layers.Conv2D(6, 3, name="conv")(inputs)
    x = keras.layers.ReLU()(norm(name="norm1", momentum=0.9)(x))
    shortcut = keras.layers.Conv2D(8, 1, strides=2, name="shortcut")(x)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", name="conv2")(x)
    x = keras.layers.Add()([norm(name="norm2", momentum=0.9)(x), shortcut])
    x = keras.layers.Dropout(0.2, seed=1)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, keras.layers.Dense(4, name="head")(x), name="plain")


PLAIN = {
    "all": {"conv", "conv2", "shortcut", "head", "norm1", "norm2"},
    "bnonly": {"norm1", "norm2"},
    "bnoutput": {"norm1", "norm2", "head"},
    "output": {"head"},
    "bnshortcutoutput": {"norm1", "norm2", "shortcut", "head"},
    "shortcutoutput": {"shortcut", "head"},
    "frozenbn": {"conv", "conv2", "shortcut", "head"},
}


@pytest.mark.parametrize("regime", RULES)
def test_a_network_of_keras_layers(regime):
    model = compiled(bnkeras.set_regime(plain_network(), regime))
    layers = {variable.path.split("/")[0] for variable in model.trainable_variables}
    assert layers == PLAIN[regime]
    assert len(model.trainable_variables) == 2 * len(layers)
    before = values(model)
    model.fit(*images(), batch_size=32, verbose=0)
    for path, start in before.items():
        changes = "/moving_" in path or path.split("/")[0] in layers or "seed" in path
        # A bias before a norm has no gradient, but L2; it starts at 0 and stays there.
        if path not in ("conv/bias", "conv2/bias"):
            assert same_bits(start, model_value(model, path)) is not changes, path


def test_the_keras_formula_in_training_mode():
    """Our layer and Keras' compute the same with γ and β frozen."""
    x, _ = images()
    models = [plain_network(), plain_network(BatchNormalization)]
    outputs = []
    for model in models:
        bnkeras.set_regime(model, "output")
        until = keras.Model(model.input, model.get_layer("norm1").output)
        outputs.append(until(x, training=True).numpy())
        np.testing.assert_allclose(outputs[-1].mean((0, 1, 2)), 0, atol=1e-5)
        np.testing.assert_allclose(outputs[-1].std((0, 1, 2)), 1, atol=0.01)
    np.testing.assert_allclose(*outputs, atol=1e-5)


def nested_network():
    inner = plain_network()
    inputs = keras.Input((12, 12, 3))
    x = keras.layers.Dense(5, name="mixer")(inner(inputs))
    x = keras.layers.BatchNormalization(name="last_norm")(x)
    return keras.Model(inputs, keras.layers.Dense(2, name="top")(x), name="outer")


def test_a_network_within_a_network():
    model = bnkeras.set_regime(nested_network(), "bnoutput")
    trained = {variable.path for variable in model.trainable_variables}
    assert {path.split("/")[-2] for path in trained} == {"norm1", "norm2", "last_norm", "top"}
    bnkeras.set_regime(model, "output")
    assert [v.path for v in model.trainable_variables] == ["top/kernel", "top/bias"]
    assert bnkeras.regime_of(model) == "output"


@pytest.mark.parametrize("frozen", ["model", "submodel", "layers"])
def test_a_network_that_the_user_froze(frozen):
    """As one does for transfer learning. A norm frozen so would ignore the batch."""
    model = nested_network()
    if frozen == "layers":
        for layer in model._flatten_layers(include_self=False):
            layer.trainable = False
    else:
        (model if frozen == "model" else model.get_layer("plain")).trainable = False
    assert len(model.trainable_variables) == (6 if frozen == "submodel" else 0)
    bnkeras.set_regime(model, "bnonly")
    assert len(model.trainable_variables) == 6
    assert all(layer.trainable for layer in model._flatten_layers())


def test_what_toggling_a_layer_loses_is_restored():
    model = network("resnet_cifar", "bnonly")
    model.get_layer("stem_conv").trainable = False
    model.get_layer("stem_conv").trainable = True
    assert model.get_layer("stem_conv").kernel.trainable
    assert bnkeras.regime_of(model) is None
    bnkeras.set_regime(model, "bnonly")
    assert bnkeras.regime_of(model) == "bnonly"


def test_what_a_clone_loses_is_restored():
    model = keras.models.clone_model(network("mlp", "bnonly"))
    assert bnkeras.regime_of(model) == "all"
    bnkeras.set_regime(model, "bnonly")
    assert {variable.name for variable in model.trainable_variables} == {"gamma", "beta"}


def test_regimes_can_be_changed_until_training_begins():
    model = network("resnet_cifar")
    assert bnkeras.regime_of(model) == "all"
    for regime in (*RULES, "bnonly"):
        assert bnkeras.regime_of(compiled(bnkeras.set_regime(model, regime))) == regime


@pytest.mark.parametrize(("name", "regime"), CASES)
def test_the_optimizer_has_slots_for_what_trains_only(name, regime):
    model = compiled(network(name, regime))
    model.optimizer.build(model.trainable_variables)
    slots = [v for v in model.optimizer.variables if v.path.endswith("momentum")]
    sizes = sum(int(np.prod(slot.shape)) for slot in slots)
    assert len(slots) == len(model.trainable_variables)
    assert sizes == bnkeras.parameter_counts(model)["trainable"]


def test_an_optimizer_that_is_built():
    model = compiled(network("mlp", "bnonly"))
    model.fit(*images(), verbose=0)
    with pytest.raises(RegimeError) as caught:
        bnkeras.set_regime(model, "all")
    assert str(caught.value) == (
        "The regime is set before the optimizer is built, and the optimizer of 'mlp' is built "
        "for another selection. Call model.compile with a new optimizer, and then set the "
        "regime 'all'."
    )
    assert bnkeras.regime_of(model) == "bnonly"
    # The same selection asks nothing of the optimizer, and the remedy works.
    bnkeras.set_regime(model, "bnonly").fit(*images(), verbose=0)
    bnkeras.set_regime(compiled(model), "all").fit(*images(), verbose=0)
    assert bnkeras.regime_of(model) == "all"


def message(model, name):
    before = [(id(variable), variable.trainable) for variable in model.variables]
    with pytest.raises(RegimeError) as caught:
        bnkeras.set_regime(model, name)
    assert isinstance(caught.value, InputError)
    # A refusal leaves the model as it was.
    assert before == [(id(variable), variable.trainable) for variable in model.variables]
    return str(caught.value)


def test_a_regime_that_does_not_exist():
    names = "all, bnonly, bnoutput, output, bnshortcutoutput, shortcutoutput, frozenbn"
    model = network("mlp", "bnonly")
    assert message(model, "bnonyl") == (
        f"No regime 'bnonyl': choose one of {names}. Did you mean 'bnonly'?"
    )
    assert message(model, "random2") == f"No regime 'random2': choose one of {names}."
    assert message(model, None) == f"No regime None: choose one of {names}."


@pytest.mark.parametrize("regime", ["shortcutoutput", "bnshortcutoutput"])
def test_a_rule_that_matches_nothing(regime):
    assert message(network("mlp"), regime) == (
        f"The regime {regime!r} has a rule for shortcut variables, and 'mlp' has none. Choose a "
        "regime without it: all, bnonly, bnoutput, output, frozenbn."
    )


def test_a_network_without_norms():
    layers = [keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2)]
    model = keras.Sequential(layers, name="dense")
    assert message(model, "bnoutput") == (
        "The regime 'bnoutput' has a rule for batchnorm variables, and 'dense' has none. Choose a "
        "regime without it: all, output, shortcutoutput."
    )
    assert message(model, "bnshortcutoutput") == (
        "The regime 'bnshortcutoutput' has a rule for batchnorm, shortcut variables, and 'dense' "
        "has none. Choose a regime without it: all, output."
    )


def test_a_network_that_is_not_built():
    model = keras.Sequential([keras.layers.Dense(3)], name="later")
    for regime in ("all", "output"):
        assert message(model, regime) == (
            "A regime selects among the variables of a built model, and 'later' has none yet. "
            "Call it on a batch, or model.build, first."
        )
    assert bnkeras.regime_of(model) is None
    model.build((None, 4))
    assert bnkeras.regime_of(bnkeras.set_regime(model, "output")) == "all"


@pytest.mark.parametrize("regime", RULES)
def test_regime_of(regime):
    model = network("resnet_cifar", regime)
    assert bnkeras.regime_of(model) == regime
    model.get_layer("stem_conv").kernel.trainable ^= True
    assert bnkeras.regime_of(model) is None


@pytest.mark.parametrize("regime", ["bnonly", "output"])
def test_a_norm_layer_frozen_as_a_whole_is_in_no_regime(regime):
    """It normalizes with moving statistics, even where its variables' flags are right."""
    model = network("mlp", regime)
    layer = model.get_layer("hidden1_bn")
    layer.trainable = False
    layer.gamma.trainable = layer.beta.trainable = regime == "bnonly"
    assert bnkeras.regime_of(model) is None
    assert bnkeras.regime_of(bnkeras.set_regime(model, regime)) == regime
    assert layer.trainable


def test_the_statistics_are_under_no_rule():
    model = network("resnet_cifar", "all")
    statistics = [row for row in grouped_variables(model) if row.group is Group.STATISTICS]
    assert {row.path.rpartition("/")[2] for row in statistics} == {"moving_mean", "moving_variance"}
    assert not any(row.variable.trainable for row in statistics)
