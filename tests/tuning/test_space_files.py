"""Search spaces: the shipped ones, a user's own, and how they can go wrong."""

import pytest

from bnkeras.errors import SpaceError
from bnkeras.tuning import Request, load_space, names

WHOLE = """
epochs = 3
set = ["train.warmup_epochs=0"]

[about]
title = "Mine"

[[choice]]
setting = "train.optimizer"
values = ["adam", "sgd"]

[[range]]
setting = "train.learning_rate"
from = 0.001
to = 0.1
scale = "log"
when = "train.optimizer=adam"

[[law]]
setting = "model.gamma"
laws = ["constant(x)", "he_normal"]
from = 0.5
to = 2
"""


@pytest.fixture
def load(tmp_path):
    def _load(*changes):
        text = WHOLE
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return load_space(str(path))

    return _load


def test_there_are_shipped_ones():
    assert names() == ["everything", "initialisation", "optimizer"]


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("recipe", ["resnet14_bnonly", "mlp_bnonly", "tweets_lstm_bnonly"])
def test_a_shipped_one_fits_every_kind_of_recipe(name, recipe):
    request = Request(recipe, load_space(name))
    assert request.space.name == name
    assert len(request.space.parameters) >= 3


def test_a_shipped_one_fits_a_recipe_that_warms_up():
    assert Request("resnet50_bnonly", load_space("everything")).found({}).train.warmup_epochs == 0


def test_a_file_of_ones_own_is_typed(load):
    space = load()
    assert (space.name, space.epochs, space.set) == ("mine", 3, ("train.warmup_epochs=0",))
    settings = [parameter.setting for parameter in space.parameters]
    # What others depend on comes first.
    assert settings == ["train.optimizer", "model.gamma", "train.learning_rate"]
    assert (space.range[0].low, space.range[0].high) == (0.001, 0.1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('values = ["adam", "sgd"]', "values = [1]", r"values: must be a list of two or more"),
        (
            'values = ["adam", "sgd"]',
            'values = ["adam", 2]',
            r"choice 1, values: must be all texts.*received \[\"adam\", 2\]",
        ),
        ("to = 0.1", "to = 0.0001", r"range 1, to: must be above from = 0.001; received 0.0001"),
        ("from = 0.001", "from = 0", r"from: must be above 0 where scale = \"log\"; received 0"),
        ('"log"', '"logarithm"', r'scale: must be one of "linear", "log"; received "logarithm"'),
        (
            "train.optimizer=adam",
            "train.optimizer=lamb",
            r'must be train.optimizer= and one of "adam", "sgd"; received',
        ),
        (
            "train.optimizer=adam",
            "train.schedule=steps",
            r"must be SETTING=VALUE of a \[\[choice\]\] without `when`.*There are train.optimizer",
        ),
        ('"train.learning_rate"', '"train.epochs"', r'"train.epochs" is the same .* --epochs'),
        ('"train.learning_rate"', '"seed"', r'"seed" is the same in all trials: give --set seed'),
        ('"train.learning_rate"', '"strategy.name"', r"is no matter of a search"),
        ("from = 0.5\n", "", r"law 1, from: must be set, and `to` too, for the x of"),
        (
            '["constant(x)", "he_normal"]',
            '["he_uniform", "he_normal"]',
            r"from: must be unset, and `to` too, for no law has an x",
        ),
        ('"model.gamma"', '"train.optimizer"', r"must be searched once, or with different `when`"),
        ("scale =", "skale =", r"skale: is not a setting.*Did you mean"),
    ],
)
def test_a_fault_says_rule_value_and_place(load, old, new, message):
    with pytest.raises(SpaceError, match=f"(?s){message}"):
        load((old, new))


def test_all_faults_are_said_together(load):
    with pytest.raises(SpaceError, match="3 faults") as caught:
        load(("epochs = 3", "epochs = 0"), ("to = 0.1", "to = 0"), ('"Mine"', '""'))
    message = str(caught.value)
    assert "epochs: must be an integer ≥ 1; received 0" in message
    assert "about.title" in message
    assert "range 1, to" in message


def test_an_empty_space_is_refused(tmp_path):
    (tmp_path / "empty.toml").write_text('[about]\ntitle = "Nothing"\n')
    with pytest.raises(SpaceError, match="there is nothing to try"):
        load_space(tmp_path / "empty.toml")


def test_an_unknown_name_is_told_what_there_is():
    with pytest.raises(SpaceError, match=r"No search space 'optimiser'. Did you mean 'optimizer'"):
        load_space("optimiser")


def test_what_the_recipe_does_not_take_is_said_before_anything_is_trained(load):
    space = load(("from = 0.5", "from = 0"), ('"constant(x)"', '"uniform(0, x)"'))
    with pytest.raises(SpaceError, match=r"mine with resnet14_bnonly.*(?s:.)*low is below high"):
        Request("resnet14_bnonly", space)
