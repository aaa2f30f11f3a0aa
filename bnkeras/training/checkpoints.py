"""What a run needs to go on: the variables that training changes, and nothing else."""

import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from bnkeras.errors import RunError
from bnkeras.models.variables import Group, grouped_variables
from bnkeras.training.loop import Loop
from bnkeras.training.workers import Workers

# What the checkpoint calls the values of all replicas.
_ROWS = "rows/.ATTRIBUTES/VARIABLE_VALUE"


class Checkpoints:
    """Saves and restores a compiled model in the middle of a run.

    Frozen weights are not saved: they come from the seed. So a checkpoint of a
    65M-parameter network whose γ and β train is a few megabytes. The position in the
    data is `optimizer.iterations`; order and augmentation are functions of it. What
    differs between replicas, moving statistics and metrics, is saved for each.

    The chief reads and writes; the other workers take from it what it read. They all call
    `restore`, `restore_best` and `save`.

    Args:
        folder: where the checkpoints lie.
        loop: the loop of a compiled model whose optimizer and metrics are built.
        workers: who takes part.
    """

    def __init__(self, folder: Path, loop: Loop, workers: Workers):
        self._folder = folder
        self._workers = workers
        self._own = loop.own_values
        # Outside of the scope of the strategy: the table of all replicas' values.
        self._rows = tf.Variable(tf.zeros(self._own.shape), trainable=False)
        model = loop.model
        changing = {
            entry.path: entry.variable
            for entry in grouped_variables(model)
            if entry.group is Group.STATISTICS or entry.variable.trainable
        }
        optimizer = _numbered(model.optimizer.variables)
        self._changing = list(changing.values())
        self._all = [*self._changing, *model.optimizer.variables, self._rows]
        self._weights = tf.train.Checkpoint(weights=changing)
        self._state = tf.train.Checkpoint(weights=changing, optimizer=optimizer, rows=self._rows)
        # TensorFlow writes a checkpoint's files first and the pointer to it last.
        try:
            self._manager = tf.train.CheckpointManager(self._state, str(folder), max_to_keep=2)
        except (tf.errors.OpError, ValueError) as error:
            raise self._unreadable(folder / "checkpoint", error) from error

    def restore(self) -> None:
        """Restore the latest checkpoint, where there is one.

        Raises:
            RunError: it cannot be read, or is of another network or number of devices.
        """
        latest = self._workers.from_chief(self._manager.latest_checkpoint)
        if latest is None:
            return
        if self._workers.is_chief:
            self._check_replicas(latest)
            self._read(self._state.restore, latest)
        self._workers.copy_from_chief(self._all)
        self._own.write(self._rows)

    def save(self, step: int) -> None:
        """Save the state after `step` steps."""
        self._rows.assign(self._own.read())
        self._write(lambda: self._manager.save(checkpoint_number=step))

    def save_best(self, epoch: int) -> None:
        """Save the weights of `epoch`, the best so far."""
        self._write(lambda: self._weights.write(self._best(epoch)))

    def restore_best(self, epoch: int) -> None:
        """Restore the weights of the best epoch."""
        if self._workers.is_chief:
            self._read(self._weights.read, self._best(epoch))
        self._workers.copy_from_chief(self._changing)

    def forget_best_but(self, epoch: int) -> None:
        """Remove the weights of earlier best epochs."""
        for file in self._folder.glob("best-*"):
            if not file.name.startswith(f"best-{epoch}."):
                file.unlink()

    def remove(self) -> None:
        """Remove all checkpoints of a finished run."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _best(self, epoch: int) -> str:
        return str(self._folder / f"best-{epoch}")

    def _check_replicas(self, path: str) -> None:
        """Raise RunError if the checkpoint is of another number of replicas."""
        try:
            shapes = tf.train.load_checkpoint(path).get_variable_to_shape_map()
        except (tf.errors.OpError, ValueError) as error:
            raise self._unreadable(path, error) from error
        saved, here = shapes.get(_ROWS, self._rows.shape)[0], self._rows.shape[0]
        if saved != here:
            raise RunError(
                f"The run was stopped on {saved} devices, and each had moving statistics of its "
                f"own; here are {here}. Go on with {saved}, or begin anew with another --out."
            )

    def _read(self, restore: Callable, path: str) -> None:
        try:
            restore(path).assert_consumed()
        except (tf.errors.OpError, AssertionError, IndexError, ValueError) as error:
            raise self._unreadable(path, error) from error

    def _write(self, write: Callable[[], object]) -> None:
        if not self._workers.is_chief:
            return
        try:
            write()
        except (OSError, tf.errors.OpError) as error:
            raise RunError(
                f"A checkpoint cannot be written to {self._folder}: {_reason(error)}\nThe same "
                f"command goes on from the one before."
            ) from error

    def _unreadable(self, path: object, error: Exception) -> RunError:
        return RunError(
            f"The checkpoint {path} cannot be read: {_reason(error)}\nRemove the folder "
            f"{self._folder} to begin the run anew."
        )


def _reason(error: Exception) -> str:
    # TensorFlow's messages begin with the graph node, which is of no use here.
    return (str(error).splitlines() or [type(error).__name__])[0].rpartition("}} ")[2]


def _numbered(variables: list[keras.Variable]) -> dict[str, keras.Variable]:
    # The names of metric variables are not unique. Paths begin with the name of the optimizer,
    # which Keras numbers within a process: adam, adam_1.
    return {f"{index}/{variable.name}": variable for index, variable in enumerate(variables)}
