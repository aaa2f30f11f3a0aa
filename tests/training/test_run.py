"""A run from its recipe to its export."""

import csv
import json
import shutil
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from filelock import FileLock

import bnkeras
import bnkeras.recipe
from bnkeras.compact.manifest import read_manifest
from bnkeras.errors import DataError, RecipeError, RunDirectoryError, RunError
from bnkeras.models.variables import grouped_variables
from bnkeras.pipelines import evaluation_batches, find, load_split
from bnkeras.training import run
from bnkeras.training.run_directory import RunDirectory, write_text
from bnkeras.training.setup import open_batches

RECIPE = "digits_resnet14_bnonly"
# A shallower network is traced sooner, which is most of so short a run.
SHORT = ["model.depth=8", "train.epochs=2", "train.milestones=[1]"]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def recipe():
    return bnkeras.recipe.load(RECIPE, SHORT, seed=3)


@pytest.fixture(scope="module")
def result(recipe, data_dir, tmp_path_factory):
    return run(recipe, tmp_path_factory.mktemp("runs") / "run", data_dir=data_dir)


def test_only_gamma_beta_and_statistics_change(result):
    trained = bnkeras.load_compact(result.export)
    initial = bnkeras.build("resnet_cifar", depth=8, input_shape=(8, 8, 1), seed=3)
    for now, before in zip(grouped_variables(trained), grouped_variables(initial), strict=True):
        same = np.array_equal(now.variable.numpy(), before.variable.numpy())
        assert same == (now.group not in ("batchnorm", "statistics")), now.path


def test_the_accuracy_is_that_of_the_export(result, data_dir):
    prepared = find("digits", data_dir)
    split = load_split(prepared, "test")
    served = tf.saved_model.load(str(result.export)).signatures
    answers = served["serving_default"](image=tf.constant(split.images))
    ((inputs, _, _),) = evaluation_batches(split, prepared.spec, batch_size=len(split))
    np.testing.assert_array_equal(answers["logits"], served["network"](image=inputs)["logits"])
    logits = answers["logits"].numpy().astype(np.float64)
    digits = [str(digit).encode() for digit in logits.argmax(axis=1)]
    assert answers["labels"].numpy().tolist() == digits
    accuracy = np.mean(logits.argmax(axis=1) == split.labels)
    assert result.figures["test_accuracy"] == pytest.approx(accuracy, abs=1e-6)
    chosen = logits[np.arange(len(logits)), split.labels]
    loss = np.mean(np.log(np.exp(logits).sum(axis=1)) - chosen)
    assert result.figures["test_loss"] == pytest.approx(loss, rel=1e-5)


def test_the_run_directory_tells_everything(result, recipe):
    found = {item.name for item in result.directory.iterdir()}
    assert found >= {"recipe.toml", "environment.json", "metrics.csv", "metrics.json", "export"}
    assert "checkpoints" not in found
    assert bnkeras.recipe.load(result.directory / "recipe.toml") == recipe
    rows = json.loads((result.directory / "metrics.json").read_text())
    assert [row["epoch"] for row in rows] == [1, 2]
    assert [row["learning_rate"] for row in rows] == pytest.approx([0.3, 0.03])
    table = list(csv.DictReader((result.directory / "metrics.csv").read_text().splitlines()))
    assert [float(row["loss"]) for row in table] == [row["loss"] for row in rows]
    assert rows[-1]["test_accuracy"] == result.figures["test_accuracy"]
    (start,) = json.loads((result.directory / "environment.json").read_text())
    assert start["versions"]["tensorflow"] == tf.__version__
    assert start["hardware"]["cores"] >= 1
    assert start.keys() >= {"command", "git"}


def test_the_manifest_tells_recipe_and_figures(result, recipe):
    manifest = read_manifest(result.export)
    assert manifest.seed == 3
    assert manifest.regime == "bnonly"
    assert manifest.training["recipe"] == recipe.as_dict()
    assert manifest.training["result"]["test_accuracy"] == result.figures["test_accuracy"]
    assert manifest.preprocessing["scale"] == "channel"
    assert manifest.class_names == tuple("0123456789")


def test_tensorboard_logs_are_written(result):
    pytest.importorskip("tensorboard")
    assert list(result.directory.glob("tensorboard/**/events.*"))


def test_a_finished_run_is_not_repeated(result, recipe, data_dir):
    class Never(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            raise AssertionError("trained again")

    again = run(recipe, result.directory, data_dir=data_dir, callbacks=[Never()])
    assert again.finished_before
    assert again.figures == result.figures


def test_callbacks_see_every_step_and_can_stop(data_dir, tmp_path):
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)

        def on_epoch_end(self, epoch, logs=None):
            assert logs.keys() >= {"loss", "accuracy", "learning_rate", "val_loss", "val_accuracy"}
            self.model.stop_training = epoch == 1

    settings = ["model.depth=8", "train.epochs=4", "train.milestones=[]", "data.validation=25"]
    recipe = bnkeras.recipe.load(RECIPE, settings)
    result = run(recipe, tmp_path / "run", data_dir=data_dir, callbacks=[Watch()])
    # 75% of 1,437 images are 1,078: 16 full batches of 64.
    assert seen == [*range(16), *range(16)]
    assert result.figures["epoch"] == 2
    assert result.figures["examples"] == {"train": 1078, "test": 360, "validation": 359}


@pytest.mark.parametrize("regime", ["output", "frozenbn", "bnshortcutoutput"])
def test_other_regimes_train_what_they_say(regime, data_dir, tmp_path):
    recipe = bnkeras.recipe.load(f"digits_resnet14_{regime}", ["model.depth=8", "train.epochs=1"])
    result = run(recipe, tmp_path / "run", data_dir=data_dir)
    trained = bnkeras.load_compact(result.export)
    initial = {
        v.path: v.numpy()
        for v in bnkeras.build("resnet_cifar", depth=8, input_shape=(8, 8, 1)).variables
    }
    for entry in grouped_variables(trained):
        changed = not np.array_equal(entry.variable.numpy(), initial[entry.path])
        assert changed == (entry.variable.trainable or entry.group == "statistics"), entry.path


def test_adam_bfloat16_and_warm_up_run(data_dir, tmp_path):
    settings = [
        "model.depth=8",
        "train.epochs=2",
        "train.optimizer=adam",
        "train.learning_rate=0.01",
        "train.precision=mixed_bfloat16",
        "train.warmup_epochs=1",
    ]
    recipe = bnkeras.recipe.load("digits_resnet14_bnonly", settings)
    result = run(recipe, tmp_path / "run", data_dir=data_dir)
    rows = json.loads((result.directory / "metrics.json").read_text())
    assert rows[1]["loss"] < rows[0]["loss"]
    assert bnkeras.verify_compact(result.export)["largest_difference"] == 0.0


def test_divergence_is_an_error_and_not_an_export(data_dir, tmp_path):
    settings = [*SHORT, "train.learning_rate=1e30", "model.regime=all"]
    recipe = bnkeras.recipe.load(RECIPE, settings)
    with pytest.raises(RunError, match=r"diverged.*lower rate"):
        run(recipe, tmp_path / "run", data_dir=data_dir)
    assert not (tmp_path / "run" / "export").exists()


def test_missing_data_name_the_command(tmp_path):
    recipe = bnkeras.recipe.load("resnet14_bnonly")
    with pytest.raises(DataError, match="bnkeras data prepare cifar10"):
        run(recipe, tmp_path / "run", data_dir=tmp_path / "nothing")


def test_a_directory_of_another_recipe_is_refused(result, data_dir):
    other = bnkeras.recipe.load(RECIPE, ["train.epochs=7"], seed=3)
    before = (result.directory / "result.json").read_bytes()
    with pytest.raises(RunDirectoryError, match=r"train\.epochs: 2 there, 7 now"):
        run(other, result.directory, data_dir=data_dir)
    assert (result.directory / "result.json").read_bytes() == before


def test_a_directory_with_other_things_is_refused(recipe, data_dir, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(RunDirectoryError, match=r"'thesis\.tex' and no recipe\.toml"):
        run(recipe, tmp_path, data_dir=data_dir)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_what_a_kill_at_the_start_leaves_is_no_obstacle(recipe, data_dir, tmp_path):
    (tmp_path / ".lock").write_text("")
    (tmp_path / ".recipe.toml.partial").write_text("seed =")
    directory = RunDirectory(tmp_path)
    with directory.claim(recipe):
        directory.begin(recipe, {})
        assert bnkeras.recipe.load(tmp_path / "recipe.toml") == recipe


def test_a_file_in_the_way_is_refused(recipe, data_dir, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match="is a file"):
        run(recipe, tmp_path / "file", data_dir=data_dir)
    with pytest.raises(RunDirectoryError, match="cannot be written"):
        run(recipe, tmp_path / "file" / "run", data_dir=data_dir)


def test_two_runs_in_one_directory_are_refused(recipe, data_dir, tmp_path):
    directory = tmp_path / "run"
    directory.mkdir()
    with (
        FileLock(directory / ".lock"),
        pytest.raises(RunDirectoryError, match="Another process is training"),
    ):
        run(recipe, directory, data_dir=data_dir)


def test_a_refused_recipe_does_not_claim_the_directory(recipe, data_dir, tmp_path):
    too_large = bnkeras.recipe.load(RECIPE, [*SHORT, "train.batch_size=5000"], seed=3)
    with pytest.raises(RecipeError, match=r"train\.batch_size: must be at most 1437, .* 5000"):
        run(too_large, tmp_path / "run", data_dir=data_dir)
    assert run(recipe, tmp_path / "run", data_dir=data_dir).figures["epoch"] == 2


def test_a_batch_that_devices_cannot_share_is_refused(recipe, data_dir, tmp_path):
    with pytest.raises(RecipeError, match=r"multiple of the 3 devices.*received 64"):
        open_batches(recipe, RunDirectory(tmp_path), data_dir, replicas=3)


def test_a_finished_run_without_its_export_says_so(result, recipe, data_dir, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(result.directory, copy)
    shutil.rmtree(copy / "export" / "variables")
    with pytest.raises(RunError, match=r"without its export.*is missing"):
        run(recipe, copy, data_dir=data_dir)


def test_how_often_is_saved_may_change(result, data_dir):
    recipe = bnkeras.recipe.load(RECIPE, [*SHORT, "train.checkpoint_minutes=1.0"], seed=3)
    assert run(recipe, result.directory, data_dir=data_dir).finished_before


def test_a_callback_that_stops_at_once_is_an_error(data_dir, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.model.stop_training = True

    with pytest.raises(RunError, match="before its first epoch"):
        run(bnkeras.recipe.load(RECIPE, SHORT), tmp_path, data_dir=data_dir, callbacks=[Stop()])


def test_an_interruption_saves_where_it_came(data_dir, tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 5:
                raise KeyboardInterrupt

    recipe = bnkeras.recipe.load(RECIPE, SHORT)
    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path, data_dir=data_dir, callbacks=[Interrupt()])
    assert (tmp_path / "checkpoints" / "ckpt-6.index").exists()


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "result.json"
    write_text(target, "old")

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_text(target, "new")
    assert target.read_text() == "old"


def test_steps_in_one_execution_change_no_bit(recipe, result, data_dir, tmp_path):
    class Ends(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.seen = []

        def on_train_batch_end(self, batch, logs=None):
            self.seen.append(batch)

    ends = Ends()
    recipe = bnkeras.recipe.load(RECIPE, [*SHORT, "train.steps_per_execution=4"], seed=3)
    fast = run(recipe, tmp_path / "run", data_dir=data_dir, callbacks=[ends])
    assert ends.seen == [3, 7, 11, 15, 19, 21] * 2
    for one, other in zip(
        bnkeras.load_compact(fast.export).variables,
        bnkeras.load_compact(result.export).variables,
        strict=True,
    ):
        assert np.array_equal(one.numpy(), other.numpy()), one.path
    assert fast.figures["test_loss"] == result.figures["test_loss"]
    # How many steps a call takes is no other run.
    again = bnkeras.recipe.load(RECIPE, SHORT, seed=3)
    assert run(again, fast.directory, data_dir=data_dir).finished_before


@pytest.mark.slow
def test_the_faster_precision_is_measured_once_and_kept(data_dir, tmp_path, monkeypatch):
    class StopError(Exception):
        pass

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise StopError

    measured = []

    def faster(training_step):
        for precision in ("float32", "mixed_bfloat16"):
            training_step(precision)()
        measured.append(True)
        return "mixed_bfloat16"

    # The package has the function `run` by the name of its module.
    monkeypatch.setattr(sys.modules["bnkeras.training.run"], "faster_precision", faster)
    recipe = bnkeras.recipe.load(
        RECIPE, ["train.epochs=1", "model.depth=8", "train.precision=auto"]
    )
    with pytest.raises(StopError):
        run(recipe, tmp_path / "run", data_dir=data_dir, callbacks=[Stop()])
    figures = run(recipe, tmp_path / "run", data_dir=data_dir).figures
    assert measured == [True]
    assert figures["precision"] == "mixed_bfloat16"
    # Measuring leaves no trace: a run that names the precision is the same.
    recipe = bnkeras.recipe.load(
        RECIPE, ["train.epochs=1", "model.depth=8", "train.precision=mixed_bfloat16"]
    )
    named = run(recipe, tmp_path / "named", data_dir=data_dir)
    assert named.figures["test_loss"] == figures["test_loss"]
    assert not (named.directory / "precision.json").exists()
