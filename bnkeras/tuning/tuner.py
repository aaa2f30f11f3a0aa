"""A tuner whose trials are runs: each has a directory, goes on after a kill, and is recorded."""

import contextlib
import gc
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from bnkeras.errors import RunError, RunTakenError
from bnkeras.files import write_json
from bnkeras.recipe import Recipe
from bnkeras.training import Data, run
from bnkeras.tuning.hparams import HParams
from bnkeras.tuning.oracles import OBJECTIVE, oracle_for
from bnkeras.tuning.parameters import settings_of
from bnkeras.tuning.request import Request
from bnkeras.tuning.trials import BASELINE, SearchDirectory, Trial

# An oracle that waits for other workers' trials is asked again after so many seconds.
_SECONDS_BETWEEN_QUESTIONS = 1.0


class Watcher:
    """What is told while a search runs; a subclass overrides what it wants to know."""

    def begins(self, name: str, recipe: Recipe) -> Sequence[keras.callbacks.Callback]:
        """Hear that a trial begins or goes on, and return the callbacks of its training.

        Args:
            name: of the trial.
            recipe: what it trains.
        """
        return ()

    def ended(self, trial: Trial) -> None:
        """Hear what `trial` came to."""


class RecipeTuner(keras_tuner.Tuner):
    """Trains what its oracle chooses of a search space, as runs of a recipe.

    What `keras_tuner.Tuner` does not: the trial that was interrupted goes on from its
    checkpoint when the search does, and a search killed at any moment loses no finished trial.

    Args:
        request: what to search.
        directory: of the search.
        data_dir: where datasets lie; None for the default.
        data: datasets of your own, for a recipe with `data.dataset = "given"`.
        watcher: is told what happens.
    """

    def __init__(
        self,
        request: Request,
        directory: SearchDirectory,
        *,
        data_dir: str | Path | None = None,
        data: Data | None = None,
        watcher: Watcher | None = None,
    ):
        self.request = request
        self._directory = directory
        self._data_dir = data_dir
        self._data = data
        self._watcher = watcher or Watcher()
        self._asked = False
        super().__init__(
            oracle_for(request), directory=directory.path, project_name=directory.trials.name
        )

    def run_baseline(self) -> None:
        """Train the recipe itself as a trial is, unless that is done or another worker does it."""
        folder = self._directory.run(BASELINE)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(RunTakenError):
            self._end(self._train(BASELINE, self.request.baseline(), {}))

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Train what the oracle has chosen, and return what the held-out examples say.

        Args:
            trial: of Keras Tuner.
            *args: nothing; the data are the recipe's.
            **kwargs: likewise.
        """
        values = settings_of(self.request.space, trial.hyperparameters)
        epochs = trial.hyperparameters.values.get("tuner/epochs")
        name = trial.trial_id
        # Keras Tuner takes other errors for the trial's fault, and tries the next.
        with _fatal():
            outcome = self._train(name, self.request.trial(values, epochs), values)
            self._end(outcome)
        if outcome.val_accuracy is None:
            raise keras_tuner.errors.FailedTrialError(outcome.error)
        return {OBJECTIVE.name: outcome.val_accuracy}

    def pre_create_trial(self) -> None:
        """Wait a little where the oracle was asked and had nothing to try yet."""
        if self._asked:
            time.sleep(_SECONDS_BETWEEN_QUESTIONS)
        self._asked = True

    def on_trial_begin(self, trial: Any) -> None:
        """Take note that the oracle had something: `trial`."""
        self._asked = False

    def save(self) -> None:
        """Write the state of the oracle, and that there is one."""
        if not self._is_worker():
            self.oracle.save()
        write_json(Path(self._get_tuner_fname()), self.get_state())

    def _get_tuner_fname(self) -> str:
        # A search goes on alone that was begun by a chief, and the other way round.
        name = f"worker_{self.tuner_id}" if self._is_worker() else "tuner"
        return str(self._directory.trials / f"{name}.json")

    def _end(self, trial: Trial) -> None:
        self._directory.record(trial)
        self._watcher.ended(trial)

    def _train(self, name: str, recipe: Recipe, values: dict[str, Any]) -> Trial:
        keras.backend.clear_session()
        gc.collect()
        folder = self._directory.run(name)
        callbacks = [HParams(folder, name, values), *self._watcher.begins(name, recipe)]
        try:
            figures = run(
                recipe,
                folder,
                data_dir=self._data_dir,
                data=self._data,
                callbacks=callbacks,
                test=False,
            ).figures
        except RunError as error:
            return Trial(name, values, recipe.train.epochs, error=str(error))
        return Trial(
            name,
            values,
            recipe.train.epochs,
            figures["val_accuracy"],
            figures["val_loss"],
            figures["seconds"],
        )


@contextlib.contextmanager
def _fatal() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise keras_tuner.errors.FatalError(str(error)) from error
