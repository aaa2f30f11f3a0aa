"""What a run needs to go on: the variables that training changes, and nothing else."""

import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from bnkeras.errors import RunError
from bnkeras.models.variables import Group, grouped_variables


class Checkpoints:
    """Saves and restores a compiled model in the middle of a run.

    Frozen weights are not saved: they come from the seed. So a checkpoint of a
    65M-parameter network whose γ and β train is a few megabytes. The position in the
    data is `optimizer.iterations`; order and augmentation are functions of it.

    Args:
        folder: where the checkpoints lie.
        model: a compiled model whose optimizer and metrics are built.
    """

    def __init__(self, folder: Path, model: keras.Model):
        self._folder = folder
        changing = {
            entry.path: entry.variable
            for entry in grouped_variables(model)
            if entry.group is Group.STATISTICS or entry.variable.trainable
        }
        self._weights = tf.train.Checkpoint(weights=changing)
        self._state = tf.train.Checkpoint(
            weights=changing,
            optimizer=_numbered(model.optimizer.variables),
            metrics=_numbered(model.metrics_variables),
        )
        # TensorFlow writes a checkpoint's files first and the pointer to it last.
        try:
            self._manager = tf.train.CheckpointManager(self._state, str(folder), max_to_keep=2)
        except (tf.errors.OpError, ValueError) as error:
            raise self._unreadable(folder / "checkpoint", error) from error

    def restore(self) -> None:
        """Restore the latest checkpoint, where there is one.

        Raises:
            RunError: it cannot be read, or is of another network.
        """
        if self._manager.latest_checkpoint:
            self._read(self._state.restore, self._manager.latest_checkpoint)

    def save(self, step: int) -> None:
        """Save the state after `step` steps."""
        self._write(lambda: self._manager.save(checkpoint_number=step))

    def save_best(self, epoch: int) -> None:
        """Save the weights of `epoch`, the best so far."""
        self._write(lambda: self._weights.write(self._best(epoch)))

    def restore_best(self, epoch: int) -> None:
        """Restore the weights of the best epoch."""
        self._read(self._weights.read, self._best(epoch))

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

    def _read(self, restore: Callable, path: str) -> None:
        try:
            restore(path).assert_consumed()
        except (tf.errors.OpError, AssertionError, IndexError, ValueError) as error:
            raise self._unreadable(path, error) from error

    def _write(self, write: Callable[[], object]) -> None:
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
