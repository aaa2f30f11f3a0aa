"""A training run with a progress bar."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import keras
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bnkeras.cli.console import err, out
from bnkeras.training import RunResult, run

if TYPE_CHECKING:
    from bnkeras.recipe import Recipe
    from bnkeras.training.cluster import Cluster

# Reading the metrics costs a synchronisation with the device, so not at every step.
_SECONDS_BETWEEN_READINGS = 1.0


def train(
    recipe: "Recipe",
    directory: Path,
    data_dir: Path | None,
    cluster: "Cluster | None" = None,
    *,
    print_epochs: bool = True,
) -> RunResult:
    """Run `recipe` in `directory`, with a bar over all steps and a line per epoch.

    Of many workers only the chief has these.
    """
    if cluster is not None and not cluster.is_chief:
        return run(recipe, directory, data_dir=data_dir)
    columns = [
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TextColumn("{task.fields[state]}", style="dim"),
        TimeElapsedColumn(),
        TextColumn("left", style="dim"),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        shown = _Shown(progress, recipe.name, directory, print_epochs, alone=cluster is None)
        return run(recipe, directory, data_dir=data_dir, callbacks=[shown])


class _Shown(keras.callbacks.Callback):
    """Moves the bar, and prints what an epoch came to."""

    def __init__(
        self, progress: Progress, name: str, directory: Path, print_epochs: bool, alone: bool
    ):
        super().__init__()
        self._alone = alone
        self._progress = progress
        self._directory = directory
        self._task = progress.add_task(name, total=None, state="starting")
        self._print_epochs = print_epochs
        self._epoch = 0
        self._read_at = 0.0

    def on_train_begin(self, logs=None):
        steps, done = self.params["steps"], int(self.model.optimizer.iterations.numpy())
        self._progress.update(self._task, total=self.params["epochs"] * steps, completed=done)
        if not self._print_epochs:
            return
        self._print_coverage()
        if done:
            epochs, rest = divmod(done, steps)
            out.print(f"going on after {epochs} epochs and {rest} steps", highlight=False)

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        done = self._epoch * self.params["steps"] + batch + 1
        now = time.monotonic()
        if now - self._read_at < _SECONDS_BETWEEN_READINGS:
            self._progress.update(self._task, completed=done)
            return
        self._read_at = now
        state = f"epoch {self._epoch + 1}/{self.params['epochs']}"
        # Of many workers, all would have to read the metrics together.
        if self._alone:
            metrics = self.model.get_metrics_result()
            state += (
                f"  loss {float(metrics['cross_entropy']):.3f}  "
                f"accuracy {float(metrics['accuracy']):.1%}"
            )
        self._progress.update(self._task, completed=done, state=state)

    def on_epoch_end(self, epoch, logs=None):
        if not self._print_epochs:
            return
        held_out = "val" if "val_accuracy" in logs else "test"
        digits = len(str(self.params["epochs"]))
        top5 = logs.get(f"{held_out}_top5_accuracy")
        among = "" if top5 is None else f"top-5 {top5:6.1%}  "
        out.print(
            f"epoch {epoch + 1:{digits}}/{self.params['epochs']}  "
            f"rate {logs['learning_rate']:<7.3g} loss {logs['loss']:.3f}  "
            f"accuracy {logs['accuracy']:6.1%}  "
            f"{held_out} {logs[f'{held_out}_accuracy']:6.1%}  {among}{logs['seconds']:.1f} s",
            highlight=False,
            soft_wrap=True,
        )

    def _print_coverage(self) -> None:
        """Say how many words of the vocabulary have a pretrained vector."""
        glove = json.loads((self._directory / "data.json").read_text("utf-8")).get("glove")
        if glove:
            out.print(
                f"{glove['found']:,} of {glove['words']:,} words of the vocabulary "
                f"({glove['found'] / glove['words']:.0%}, {glove['occurrences']:.0%} of what is "
                f"written) have a vector in {escape(glove['file'])}",
                highlight=False,
                soft_wrap=True,
            )
