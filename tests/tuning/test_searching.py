"""Searches: judged by held-out examples, stopped at any moment, never losing a finished trial."""

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest

import bnkeras
from bnkeras.errors import RecipeError, SearchError
from bnkeras.recipe import load
from bnkeras.training import Data, run
from bnkeras.tuning import HyperModel, Watcher, load_space, search, settings_of
from bnkeras.tuning.oracles import oracle_for
from bnkeras.tuning.parameters import declared
from bnkeras.tuning.searching import role_of
from bnkeras.tuning.trials import BASELINE, SearchDirectory, Trial, best_of


def rows(out):
    """Return the table, but for the seconds, which no trial has twice."""
    table = json.loads((out / "trials.json").read_text())
    return [{key: row[key] for key in row if key != "seconds"} for row in table]


@pytest.fixture
def space_of(tmp_path):
    def _space(text):
        path = tmp_path / "mine.toml"
        path.write_text('[about]\ntitle = "Mine"\n' + textwrap.dedent(text))
        return load_space(path)

    return _space


@pytest.fixture(scope="module")
def whole(request_for, data, tmp_path_factory):
    """A search that nobody stopped: its directory, and its trials."""
    out = tmp_path_factory.mktemp("whole") / "search"
    return out, search(request_for(), out, data=data)


def test_a_search_ranks_its_trials_and_writes_the_best_as_a_recipe(
    whole, request_for, data, tmp_path
):
    request = request_for()
    out, trials = whole
    accuracies = [trial.val_accuracy for trial in trials]
    assert accuracies == sorted(accuracies, reverse=True)
    assert {trial.name for trial in trials} == {BASELINE, "0", "1"}
    best = next(trial for trial in trials if trial.name != BASELINE)
    found = load(out / "best.toml")
    assert not found.differences(request.found(best.settings))
    assert "the recipe itself" in (out / "best.toml").read_text()
    # Each is what its recipe trains to, on the held-out examples.
    again = run(request.trial(best.settings), tmp_path / "again", data=data, test=False)
    assert again.figures["val_accuracy"] == best.val_accuracy
    assert not any(key.startswith("test") for key in again.figures)


def test_a_run_without_test_needs_held_out_examples(request_for, tmp_path):
    recipe = bnkeras.recipe.load("digits_resnet14_bnonly", ["train.epochs=1"])
    with pytest.raises(RecipeError, match=r"there are none: set data\.validation to 10"):
        run(recipe, tmp_path / "run", data_dir=tmp_path, test=False)
    assert not (tmp_path / "run").exists()


class _KilledError(Exception):
    pass


class _Interrupt(Watcher):
    """Stops a search in the middle of a trial."""

    def __init__(self, trial, steps):
        self._trial, self._steps = trial, steps

    def begins(self, name, recipe):
        steps = self._steps

        class _After(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if int(self.model.optimizer.iterations) == steps:
                    raise KeyboardInterrupt

        return [_After()] if name == self._trial else []


def test_a_search_that_was_interrupted_ends_as_one_that_was_not(whole, request_for, data, tmp_path):
    request = request_for()
    with pytest.raises(KeyboardInterrupt):
        search(request, tmp_path / "cut", data=data, watcher=_Interrupt("1", 13))
    first = tmp_path / "cut" / "trials" / "trial_0" / "run" / "result.json"
    written = first.stat().st_mtime_ns
    search(request, tmp_path / "cut", data=data)
    assert rows(tmp_path / "cut") == rows(whole[0])
    assert first.stat().st_mtime_ns == written
    # The interrupted trial went on from its checkpoint.
    starts = tmp_path / "cut" / "trials" / "trial_1" / "run" / "environment.json"
    assert len(json.loads(starts.read_text())) == 2


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import keras
from conftest import SETTINGS, forbidden, points
from bnkeras.training import Data
from bnkeras.tuning import Request, Watcher, load_space, search

class Kill(Watcher):
    def begins(self, name, recipe):
        class After(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if int(self.model.optimizer.iterations) == 13:
                    os.kill(os.getpid(), signal.SIGKILL)
        return [After()] if name == "1" else []

request = Request("mlp_bnonly", load_space("everything"), SETTINGS, trials=2, epochs=2)
data = Data(points(160), forbidden(), validation=points(96, seed=1))
search(request, {out!r}, data=data, watcher=Kill())
"""


@pytest.mark.slow
def test_a_search_that_was_killed_ends_as_one_that_was_not(whole, request_for, data, tmp_path):
    script = KILLED.format(tests=str(Path(__file__).parent), out=str(tmp_path / "killed"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    search(request_for(), tmp_path / "killed", data=data)
    assert rows(tmp_path / "killed") == rows(whole[0])


@pytest.mark.slow
def test_more_trials_later_leave_the_first_alone(request_for, data, tmp_path):
    search(request_for(trials=1), tmp_path / "search", data=data)
    before = {row["trial"]: row for row in rows(tmp_path / "search")}
    search(request_for(trials=2), tmp_path / "search", data=data)
    after = {row["trial"]: row for row in rows(tmp_path / "search")}
    assert len(after) == 3
    assert {name: after[name] for name in before} == before


def test_a_kill_between_two_files_of_the_oracle_loses_no_trial(request_for, tmp_path, monkeypatch):
    request = request_for()

    def oracle():
        made = oracle_for(request)
        made._set_project_dir(tmp_path, "trials")
        made.verbose = 0
        return made

    first = oracle()
    first.save()

    def killed():
        raise _KilledError

    with monkeypatch.context() as patch:
        patch.setattr(first, "save", killed)
        with pytest.raises(_KilledError):
            first.create_trial("tuner")
    after = oracle()
    after.reload()
    names = []
    while (trial := after.create_trial("tuner")).status == "RUNNING":
        names.append(trial.trial_id)
        after.update_trial(trial.trial_id, {"val_accuracy": 0.5})
        trial.status = "COMPLETED"
        after.end_trial(trial)
    assert names == ["0", "1"]


def test_a_trial_that_diverges_fails_alone(request_for, space_of, data, tmp_path):
    space = space_of("""
        [[choice]]
        setting = "train.learning_rate"
        values = [1e-2, 3e38]
    """)
    trials = search(request_for(space, trials=2), tmp_path / "search", data=data)
    assert [trial.name != BASELINE for trial in trials].count(True) == 1
    failed = [row for row in rows(tmp_path / "search") if row["error"]]
    assert [row["train.learning_rate"] for row in failed] == [3e38]
    assert "training diverged" in failed[0]["error"]
    assert "learning_rate = 0.01" in (tmp_path / "search" / "best.toml").read_text()


def test_an_error_that_is_no_trials_fault_ends_the_search(request_for, data, tmp_path):
    class Broken(Watcher):
        def begins(self, name, recipe):
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        search(request_for(), tmp_path / "search", data=data, watcher=Broken())


@pytest.mark.slow
def test_hyperband_trains_the_best_longest(request_for, data, tmp_path):
    request = request_for("initialisation", method="hyperband", epochs=3)
    trials = search(request, tmp_path / "search", data=data)
    searched = [trial for trial in trials if trial.name != BASELINE]
    assert sorted(trial.epochs for trial in searched) == request.epochs_of_trials
    best = best_of(trials)
    assert best.epochs == 3
    # A longer training is another run of the same settings, with a schedule of its own.
    short = [trial for trial in searched if trial.epochs == 1]
    assert any(trial.settings == best.settings for trial in short) or best.settings not in [
        trial.settings for trial in short
    ]


def test_the_longest_trials_are_compared():
    trials = [
        Trial("0", {"a": 1}, 1, 0.9, 0.1),
        Trial("1", {"a": 2}, 3, 0.7, 0.1),
        Trial("2", {"a": 3}, 3, 0.7, 0.05),
        Trial("3", {"a": 4}, 3, error="diverged"),
        Trial(BASELINE, {}, 3, 0.95, 0.1),
    ]
    assert best_of(trials).name == "2"
    assert best_of(trials[4:]) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 1}, r"holds another search: it differs in epochs \(2 there, 1 here\)"),
        ({"seed": 7}, r"differs in seed \(0 there, 7 here\)"),
        ({"space": "optimizer"}, "differs in the space"),
        ({"settings": ("model.beta=constant(1)",)}, "differs in the recipe"),
    ],
)
def test_the_directory_of_another_search_is_refused(changes, message, request_for, data, tmp_path):
    out = tmp_path / "search"
    with pytest.raises(KeyboardInterrupt):
        search(request_for(), out, data=data, watcher=_Interrupt(BASELINE, 1))
    before = (out / "search.json").read_bytes()
    with pytest.raises(SearchError, match=message):
        search(request_for(**changes), out, data=data)
    assert (out / "search.json").read_bytes() == before


def test_a_directory_with_something_else_is_refused(request_for, data, tmp_path):
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(SearchError, match=r"holds no search \(it has 'letters.txt'"):
        search(request_for(), tmp_path, data=data)
    assert sorted(tmp_path.iterdir()) == [tmp_path / "letters.txt"]


def test_two_searches_in_one_directory_are_refused(request_for, data, tmp_path):
    out = tmp_path / "search"

    class Second(Watcher):
        def begins(self, name, recipe):
            with pytest.raises(SearchError, match="Another process is searching in"):
                search(request_for(), out, data=data)
            raise OSError("seen")

    with pytest.raises(OSError, match="seen"):
        search(request_for(), out, data=data, watcher=Second())


@pytest.mark.slow
def test_tensorboard_has_the_settings_of_each_trial(request_for, data, tmp_path):
    search(request_for(trials=1), tmp_path / "search", data=data)
    written = b"".join(
        file.read_bytes()
        for file in (tmp_path / "search" / "trials" / "trial_0" / "run" / "tensorboard").iterdir()
        if file.is_file()
    )
    assert b"train.learning_rate" in written
    assert b"_hparams_/session_start_info" in written
    (experiment,) = (tmp_path / "search").glob("events.out.*")
    assert b"_hparams_/experiment" in experiment.read_bytes()


@pytest.mark.slow
def test_any_tuner_of_keras_tuner_takes_the_hypermodel(request_for, data, tmp_path):
    request = request_for("initialisation")
    tuner = keras_tuner.BayesianOptimization(
        HyperModel(request, data=data),
        "val_accuracy",
        max_trials=2,
        directory=tmp_path,
        project_name="theirs",
    )
    tuner.search(verbose=0)
    best = tuner.get_best_hyperparameters()[0]
    found = request.found(settings_of(request.space, best))
    assert found.model.gamma != request.base.model.gamma
    assert 0 <= tuner.oracle.get_best_trials()[0].score <= 1


def test_the_hypermodels_network_is_the_recipes(request_for, data):
    request = request_for("initialisation")
    hp = declared(request.space)
    hypermodel = HyperModel(request, data=data)
    model = hypermodel.build(hp)
    recipe = hypermodel.recipe(hp)
    assert recipe.model.gamma == "constant(0.5)"
    assert {v.name for v in model.trainable_variables} == {"gamma", "beta"}
    before = [v.numpy() for v in model.non_trainable_variables if "kernel" in v.path]
    trained = [v.numpy() for v in model.trainable_variables]
    history = hypermodel.fit(hp, model, verbose=0)
    assert len(history.history["val_accuracy"]) == 2
    after = [v.numpy() for v in model.non_trainable_variables if "kernel" in v.path]
    assert before
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, variable in zip(trained, model.trainable_variables, strict=True):
        assert (one != variable.numpy()).any()


def test_data_of_the_tuners_own_are_taken(request_for, data):
    request = request_for("initialisation")
    hp = declared(request.space)
    hypermodel = HyperModel(request, data=Data(data.train, data.test, validation=data.validation))
    model = hypermodel.build(hp)
    images, labels = next(iter(data.train))
    history = hypermodel.fit(hp, model, images, labels, epochs=1, verbose=0)
    assert list(history.history) == ["accuracy", "cross_entropy", "loss"]


@pytest.mark.parametrize(
    ("environment", "role"),
    [
        ({}, "alone"),
        ({"KERASTUNER_ORACLE_IP": "host", "KERASTUNER_TUNER_ID": "chief"}, "chief"),
        ({"KERASTUNER_ORACLE_IP": "host", "KERASTUNER_TUNER_ID": "tuner1"}, "worker"),
    ],
)
def test_the_environment_says_who_chooses(environment, role):
    assert role_of(environment) == role


def test_a_record_that_cannot_be_read_is_named(tmp_path):
    directory = SearchDirectory(tmp_path)
    (tmp_path / "trials" / "trial_0").mkdir(parents=True)
    (tmp_path / "trials" / "trial_0" / "outcome.json").write_text("{")
    with pytest.raises(bnkeras.errors.RunError, match=r"trial_0/outcome.json cannot be read"):
        directory.recorded()


def test_trials_come_in_the_order_of_their_numbers(tmp_path):
    directory = SearchDirectory(tmp_path)
    # Keras Tuner fills names up with zeros to the width of the number of trials.
    for name in ("9", "10", "00", BASELINE):
        directory.run(name).mkdir(parents=True)
        directory.record(Trial(name, {}, 1, 0.5, 1.0))
    assert [trial.name for trial in directory.recorded()] == [BASELINE, "00", "9", "10"]
