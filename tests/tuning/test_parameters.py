"""Search spaces as Keras Tuner's hyperparameters, and back as settings."""

import keras_tuner
import pytest

from bnkeras.errors import InputError
from bnkeras.tuning import Request, load_space, settings_of
from bnkeras.tuning.checking import taken_apart, with_x
from bnkeras.tuning.oracles import oracle_for
from bnkeras.tuning.parameters import declared


def test_the_values_are_settings():
    space = load_space("everything")
    hp = declared(space)
    hp.values |= {
        "model.features": "binary",
        "model.gamma": "uniform(-x, x)",
        "model.gamma, x": 0.123456,
        "model.beta, x": 1.0,
        "train.optimizer": "sgd",
        "train.schedule": "cosine",
        "train.learning_rate, train.optimizer=sgd": 0.98765,
        "train.momentum, train.optimizer=sgd": 0.5,
    }
    assert settings_of(space, hp) == {
        "model.features": "binary",
        "train.optimizer": "sgd",
        "train.schedule": "cosine",
        "train.l2": 0.0,
        "model.gamma": "uniform(-0.123, 0.123)",
        "model.beta": "constant(1)",
        "train.learning_rate": 0.988,
        "train.momentum": 0.5,
    }


def test_what_depends_on_another_value_is_left_out_without_it():
    space = load_space("optimizer")
    hp = declared(space)
    hp.values["train.optimizer"] = "adam"
    assert "train.momentum" not in settings_of(space, hp)
    assert 0.003 <= settings_of(space, hp)["train.learning_rate"] <= 0.3


def test_booleans_stay_booleans(tmp_path):
    (tmp_path / "mine.toml").write_text("""
        [about]
        title = "Mirrored or not"

        [[choice]]
        setting = "data.flip"
        values = [false, true]

        [[range]]
        setting = "train.learning_rate"
        from = 0.01
        to = 0.1
        when = "data.flip=true"
    """)
    request = Request("resnet14_bnonly", load_space(tmp_path / "mine.toml"), trials=6, epochs=1)
    oracle = oracle_for(request)
    oracle._set_project_dir(tmp_path, "trials")
    oracle.verbose = 0
    drawn = set()
    for number in range(6):
        trial = oracle.create_trial(f"tuner{number}")
        settings = settings_of(request.space, trial.hyperparameters)
        flip = request.trial(settings).data.flip
        assert settings["data.flip"] is flip
        assert ("train.learning_rate" in settings) == flip
        drawn.add(flip)
    assert drawn == {False, True}


@pytest.mark.parametrize("method", ["random", "bayesian", "hyperband"])
def test_every_method_draws_within_the_bounds(method, tmp_path):
    space = load_space("everything")
    request = Request("resnet14_bnonly", space, method=method, trials=12, epochs=9)
    oracle = oracle_for(request)
    oracle._set_project_dir(tmp_path, "trials")
    oracle.verbose = 0
    drawn = []
    for number in range(8):
        trial = oracle.create_trial("tuner")
        settings = settings_of(space, trial.hyperparameters)
        request.trial(settings)  # which the recipe takes
        low, high = (0.003, 0.3) if settings["train.optimizer"] == "adam" else (0.03, 3.0)
        assert low <= settings["train.learning_rate"] <= high
        assert ("train.momentum" in settings) == (settings["train.optimizer"] == "sgd")
        drawn.append(settings)
        oracle.update_trial(trial.trial_id, {"val_accuracy": 0.1 + 0.05 * number})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    assert len({str(settings) for settings in drawn}) == 8
    assert {settings["train.optimizer"] for settings in drawn} == {"adam", "sgd"}


def test_the_same_seed_draws_the_same(tmp_path):
    def drawn(seed):
        oracle = oracle_for(Request("resnet14_bnonly", load_space("initialisation"), seed=seed))
        oracle._set_project_dir(tmp_path / str(seed), "trials")
        oracle.verbose = 0
        return [oracle.create_trial(str(one)).hyperparameters.values for one in range(3)]

    # Of a seed 0 Keras Tuner makes one of its own.
    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)


@pytest.mark.parametrize("epochs", [1, 2, 3, 8, 9, 10, 26, 27, 81])
def test_hyperband_trains_as_much_as_is_foretold(epochs):
    oracle = keras_tuner.oracles.HyperbandOracle(
        keras_tuner.Objective("val_accuracy", "max"), max_epochs=epochs
    )
    theirs = sorted(
        oracle._get_epochs(bracket, number)
        for bracket in range(oracle._get_num_brackets())
        for number in range(oracle._get_num_rounds(bracket))
        for _ in range(oracle._get_size(bracket, number))
    )
    space = load_space("initialisation")
    request = Request("resnet14_bnonly", space, method="hyperband", epochs=epochs)
    assert request.epochs_of_trials == theirs


def test_a_law_is_put_together_and_taken_apart():
    laws = ["constant(x)", "uniform(0, x)", "uniform(-x, x)", "he_normal"]
    for law in laws[:3]:
        assert taken_apart(with_x(law, 0.25), laws) == (law, 0.25)
    assert taken_apart("he_normal", laws) is None


def test_a_trial_is_the_recipe_with_a_shorter_schedule_and_held_out_examples():
    request = Request("resnet14_bnonly", load_space("initialisation"), epochs=8)
    trial = request.trial({"model.gamma": "constant(1)"})
    assert (trial.train.epochs, trial.train.milestones) == (8, (4, 6))
    assert trial.data.validation == 10
    assert trial.model.gamma == "constant(1)"
    own = request.baseline()
    assert own.differences(trial) == {"model.gamma": ("uniform(0, 1)", "constant(1)")}
    found = request.found({"model.gamma": "constant(1)"})
    assert (found.train.epochs, found.data.validation) == (160, 0)


def test_held_out_examples_of_the_recipe_stay():
    request = Request("mlp_bnonly", load_space("initialisation"), ("data.validation=20",))
    assert request.trial({}).data.validation == request.found({}).data.validation == 20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "grid"}, "random, hyperband, bayesian; received 'grid'"),
        ({"trials": 0}, "trials is an integer ≥ 1; received 0"),
        ({"epochs": 0}, "epochs is an integer ≥ 1; received 0"),
    ],
)
def test_a_wrong_request_says_so(changes, message):
    with pytest.raises(InputError, match=message):
        Request("resnet14_bnonly", load_space("initialisation"), **changes)
