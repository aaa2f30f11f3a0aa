"""Regimes of one's own: tables of rules, of which the first that matches decides."""

import keras
import pytest

import bnkeras
from bnkeras.models.variables import Group, grouped_variables
from bnkeras.regimes import REGIMES

EXAMPLE = '[("batchnorm", "train"), ("head/*", "train"), ("*", "freeze")]'


def trained(model):
    return {variable.path for variable in model.trainable_variables}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([("*", "freeze")], set()),
        ([("stem_conv/*", "train"), ("*", "freeze")], {"stem_conv/kernel"}),
        (
            [("*_shortcut_bn/*", "freeze"), ("*_shortcut_*", "train"), ("*", "freeze")],
            {"group2_block0_shortcut_conv/kernel", "group3_block0_shortcut_conv/kernel"},
        ),
        (
            [("stem_[bc]*/[bg]*", "train"), ("output", "train"), ("*", "freeze")],
            {"stem_bn/gamma", "stem_bn/beta", "output/kernel", "output/bias"},
        ),
        ([("output/bias", "train"), ("*", "freeze")], {"output/bias"}),
    ],
)
def test_what_a_table_trains(table, expected, network):
    """As pairs, as lists, as a dict: the same."""
    for form in (table, [list(rule) for rule in table], tuple(table), dict(table)):
        model = network("resnet_cifar", "all")
        assert bnkeras.set_regime(model, form) is model
        assert trained(model) == expected


def test_patterns_tell_capitals_apart(refusal):
    inputs = keras.Input((4,))
    x = keras.layers.Dense(3, name="Head")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2, name="tail")(x))
    assert "('head/*', 'train') matches no variable" in refusal(
        model, [("head/*", "train"), ("*", "freeze")]
    )
    bnkeras.set_regime(model, [("Head/*", "train"), ("*", "freeze")])
    assert trained(model) == {"Head/kernel", "Head/bias"}


@pytest.mark.parametrize("name", REGIMES)
def test_the_regimes_by_name_are_tables(name, network):
    model = network("resnet_cifar")
    assert bnkeras.regime_of(bnkeras.set_regime(model, REGIMES[name])) == name


@pytest.mark.parametrize("group", ["batchnorm", "output", "shortcut", "features"])
def test_a_pattern_that_is_a_group(group, network):
    model = bnkeras.set_regime(network("resnet_cifar"), {group: "train", "*": "freeze"})
    assert trained(model) == {row.path for row in grouped_variables(model) if row.group == group}


def test_the_name_of_a_table(network):
    """One that trains what a regime by name trains has its name, others have none."""
    model = bnkeras.set_regime(network("resnet_cifar"), {"*/gamma": "train", "*": "freeze"})
    assert bnkeras.regime_of(model) is None
    bnkeras.set_regime(model, {"*/gamma": "train", "*/beta": "train", "*": "freeze"})
    assert bnkeras.regime_of(model) == "bnonly"


def test_one_step(network, compiled, examples, values, changed):
    table = [("*_bn1/gamma", "train"), ("stem_*", "train"), ("*", "freeze")]
    model = compiled(bnkeras.set_regime(network("resnet_cifar"), table))
    before = values(model)
    model.train_step(examples(model))
    moving = {path for path in before if "/moving_" in path}
    expected = {path for path in before if path.endswith("_bn1/gamma") or path[:5] == "stem_"}
    assert changed(before, model) == expected | moving


def test_a_variable_that_no_rule_matches(network, refusal):
    model = network("mlp")
    assert refusal(model, [("batchnorm", "train"), ("hidden*", "freeze")]) == (
        "Every variable falls under the first rule that matches it, and no rule matches "
        "'output/kernel' and 1 more of 'mlp'. End the table with a rule for the rest, "
        "('*', 'freeze') or ('*', 'train')."
    )
    assert "no rule matches 'output/bias' of 'mlp'" in refusal(
        model, [("*kernel", "train"), ("hidden*", "freeze")]
    )
    assert "no rule matches 'hidden1_dense/kernel' and 9 more of 'mlp'" in refusal(model, [])


def test_a_rule_that_matches_nothing(network, refusal):
    model = network("mlp")
    assert refusal(model, [("hiden1/*", "train"), ("*", "freeze")]) == (
        "The rule ('hiden1/*', 'train') matches no variable of 'mlp'; moving statistics and random "
        "states are under no rule. The nearest are 'hidden1_bn/beta', 'hidden1_bn/gamma', "
        "'hidden1_dense/bias'. Mend or remove the rule."
    )
    assert "The nearest are 'batchnorm'" in refusal(model, {"batchnorms": "train", "*": "freeze"})
    assert refusal(model, {"shortcut": "train", "*": "freeze"}).startswith(
        "The rule ('shortcut', 'train') matches no variable of 'mlp'; "
    )


@pytest.mark.parametrize("pattern", ["*/moving_mean", "statistics", "random"])
def test_statistics_are_under_no_rule(pattern, network, refusal):
    assert (
        f"The rule ({pattern!r}, 'freeze') matches no variable of 'mlp'; moving statistics and "
        "random states are under no rule."
    ) in refusal(network("mlp"), [(pattern, "freeze"), ("*", "train")])
    assert {"statistics", "random"} <= set(Group)


def test_a_rule_that_no_variable_reaches(network, refusal):
    model = network("mlp")
    assert refusal(model, [("*", "freeze"), ("output/*", "train")]) == (
        "The rule ('output/*', 'train') decides on no variable of 'mlp': what it matches falls "
        "under an earlier rule, 'output/kernel' under ('*', 'freeze'). Mend or remove the rule."
    )
    for again in ("freeze", "train"):
        assert f"('output', {again!r}) decides on no variable" in refusal(
            model, [("output", "train"), ("output", again), ("*", "freeze")]
        )


@pytest.mark.parametrize(
    ("table", "received"), [(None, "None"), (7, "7"), (b"bnonly", "b'bnonly'"), ({1}, "{1}")]
)
def test_what_is_no_table(table, received, network, refusal):
    assert refusal(network("mlp"), table) == (
        f"A regime is a name, or a table of rules such as {EXAMPLE}; received {received}."
    )


@pytest.mark.parametrize(
    "rule",
    ["batchnorm", ("batchnorm",), ("a", "train", "b"), ("a", True), (3, "train"), None, []],
)
def test_what_is_no_rule(rule, network, refusal):
    assert refusal(network("mlp"), [("*", "train"), rule]) == (
        "A rule is a pattern and what is done with the variables that it matches, such as "
        f"{EXAMPLE}; received {rule!r}."
    )


def test_what_is_no_action(network, refusal):
    model = network("mlp")
    assert refusal(model, [("*", "frezee")]) == (
        "The variables that a rule matches either 'train' or 'freeze'; received ('*', 'frezee'). "
        "Did you mean 'freeze'?"
    )
    assert "received ('*', 'learn')." in refusal(model, {"*": "learn"})
