"""The process that trains one member of a study: `python -m bnkeras.studies.member`.

Its parent, `bnkeras.studies.process`, writes a pickled `Job` to its standard input and keeps that
open; when it closes, for the parent wants to stop or was killed, the training stops with a
checkpoint. What happens is told on standard output, one JSON object a line.
"""

import json
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnkeras.errors import BnkerasError, RunTakenError
from bnkeras.interrupts import interrupted_by, stop_with_the_parent
from bnkeras.recipe import Recipe

_SECONDS_BETWEEN_REPORTS = 0.5
# One step of a large network can take minutes; a process that does not even then stop is stuck.
_SECONDS_TO_STOP = 600


@dataclass(frozen=True)
class Job:
    """What one process has to do.

    Attributes:
        recipe: what to train.
        directory: the run directory.
        data_dir: where datasets lie, None for the default.
        command: the words of the command that the run is a part of, for its records.
    """

    recipe: Recipe
    directory: Path
    data_dir: Path | None
    command: tuple[str, ...]


def main() -> None:
    """Do the job that standard input holds."""
    # What libraries print must not come between the lines for the parent.
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(event: str, **facts: Any) -> None:
        told.write(json.dumps({"event": event, **facts}) + "\n")
        told.flush()

    with open(0, "rb", closefd=False) as given:
        job: Job = pickle.load(given)
    sys.argv = list(job.command)
    # Not the handlers that it was born with: a shell has what it starts in the background ignore
    # SIGINT, and the children of that too.
    with interrupted_by(signal.SIGTERM, signal.SIGINT, once=True):
        stop_with_the_parent(_SECONDS_TO_STOP)
        _do(job, tell)


def _do(job: Job, tell: Callable[..., None]) -> None:
    """Train, and tell how it ended."""
    try:
        figures = _train(job, tell)
    except KeyboardInterrupt:
        text = "The process of the run was asked to stop, and has saved a checkpoint."
        tell("failed", error=text, details="")
    except RunTakenError:
        tell("elsewhere")
    except Exception as error:
        expected = isinstance(error, BnkerasError | OSError)
        text = str(error) if expected else f"{type(error).__name__}: {error}"
        tell("failed", error=text, details=traceback.format_exc())
    else:
        tell("finished", figures=figures)


def _train(job: Job, tell: Callable[..., None]) -> dict[str, Any]:
    # Imported only when somebody watches over the process: this takes seconds.
    import keras

    from bnkeras.training import run

    class Reporter(keras.callbacks.Callback):
        """Tells how far the training is, and how fast."""

        def __init__(self):
            super().__init__()
            self._epoch = 0
            self._told_at = 0.0
            self._first: tuple[int, float] | None = None

        def on_train_begin(self, logs=None):
            self._tell(int(self.model.optimizer.iterations.numpy()))

        def on_epoch_begin(self, epoch, logs=None):
            self._epoch = epoch
            # The evaluation between two epochs is no part of the pace of steps.
            self._first = None

        def on_train_batch_end(self, batch, logs=None):
            now = time.monotonic()
            step = self._epoch * self.params["steps"] + batch + 1
            if self._first is None:
                self._first = step, now
            elif now - self._told_at > _SECONDS_BETWEEN_REPORTS:
                first, began = self._first
                self._told_at = now
                self._tell(step, pace=(now - began) / (step - first) * self.params["steps"])

        def on_epoch_end(self, epoch, logs=None):
            self._tell((epoch + 1) * self.params["steps"], pace=logs["seconds"], metrics=logs)

        def _tell(self, step: int, **facts: Any) -> None:
            epochs, steps = self.params["epochs"], self.params["steps"]
            tell("progress", step=step, steps=epochs * steps, epochs=epochs, **facts)

    result = run(job.recipe, job.directory, data_dir=job.data_dir, callbacks=[Reporter()])
    return result.figures


if __name__ == "__main__":
    main()
