"""The trials of a search, as its directory keeps them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bnkeras.errors import RunError
from bnkeras.files import read_json, write_csv, write_json, write_text
from bnkeras.settings.toml import literal
from bnkeras.tuning.request import Request

BASELINE = "baseline"


@dataclass(frozen=True)
class Trial:
    """One network that a search has trained, or has failed to.

    Attributes:
        name: its number, as Keras Tuner gives it; `baseline` is the recipe itself.
        settings: what was searched, by setting; empty of the recipe itself.
        epochs: how many it trained.
        val_accuracy: on the held-out examples, in [0, 1]; None of a failed one.
        val_loss: mean cross-entropy there, nats.
        seconds: of training.
        error: why it failed.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    epochs: int = 0
    val_accuracy: float | None = None
    val_loss: float | None = None
    seconds: float = 0.0
    error: str | None = None

    @property
    def label(self) -> str:
        """What tables and pictures call it: `trial 07`, as its directory is called."""
        return "the recipe itself" if self.name == BASELINE else f"trial {self.name}"

    @property
    def finished(self) -> bool:
        """Whether it came to an accuracy."""
        return self.val_accuracy is not None


class SearchDirectory:
    """Everything a search writes, each file written beside its place and renamed into it.

    | file | content |
    |---|---|
    | `search.json` | what was asked for; another search does not go on in its directory |
    | `baseline/` | the recipe itself, trained as a trial is |
    | `trials/` | Keras Tuner's own state, and in `trial_…/run/` the run directory of each trial |
    | `trials.csv`, `trials.json` | a row for each trial, best first |
    | `best.toml` | the recipe with what the best trial had |
    | `search.png`, `search.svg` | the accuracies, trial by trial and setting by setting |
    """

    def __init__(self, path: Path):
        self.path = path
        self.trials = path / "trials"
        self.baseline = path / "baseline"
        self.best = path / "best.toml"
        self.request = path / "search.json"

    def run(self, trial: str) -> Path:
        """Return the run directory of a trial."""
        return self.baseline / "run" if trial == BASELINE else self._trial(trial) / "run"

    def record(self, trial: Trial) -> None:
        """Keep what a trial came to."""
        folder = self.baseline if trial.name == BASELINE else self._trial(trial.name)
        write_json(folder / "outcome.json", asdict(trial))

    def recorded(self) -> list[Trial]:
        """Return all trials so far by number, the recipe itself first.

        Raises:
            RunError: one cannot be read.
        """
        files = [*self.baseline.glob("outcome.json"), *self.trials.glob("*/outcome.json")]
        return sorted(self._read(files), key=_number)

    def summarize(self, request: Request) -> list[Trial]:
        """Write the tables and the best recipe, and return the finished trials, best first."""
        trials = self.recorded()
        rows = [row_of(trial, request) for trial in ranked(trials)]
        rows += [row_of(trial, request) for trial in trials if not trial.finished]
        write_json(self.path / "trials.json", rows)
        if rows:
            write_csv(self.path / "trials.csv", rows)
        best = best_of(trials)
        if best is not None:
            write_text(self.best, recipe_of(best, trials, request))
        return ranked(trials)

    def _trial(self, name: str) -> Path:
        return self.trials / f"trial_{name}"

    def _read(self, files: Sequence[Path]) -> Iterator[Trial]:
        for file in files:
            try:
                found = read_json(file, dict)
                if found is not None:
                    yield Trial(**found)
            except (ValueError, TypeError) as error:
                raise RunError(
                    f"{file} cannot be read ({error}). Remove it: its trial is then trained anew."
                ) from error


def _number(trial: Trial) -> int:
    return -1 if trial.name == BASELINE else int(trial.name)


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """Return the finished trials, best first; of equal accuracies, the lower loss is better."""

    def rank(trial: Trial) -> tuple[float, float]:
        loss = math.inf if trial.val_loss is None else trial.val_loss
        return -(trial.val_accuracy or 0.0), loss

    return sorted((trial for trial in trials if trial.finished), key=rank)


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """Return the best of the longest trials that were searched, or None where there is none.

    Hyperband trains the best ones longest; an accuracy after more epochs is no fair match.
    """
    searched = [trial for trial in ranked(trials) if trial.name != BASELINE]
    longest = max((trial.epochs for trial in searched), default=0)
    return next((trial for trial in searched if trial.epochs == longest), None)


def row_of(trial: Trial, request: Request) -> dict[str, Any]:
    """Return a trial as a row of a table: what was not searched in it is None."""
    settings = dict.fromkeys(parameter.setting for parameter in request.space.parameters)
    return {
        "trial": trial.name,
        "val_accuracy": trial.val_accuracy,
        "val_loss": trial.val_loss,
        "epochs": trial.epochs,
        "seconds": trial.seconds,
        **settings,
        **trial.settings,
        "error": trial.error,
    }


def recipe_of(best: Trial, trials: Sequence[Trial], request: Request) -> str:
    """Return the recipe with the settings of `best`, as TOML that `load` takes."""
    count = sum(1 for trial in trials if trial.name != BASELINE)
    own = next((trial for trial in trials if trial.name == BASELINE), None)
    header = [
        f"found by a search of {count} trials ({request.method}, space {request.space.name}): "
        f"{best.label},",
        f"{best.val_accuracy:.1%} of the held-out training examples after {best.epochs} epochs"
        + (f"; the recipe itself, {own.val_accuracy:.1%}" if own and own.finished else ""),
        *(f"  {setting} = {literal(value)}" for setting, value in best.settings.items()),
    ]
    lines = "".join(f"# {line}\n" for line in header)
    return f"{lines}#\n{request.found(best.settings).to_toml()}"
