"""Keras Tuner's oracles, which choose what to try next, with a state that a kill cannot break."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner

from bnkeras.files import write_json
from bnkeras.tuning.parameters import declared
from bnkeras.tuning.request import Request

if TYPE_CHECKING:
    _Base = keras_tuner.Oracle
else:
    _Base = object

OBJECTIVE = keras_tuner.Objective("val_accuracy", "max")

# A rate that is far too high is no reason to end a search.
_FAILURES_IN_A_ROW = 20


class _Durable(_Base):
    """Writes its state beside its place and renames it, and loses no trial that had begun.

    Keras Tuner 1.4 writes its files in place: a kill in between leaves half a file, which it
    does not read again. And one between the file of a trial and that of the oracle leaves a
    trial that counts and that nobody runs.
    """

    def save(self) -> None:
        write_json(Path(self._get_oracle_fname()), self.get_state())

    def _save_trial(self, trial: Any) -> None:
        folder = Path(self._get_trial_dir(trial.trial_id))
        write_json(folder / "trial.json", trial.get_state())

    def reload(self) -> None:
        super().reload()
        known = {*self._retry_queue, *self.end_order}
        self._retry_queue += [name for name in self.trials if name not in known]
        # The last is taken first.
        self._retry_queue.sort(reverse=True)


class RandomSearch(_Durable, keras_tuner.oracles.RandomSearchOracle):
    """Random search."""


class Hyperband(_Durable, keras_tuner.oracles.HyperbandOracle):
    """Hyperband (Li et al. 2018)."""


class BayesianOptimization(_Durable, keras_tuner.oracles.BayesianOptimizationOracle):
    """A Gaussian process fitted to the trials so far."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Choose the values of a trial, in silence."""
        with warnings.catch_warnings():
            # Settings that make no difference yet have length scales at the bounds.
            warnings.filterwarnings("ignore", "The optimal value found for dimension")
            return super().populate_space(trial_id)


def oracle_for(request: Request) -> keras_tuner.Oracle:
    """Return the oracle of a search."""
    common = {
        "objective": OBJECTIVE,
        "hyperparameters": declared(request.space),
        # Keras Tuner draws a seed of its own in place of 0.
        "seed": request.seed + 1,
        "max_consecutive_failed_trials": _FAILURES_IN_A_ROW,
    }
    match request.method:
        case "hyperband":
            return Hyperband(max_epochs=request.trial_epochs, **common)
        case "bayesian":
            # Keras Tuner's default of 3 random points per parameter is more than most searches.
            first = max(2, min(request.trials // 3, 3 * len(request.space.parameters)))
            return BayesianOptimization(
                max_trials=request.trials, num_initial_points=first, **common
            )
        case _:
            return RandomSearch(max_trials=request.trials, **common)
