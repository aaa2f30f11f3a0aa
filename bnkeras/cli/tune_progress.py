"""A search that runs, with a bar over all of it, one for the trial, and a line for each result."""

import time
from collections.abc import Sequence
from pathlib import Path

import keras
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from bnkeras.cli.console import err, out, print_line
from bnkeras.cli.study_progress import duration
from bnkeras.cli.tune_tables import describe
from bnkeras.recipe import Recipe
from bnkeras.tuning.request import Request
from bnkeras.tuning.searching import claimed, search
from bnkeras.tuning.trials import SearchDirectory, Trial
from bnkeras.tuning.tuner import Watcher
from bnkeras.tuning.workers import run_workers


def search_shown(request: Request, directory: Path, data_dir: Path | None, *, told: bool) -> None:
    """Search in this process, and show how far it is."""
    if not told:
        search(request, directory, data_dir=data_dir)
        return
    with _progress() as progress:
        shown = _Shown(progress, request, SearchDirectory(directory))
        search(request, directory, data_dir=data_dir, watcher=shown)


def search_with_workers(
    request: Request, directory: Path, command: Sequence[str], workers: int, *, told: bool
) -> None:
    """Search with so many processes that train, and show what they have finished."""
    files = SearchDirectory(directory)
    with claimed(files, request):
        pass  # refused here, rather than by each of them
    if not told:
        run_workers(command, workers, directory / "logs")
    else:
        with _progress() as progress:
            shown = _Shown(progress, request, files)
            run_workers(command, workers, directory / "logs", shown.look)
    # The chief does so too, unless it waits for a worker that is gone.
    files.summarize(request)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TextColumn("{task.fields[state]}", style="dim"),
        console=err,
        transient=True,
        disable=not err.is_terminal,
        redirect_stdout=out.is_terminal,
    )


class _Shown(Watcher):
    def __init__(self, progress: Progress, request: Request, files: SearchDirectory):
        self._progress = progress
        self._files = files
        self._count = 1 + len(request.epochs_of_trials)
        self._known: set[str] = set()
        self._best = 0.0
        self._began = time.monotonic()
        self._epochs_here = 0
        self._total = sum(request.epochs_of_trials) + request.trial_epochs
        before = files.recorded()
        self._done = sum(trial.epochs for trial in before)
        self._all = progress.add_task("search", total=self._total, completed=self._done, state="")
        self._one = progress.add_task("", total=None, state="", visible=False)
        for trial in before:
            self._known.add(trial.name)
            self._best = max(self._best, trial.val_accuracy or 0.0)
        if before:
            print_line(f"{len(before)} trials have been finished before")

    def begins(self, name: str, recipe: Recipe) -> list[keras.callbacks.Callback]:
        what = Trial(name).label
        self._progress.reset(
            self._one, total=None, description=what, state="starting", visible=True
        )
        return [_Bar(self._progress, self._one)]

    def ended(self, trial: Trial) -> None:
        if trial.name in self._known:
            return
        self._known.add(trial.name)
        self._progress.update(self._one, visible=False)
        self._done += trial.epochs
        self._epochs_here += trial.epochs
        self._best = max(self._best, trial.val_accuracy or 0.0)
        each = (time.monotonic() - self._began) / self._epochs_here
        left = max(self._total - self._done, 0) * each
        done = f"{len(self._known)} of {self._count}, best {self._best:.1%}"
        state = done + (f", {duration(left)} left" if left else "")
        self._progress.update(self._all, completed=self._done, state=state)
        if trial.finished:
            print_line(f"{trial.val_accuracy:6.1%}  {describe(trial)}")
        else:
            print_line(f"failed  {describe(trial)}: {(trial.error or '').splitlines()[0]}")

    def look(self) -> None:
        """Look for trials that other processes have finished."""
        for trial in self._files.recorded():
            self.ended(trial)


class _Bar(keras.callbacks.Callback):
    """Moves the bar of a trial."""

    def __init__(self, progress: Progress, task: object):
        super().__init__()
        self._progress = progress
        self._task = task
        self._epoch = 0
        self._accuracy = ""

    def on_train_begin(self, logs=None):
        steps, done = self.params["steps"], int(self.model.optimizer.iterations.numpy())
        self._progress.update(self._task, total=self.params["epochs"] * steps, completed=done)

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        state = f"epoch {self._epoch + 1}/{self.params['epochs']}{self._accuracy}"
        done = self._epoch * self.params["steps"] + batch + 1
        self._progress.update(self._task, completed=done, state=state)

    def on_epoch_end(self, epoch, logs=None):
        self._accuracy = f", held out {logs['val_accuracy']:.1%}"
