"""Running a recipe: train, evaluate, resume, export."""

import math
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from bnkeras.compact.contents import check_files
from bnkeras.compact.manifest import read_manifest
from bnkeras.compact.writer import save_compact
from bnkeras.errors import ExportError, InputError, RecipeError, RunError
from bnkeras.models.variables import parameter_counts
from bnkeras.recipe import Recipe
from bnkeras.training.batches import Batches
from bnkeras.training.checkpoints import Checkpoints
from bnkeras.training.cluster import Cluster
from bnkeras.training.environment import command_line, environment, versions
from bnkeras.training.given import Data
from bnkeras.training.loop import Loop, plain_float
from bnkeras.training.precision import faster_precision
from bnkeras.training.run_directory import RunDirectory
from bnkeras.training.setup import compiled_model, learning_rate, open_batches
from bnkeras.training.strategy import cluster_for, make_strategy
from bnkeras.training.workers import Workers, naming_lost_workers

# With many workers, a question whether to save costs a message.
_STEPS_BETWEEN_QUESTIONS = 50


@dataclass(frozen=True)
class RunResult:
    """The outcome of a run.

    Attributes:
        directory: the run directory.
        export: the compact export in it; of many workers, the chief has it.
        figures: what `result.json` holds: `test_accuracy`, `test_loss` and, with many
            classes, `test_top5_accuracy` (`val_…` of a run without test),
            `parameters` (see `bnkeras.parameter_counts`), `export_bytes`,
            `epoch` (whose weights were kept), `epochs`, `seconds` of training, `precision`.
        finished_before: whether an earlier call had finished the run already.
    """

    directory: Path
    export: Path
    figures: dict[str, Any]
    finished_before: bool


def run(
    recipe: Recipe,
    out: str | Path,
    *,
    data_dir: str | Path | None = None,
    data: Data | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    test: bool = True,
) -> RunResult:
    """Train what `recipe` describes in the directory `out`, and export it.

    A run that was stopped, at whatever moment, goes on from its last checkpoint, and
    ends with the same bits as one that never stopped (same machine, same number of
    devices). A finished run is not repeated.

    With many workers (`strategy.name`, and TF_CONFIG in the environment), all of them
    make this call, and the first, the chief, writes the directory. The others need not
    see it: the chief sends them what it reads. Callbacks run in every worker; whether they
    stop the run is for those of the chief to say. To read metrics is an exchange in which
    all workers take part.

    Turns on deterministic operations for this process.

    Args:
        recipe: what to train, from `bnkeras.recipe.load`.
        out: run directory, see `bnkeras.training.run_directory.RunDirectory`.
        data_dir: where datasets lie; None for the default, `pipelines.data_directory()`.
        data: datasets of your own, for a recipe with `data.dataset = "given"`.
        callbacks: Keras callbacks. Batch-end logs are not computed: ask the metrics of
            `callback.model` when you need them. As in Keras, batch hooks are called once for
            `train.steps_per_execution` steps. Epoch-end logs have `loss`, `accuracy`,
            `learning_rate`, and `val_…` or, where nothing is held out, `test_…`.
        test: whether the test examples judge the result, and it is exported. A search has
            the validation examples judge, for what it chooses must not depend on the others.

    Raises:
        RunDirectoryError: `out` cannot be used.
        RecipeError: the recipe does not fit the data, or `test` is false and it holds out none.
        DataError: the dataset is not prepared; the message says how to.
        RunError: the loss is not finite any more, or a checkpoint cannot be read.
        ClusterError: TF_CONFIG does not describe workers as it should.
        WorkerLostError: another worker has stopped or gone silent.

    Example:
        >>> recipe = bnkeras.recipe.load("digits_resnet14_bnonly")
        >>> run(recipe, "runs/digits").figures["test_accuracy"]
    """
    cluster = cluster_for(recipe.strategy)
    result = partial(RunResult, Path(out), RunDirectory(Path(out)).export)
    with _directory(Path(out), cluster) as directory, directory.claim(recipe):
        finished = directory.result()
        if finished is not None:
            if test:
                _check_finished(directory)
            if cluster is None:
                return result(finished, finished_before=True)
        tf.config.experimental.enable_op_determinism()
        with naming_lost_workers(cluster):
            strategy = make_strategy(recipe.strategy, cluster)
            workers = Workers(strategy, cluster)
            finished = workers.from_chief(finished)
            if finished is not None:
                return result(finished, finished_before=True)
            # Before anything that has to be alike: the network, the number of steps.
            workers.check_agreement({"recipe": recipe.as_dict()})
            replicas = strategy.num_replicas_in_sync
            batches = open_batches(recipe, directory, data_dir, data, replicas)
            if not test and batches.watched[0] == "test":
                raise RecipeError(
                    "Without its test examples a run is judged by held-out ones, and there are "
                    "none: set data.validation to 10, say."
                )
            workers.check_agreement({"data": batches.extent})
            patience = workers.watched(recipe.strategy.timeout_seconds)
            with batches.naming_corrupt_records(), patience:
                training = _Run(recipe, directory, batches, strategy, workers, callbacks, test)
                figures = training.finish()
    return result(figures, finished_before=False)


@contextmanager
def _directory(out: Path, cluster: Cluster | None) -> Iterator[RunDirectory]:
    """Give the run directory; a worker that is not the chief writes where nobody looks."""
    if cluster is None or cluster.is_chief:
        yield RunDirectory(out)
        return
    with tempfile.TemporaryDirectory(prefix="bnkeras-worker-") as scratch:
        yield RunDirectory(Path(scratch))


def _check_finished(directory: RunDirectory) -> None:
    """Raise RunError unless the export of a finished run is still whole."""
    try:
        check_files(directory.export, read_manifest(directory.export))
    except (ExportError, InputError) as error:
        raise RunError(
            f"{directory.path} holds a finished run without its export: {error}\nRemove the "
            f"directory to run it anew, or choose another one with --out."
        ) from error
    # Had the process been killed just before it removed them.
    shutil.rmtree(directory.checkpoints, ignore_errors=True)


class _Run:
    """One run from its last checkpoint to its end."""

    def __init__(
        self,
        recipe: Recipe,
        directory: RunDirectory,
        batches: Batches,
        strategy: tf.distribute.Strategy,
        workers: Workers,
        callbacks: Sequence[keras.callbacks.Callback],
        test: bool,
    ):
        self.recipe = recipe
        self.test = test
        self.directory = directory
        self.batches = batches
        self.workers = workers
        self.steps = batches.steps
        self._per_execution = recipe.train.steps_per_execution
        self.rows: list[dict[str, Any]] = []
        self.precision = self._precision(strategy)
        with strategy.scope():
            self.model = compiled_model(recipe, batches, self.precision)
        workers.check_agreement({"data": batches.source})
        # Only now, when nothing in the recipe can be refused any more, is the directory its own.
        directory.begin(recipe, {"command": command_line(), **environment()})
        if recipe.train.precision == "auto":
            directory.record_precision(self.precision)
        batches.begin(directory)
        self.loop = Loop(self.model, strategy)
        self.loop.build_metrics(recipe.model.classes)
        self.checkpoints = Checkpoints(directory.checkpoints, self.loop, workers)
        self.callbacks = keras.callbacks.CallbackList(
            [*self._tensorboard(), *callbacks],
            model=self.model,
            epochs=recipe.train.epochs,
            steps=self.steps,
        )
        splits = {"test", batches.watched[0]} if test else {batches.watched[0]}
        self.evaluated = {split: self._evaluation(split) for split in splits}

    def finish(self) -> dict[str, Any]:
        """Train to the end, export, and return the final figures."""
        self.checkpoints.restore()
        step = self._step()
        # What was written of epochs after the checkpoint will be written again.
        self.rows = self.directory.rows()[: step // self.steps]
        if self.workers.is_chief and len(self.rows) < step // self.steps:
            raise RunError(
                f"{self.directory.path} has a checkpoint of {step // self.steps} epochs and the "
                f"metrics of {len(self.rows)}. Put back its metrics.json, or remove "
                f"{self.directory.checkpoints} to begin the run anew."
            )
        self.rows = self.workers.from_chief(self.rows)
        try:
            self._train(step)
        except KeyboardInterrupt:
            # A step is one call into TensorFlow, so the interruption came between two. At the
            # end of an epoch the checkpoint would have to hold its evaluation as well. With
            # many workers, the others have not stopped here.
            if self.workers.alone and self._step() % self.steps:
                self.checkpoints.save(self._step())
            raise
        if not self.rows:
            raise RunError("A callback stopped the run before its first epoch was over.")
        epoch = self._kept_epoch()
        if self.recipe.train.keep == "best":
            self.checkpoints.restore_best(epoch)
        result = self._result(epoch)
        if self.workers.is_chief:
            if self.test:
                result |= self._export(result)
            self.directory.write_result(result)
            self.checkpoints.remove()
        # The others end when the export is there, and the chief when they know.
        result = self.workers.from_chief(result)
        self.workers.from_chief(None)
        return result

    def _train(self, step: int) -> None:
        self.model.stop_training = False
        self.callbacks.on_train_begin()
        batches = iter(self.loop.distribute(partial(self.batches.train, step)))
        saved_at = time.monotonic()
        while step < self.recipe.train.epochs * self.steps and not self.model.stop_training:
            epoch, first = divmod(step, self.steps)
            self.callbacks.on_epoch_begin(epoch)
            began = time.monotonic()
            while first < self.steps:
                count = min(self._per_execution, self.steps - first)
                self.callbacks.on_train_batch_begin(first)
                if count == 1:
                    self.loop.train_step(next(batches))
                else:
                    self.loop.train_steps(batches, tf.constant(count))
                first, step = first + count, step + count
                self.workers.heard()
                self.callbacks.on_train_batch_end(first - 1)
                # The end of an epoch has a checkpoint of its own, after its evaluation.
                if first < self.steps and self._checkpoint_is_due(step, count, saved_at):
                    self.checkpoints.save(step)
                    saved_at = time.monotonic()
            self._end_epoch(epoch, time.monotonic() - began)
            self.checkpoints.save(step)
            if self.recipe.train.keep == "best":
                self.checkpoints.forget_best_but(self._kept_epoch())
            saved_at = time.monotonic()
            self.model.stop_training = self.workers.from_chief(self.model.stop_training)
        self.callbacks.on_train_end()

    def _precision(self, strategy: tf.distribute.Strategy) -> str:
        """Return the precision of the recipe, or what is measured to be faster, once a run."""
        if self.recipe.train.precision != "auto":
            return self.recipe.train.precision
        chosen = self.workers.from_chief(self.directory.precision())
        if chosen is not None:
            return chosen

        def training_step(precision: str) -> Callable[[], object]:
            with strategy.scope():
                loop = Loop(compiled_model(self.recipe, self.batches, precision), strategy)
            loop.build_metrics(self.recipe.model.classes)
            batch = next(iter(loop.distribute(partial(self.batches.train, 0))))
            return lambda: (loop.train_step(batch), loop.model.optimizer.iterations.numpy())

        return self.workers.from_chief(faster_precision(training_step))

    def _checkpoint_is_due(self, step: int, count: int, saved_at: float) -> bool:
        """Whether to save after the `count` steps to `step`.

        All workers save together, by the clock of the chief.
        """
        due = time.monotonic() - saved_at > 60 * self.recipe.train.checkpoint_minutes
        if self.workers.alone:
            return due
        asked = step % _STEPS_BETWEEN_QUESTIONS < count
        return asked and self.workers.from_chief(due)

    def _end_epoch(self, epoch: int, seconds: float) -> None:
        """Evaluate, and write the row of the epoch."""
        trained = self.loop.metrics()
        self.loop.average_statistics()
        rate = learning_rate(self.recipe, self.steps)((epoch + 1) * self.steps - 1)
        row = {"epoch": epoch + 1, "learning_rate": plain_float(rate), **trained}
        split, prefix = self.batches.watched
        row |= {f"{prefix}_{name}": value for name, value in self._evaluate(split).items()}
        row["seconds"] = round(seconds, 3)
        for name, value in row.items():
            if not math.isfinite(value):
                raise RunError(
                    f"The {name} of epoch {epoch + 1} is {value}: training diverged. Try a lower "
                    f"rate, such as --set train.learning_rate="
                    f"{self.recipe.train.learning_rate / 3:.2g} with another --out."
                )
        self.rows.append(row)
        if self.recipe.train.keep == "best" and self._kept_epoch() == epoch + 1:
            self.checkpoints.save_best(epoch + 1)
        self.directory.write_rows(self.rows)
        self.model.reset_metrics()
        self.callbacks.on_epoch_end(epoch, {key: row[key] for key in row if key != "epoch"})

    def _kept_epoch(self) -> int:
        """Return the epoch whose weights are kept: the last, or the first of lowest loss."""
        if self.recipe.train.keep == "last":
            return self.rows[-1]["epoch"]
        return min(self.rows, key=lambda row: row["val_loss"])["epoch"]

    def _result(self, epoch: int) -> dict[str, Any]:
        return {
            "recipe": self.recipe.name,
            **self._judgement(epoch),
            "epoch": epoch,
            "epochs": self.recipe.train.epochs,
            "seconds": round(sum(row["seconds"] for row in self.rows), 1),
            "examples": self.batches.examples,
            "dataset": self.batches.source,
            "parameters": parameter_counts(self.model),
            "precision": self.precision,
            "versions": versions(),
        }

    def _judgement(self, epoch: int) -> dict[str, float]:
        """Return what the test examples say or, without them, the held-out ones."""
        if self.test:
            return {f"test_{name}": value for name, value in self._evaluate("test").items()}
        row = next(row for row in self.rows if row["epoch"] == epoch)
        return {name: value for name, value in row.items() if name.startswith("val_")}

    def _export(self, result: dict[str, Any]) -> dict[str, Any]:
        """Write the export, and return its name and size."""
        save_compact(
            self.model,
            self.directory.export,
            training={"recipe": self.recipe.as_dict(), "result": result},
            **self.batches.export_arguments(self.model),
        )
        size = sum(f.stat().st_size for f in self.directory.export.rglob("*") if f.is_file())
        return {"export": self.directory.export.name, "export_bytes": size}

    def _evaluation(self, split: str) -> Any:
        return self.loop.distribute(partial(self.batches.evaluation, split))

    def _evaluate(self, split: str) -> dict[str, float]:
        steps = self.batches.evaluation_steps(split)
        return self.loop.evaluate(self.evaluated[split], steps, self.workers.heard)

    def _step(self) -> int:
        return int(self.model.optimizer.iterations.numpy())

    def _tensorboard(self) -> list[keras.callbacks.Callback]:
        if find_spec("tensorboard") is None or not self.workers.is_chief:
            return []
        return [keras.callbacks.TensorBoard(self.directory.tensorboard, write_graph=False)]
