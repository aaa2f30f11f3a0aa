"""Promise 5: interrupted equals uninterrupted, bit for bit."""

import json
import random
import re
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

import bnkeras
import bnkeras.recipe
from bnkeras.errors import RunError
from bnkeras.training import run
from bnkeras.training.setup import learning_rate

RECIPE = "digits_resnet14_bnonly"
# A shallower network is traced sooner, which is most of so short a run.
SHORT = ["model.depth=8", "train.epochs=3", "train.milestones=[2]"]
# Every step has its checkpoint, so that a resume begins in the middle of an epoch.
OFTEN = "train.checkpoint_minutes=1e-9"


class _StopError(Exception):
    pass


class _StopAfter(keras.callbacks.Callback):
    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        self.steps -= 1
        if self.steps == 0:
            raise _StopError


def weights(export):
    return {v.path: v.numpy().tobytes() for v in bnkeras.load_compact(export).variables}


def rows(directory):
    """Return the metrics, but for the seconds, which no run has twice."""
    table = json.loads((directory / "metrics.json").read_text())
    return [{key: row[key] for key in row if key != "seconds"} for row in table]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, data_dir):
    recipe = bnkeras.recipe.load(RECIPE, [*SHORT, OFTEN])
    return run(recipe, tmp_path_factory.mktemp("uninterrupted") / "run", data_dir=data_dir)


@pytest.mark.parametrize("steps", [1, 22, 30])
def test_an_exception_at_any_step_changes_nothing(steps, uninterrupted, data_dir, tmp_path):
    recipe = bnkeras.recipe.load(RECIPE, [*SHORT, OFTEN])
    with pytest.raises(_StopError):
        run(recipe, tmp_path / "run", data_dir=data_dir, callbacks=[_StopAfter(steps)])
    assert not (tmp_path / "run" / "result.json").exists()
    result = run(recipe, tmp_path / "run", data_dir=data_dir)
    assert weights(result.export) == weights(uninterrupted.export)
    assert rows(result.directory) == rows(uninterrupted.directory)
    assert result.figures["test_accuracy"] == uninterrupted.figures["test_accuracy"]
    assert len(json.loads((result.directory / "environment.json").read_text())) == 2


def test_checkpoints_do_not_change_the_result(uninterrupted, data_dir, tmp_path):
    recipe = bnkeras.recipe.load(RECIPE, SHORT)
    result = run(recipe, tmp_path / "run", data_dir=data_dir)
    assert weights(result.export) == weights(uninterrupted.export)


@pytest.mark.slow
def test_one_cycle_goes_on_where_it_was(data_dir, tmp_path):
    # The rate rises until step 18 of 66, and falls when the run goes on from step 25.
    settings = ["model.depth=8", "train.epochs=3", "train.schedule=one_cycle", OFTEN]
    recipe = bnkeras.recipe.load(RECIPE, settings)
    whole = run(recipe, tmp_path / "whole", data_dir=data_dir)
    rate = learning_rate(recipe, 22)
    used = [row["learning_rate"] for row in rows(whole.directory)]
    assert used == pytest.approx([float(rate(step)) for step in (21, 43, 65)], rel=1e-6)
    assert used[0] > used[1] > used[2] == pytest.approx(0.3 / 25 / 1e4)
    with pytest.raises(_StopError):
        run(recipe, tmp_path / "cut", data_dir=data_dir, callbacks=[_StopAfter(25)])
    # Nor does it matter how many steps one call into TensorFlow has.
    together = bnkeras.recipe.load(RECIPE, [*settings, "train.steps_per_execution=4"])
    cut = run(together, tmp_path / "cut", data_dir=data_dir)
    assert weights(cut.export) == weights(whole.export)
    assert rows(cut.directory) == rows(whole.directory)


@pytest.mark.slow
def test_the_best_epoch_survives_a_stop(data_dir, tmp_path):
    settings = [*SHORT, OFTEN, "data.validation=20", "train.keep='best'", "train.learning_rate=2.0"]
    recipe = bnkeras.recipe.load(RECIPE, settings)
    whole = run(recipe, tmp_path / "whole", data_dir=data_dir)
    losses = [row["val_loss"] for row in rows(whole.directory)]
    assert whole.figures["epoch"] == 1 + int(np.argmin(losses))
    with pytest.raises(_StopError):
        run(recipe, tmp_path / "cut", data_dir=data_dir, callbacks=[_StopAfter(40)])
    cut = run(recipe, tmp_path / "cut", data_dir=data_dir)
    assert cut.figures["epoch"] == whole.figures["epoch"]
    assert weights(cut.export) == weights(whole.export)


def test_a_damaged_checkpoint_is_named(data_dir, tmp_path):
    recipe = bnkeras.recipe.load(RECIPE, [*SHORT, OFTEN])
    with pytest.raises(_StopError):
        run(recipe, tmp_path / "run", data_dir=data_dir, callbacks=[_StopAfter(5)])
    for file in (tmp_path / "run" / "checkpoints").glob("ckpt-*.data*"):
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(RunError, match=r"checkpoints/ckpt-\d+ cannot be read"):
        run(recipe, tmp_path / "run", data_dir=data_dir)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: (run / "metrics.json").unlink(), r"checkpoint of 1 epochs .* metrics of 0"),
        (
            lambda run: (run / "checkpoints" / "checkpoint").write_bytes(b"\xff\x00"),
            r"checkpoints/checkpoint cannot be read",
        ),
        (
            lambda run: (run / "checkpoints" / "checkpoint").write_bytes(b""),
            r"checkpoints/checkpoint cannot be read",
        ),
    ],
    ids=["no metrics", "binary state", "empty state"],
)
def test_a_run_that_lacks_its_past_is_refused(spoil, message, data_dir, tmp_path):
    recipe = bnkeras.recipe.load(RECIPE, [*SHORT, OFTEN])
    with pytest.raises(_StopError):
        run(recipe, tmp_path / "run", data_dir=data_dir, callbacks=[_StopAfter(25)])
    spoil(tmp_path / "run")
    with pytest.raises(RunError, match=message):
        run(recipe, tmp_path / "run", data_dir=data_dir)


def test_a_checkpoint_that_cannot_be_written_is_an_error(data_dir, tmp_path):
    class Spoil(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            (tmp_path / "run" / "checkpoints").write_text("in the way")

    recipe = bnkeras.recipe.load(RECIPE, [*SHORT, OFTEN])
    with pytest.raises(RunError, match=r"cannot be written to .*checkpoints: .*not a directory"):
        run(recipe, tmp_path / "run", data_dir=data_dir, callbacks=[Spoil()])


@pytest.mark.parametrize("kills", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_kills_change_nothing(kills, data_dir, tmp_path):
    # A checkpoint at every step of 22 an epoch: the kills come long before the end.
    epochs = 5 if kills == 1 else 8
    drops = f"train.milestones=[{epochs // 2},{epochs - 2}]"
    settings = ["model.depth=8", f"train.epochs={epochs}", drops, OFTEN]
    options = [option for setting in settings for option in ("--set", setting)]

    def command(out):
        call = [sys.executable, "-m", "bnkeras.cli.main", "recipe", "run", RECIPE, *options]
        return [*call, "--out", str(out), "--data-dir", str(data_dir)]

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    subprocess.run(command(whole), check=True, capture_output=True)
    # Python's own generator starts every test at the same seed.
    moments, killed_at = random.SystemRandom(), []
    for _ in range(kills):
        goal = _saved_step(cut) + moments.randint(1, 20)
        process = subprocess.Popen(
            command(cut), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while _saved_step(cut) < goal and process.poll() is None:
            time.sleep(0.001)
        # Into whatever comes next: a step, an evaluation, the writing of a checkpoint.
        time.sleep(moments.uniform(0, 0.05))
        process.kill()
        killed_at.append(_saved_step(cut))
        assert process.wait() == -signal.SIGKILL, f"the run ended by itself; kills: {killed_at}"
    subprocess.run(command(cut), check=True, capture_output=True)
    assert weights(cut / "export") == weights(whole / "export"), killed_at
    assert rows(cut) == rows(whole), killed_at


def _saved_step(directory):
    """Return the step of the checkpoint that a resume would begin from."""
    state = directory / "checkpoints" / "checkpoint"
    found = (
        re.match(r'model_checkpoint_path: "ckpt-(\d+)"', state.read_text())
        if state.exists()
        else None
    )
    return int(found.group(1)) if found else 0
