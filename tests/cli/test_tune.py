"""`bnkeras tune` as a user meets it."""

import json
import subprocess
import sys

import pytest

RECIPE = "digits_resnet14_bnonly"


def _tune(*arguments, folder, code=0):
    command = [sys.executable, "-m", "bnkeras.cli.main", "tune", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tune")
    short = ["--trials", "1", "--epochs", "1", "--space", "initialisation"]
    return folder, short, _tune(RECIPE, *short, "--data-dir", "data", folder=folder)


def test_it_prints_each_trial_and_what_to_do_with_the_best(searched):
    folder, _, done = searched
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "ResNet-14 on 8×8 handwritten digits: γ and β only"
    assert lines[1] == (
        "1 trial of 1 epoch, random, in the space initialisation; "
        "10% of the training examples judge"
    )
    out = folder / "runs" / "tune" / f"{RECIPE}-initialisation"
    (trial,) = [line for line in lines if "trial 0  features" in line][:1]
    rows = json.loads((out / "trials.json").read_text())
    of_trial = next(row for row in rows if row["trial"] == "0")
    assert trial.strip().startswith(f"{of_trial['val_accuracy']:.1%}")
    assert f"gamma {of_trial['model.gamma']}" in trial
    assert lines[-2] == f"  bnkeras recipe run runs/tune/{out.name}/best.toml"
    assert (out / "search.png").stat().st_size > 10_000
    assert (out / "search.svg").exists()


def test_the_same_command_again_trains_nothing(searched, call_bnkeras, monkeypatch):
    folder, short, done = searched
    monkeypatch.chdir(folder)
    code, again, _ = call_bnkeras("tune", RECIPE, *short, "--data-dir", "data")
    assert code == 0
    assert "2 trials have been finished before" in again
    assert again.splitlines()[-8:] == done.stdout.splitlines()[-8:]


def test_json_is_the_table(searched, call_bnkeras, monkeypatch):
    folder, short, _ = searched
    monkeypatch.chdir(folder)
    code, printed, _ = call_bnkeras("tune", RECIPE, *short, "--data-dir", "data", "--json")
    assert code == 0
    found = json.loads(printed)
    assert found["best"] == "0"
    assert {row["trial"] for row in found["trials"]} == {"0", "baseline"}


def test_the_best_runs_as_a_recipe(searched, call_bnkeras, monkeypatch):
    folder, _, _ = searched
    monkeypatch.chdir(folder)
    best = f"runs/tune/{RECIPE}-initialisation/best.toml"
    code, printed, _ = call_bnkeras("recipe", "show", best, "--set", "train.epochs=1")
    assert code == 0
    assert 'regime = "bnonly"' in printed


def test_another_search_in_the_directory_is_refused(searched, call_bnkeras, monkeypatch):
    folder, short, _ = searched
    monkeypatch.chdir(folder)
    code, _, error = call_bnkeras("tune", RECIPE, *short, "--seed", "3", "--data-dir", "data")
    assert code == 2
    assert "holds another search: it differs in seed (0 there, 3 here)" in error


def test_a_dry_run_shows_the_space_and_trains_nothing(call_bnkeras, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, printed, _ = call_bnkeras(
        "tune", "resnet14_bnonly", "--method", "hyperband", "--epochs", "9", "--dry-run"
    )
    assert code == 0
    assert "23 trials of up to 9 epochs, hyperband, in the space everything" in printed
    assert "train.learning_rate" in printed
    assert "96 epochs in all" in printed
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resnet14_bnolny"], "Did you mean 'resnet14_bnonly'"),
        ([RECIPE, "--method", "grid"], "--method is random, hyperband, bayesian; received 'grid'"),
        (
            [RECIPE, "--method", "hyperband", "--trials", "5"],
            "hyperband has as many as its brackets need; received 5",
        ),
        ([RECIPE, "--space", "all"], "No search space 'all'. There are everything"),
        ([RECIPE, "--set", "train.epoch=3"], "Did you mean 'train.epochs'?"),
        (["resnet14_bnonly", "--data-dir", "nowhere"], "bnkeras data prepare cifar10"),
    ],
)
def test_mistakes_are_said_in_a_few_lines(arguments, message, call_bnkeras, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, printed, error = call_bnkeras("tune", *arguments)
    assert code == 2
    assert message in error
    assert "Traceback" not in printed + error
    assert not list(tmp_path.iterdir())


def test_without_keras_tuner_it_says_what_to_install(call_bnkeras, monkeypatch):
    from bnkeras.cli import tune

    monkeypatch.setattr(tune, "find_spec", lambda name: None)
    code, _, error = call_bnkeras("tune", RECIPE)
    assert code == 2
    assert "pip install 'bnkeras[tuning]'" in error


@pytest.mark.exhaustive
def test_workers_search_together(tmp_path):
    short = ["--trials", "3", "--epochs", "1", "--space", "initialisation", "--data-dir", "data"]
    alone = _tune(RECIPE, *short, "--out", "alone", "--json", folder=tmp_path)
    together = _tune(RECIPE, *short, "--out", "many", "--workers", "2", "--json", folder=tmp_path)

    def rows(done):
        return {row["trial"]: row["val_accuracy"] for row in json.loads(done.stdout)["trials"]}

    assert len(rows(together)) == 4
    # Which worker has trained what makes no difference, nor which trial came first.
    assert sorted(rows(together).values()) == sorted(rows(alone).values())
    assert {log.name for log in (tmp_path / "many" / "logs").iterdir()} == {
        "chief.log",
        "worker0.log",
        "worker1.log",
    }
