"""A study that runs, with a bar over all of it, one for the member, and a line for each result."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from bnkeras.cli.console import err, out, print_line
from bnkeras.studies.grid import Member
from bnkeras.studies.outcomes import outcome_of
from bnkeras.studies.running import Tally, Watcher, run_members
from bnkeras.studies.timing import Timing


def run_shown(members: Sequence[Member], folder: Path, data_dir: Path | None) -> Tally:
    """Run `members`, see `run_members`, and show how far they are."""
    columns = [
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TextColumn("{task.fields[state]}", style="dim"),
    ]
    with Progress(
        *columns,
        console=err,
        transient=True,
        disable=not err.is_terminal,
        redirect_stdout=out.is_terminal,
    ) as progress:
        shown = _Shown(progress, members, folder)
        return run_members(members, folder, data_dir=data_dir, watcher=shown)


class _Shown(Watcher):
    def __init__(self, progress: Progress, members: Sequence[Member], folder: Path):
        self._timing = Timing()
        self._numbers = {member.directory: number for number, member in enumerate(members, start=1)}
        self._rows: dict[Path, list[dict[str, Any]]] = {}
        # How many epochs of each are left, of those that are not done with.
        self._left: dict[Path, tuple[Member, float]] = {}
        for member in members:
            found = outcome_of(member, folder)
            self._rows[member.directory] = list(found.rows)
            self._timing.measure(member, found.rows)
            if found.figures is None:
                self._left[member.directory] = member, member.recipe.train.epochs - len(found.rows)
        if before := len(members) - len(self._left):
            print_line(f"{before} of {len(members)} have been finished before")
        self._elsewhere: set[Path] = set()
        self._seconds_of_epochs = 0.0
        self._accuracy = ""
        self._progress = progress
        self._epochs = sum(member.recipe.train.epochs for member in members)
        self._all = progress.add_task("study", total=self._epochs, state="")
        self._one = progress.add_task("", total=None, state="", visible=False)
        self._move()

    def skipped(self, member: Member, figures: dict[str, Any]) -> None:
        self._done(member)

    def started(self, member: Member) -> None:
        self._seconds_of_epochs = 0.0
        self._accuracy = ""
        self._progress.reset(
            self._one, total=None, description=str(member), state="starting", visible=True
        )

    def progressed(self, member: Member, progress: dict[str, Any]) -> None:
        step, steps, epochs = progress["step"], progress["steps"], progress["epochs"]
        pace, metrics = progress.get("pace"), progress.get("metrics")
        if metrics is not None:
            self._seconds_of_epochs += pace
            rows = self._rows[member.directory]
            rows.append(metrics)
            self._timing.measure(member, rows)
            held_out = "val" if "val_accuracy" in metrics else "test"
            self._accuracy = f", {held_out} {metrics[f'{held_out}_accuracy']:.1%}"
        elif pace is not None:
            self._timing.guess(member, pace)
        epoch = min(step * epochs // steps + 1, epochs)
        state = f"epoch {epoch}/{epochs}{self._accuracy}"
        self._progress.update(self._one, total=steps, completed=step, state=state)
        self._left[member.directory] = member, epochs * (1 - step / steps)
        self._move()

    def finished(self, member: Member, figures: dict[str, Any], seconds: float) -> None:
        self._timing.took(seconds, self._seconds_of_epochs)
        self._done(member)
        left = self._time_left()
        behind = f", {left} left" if left else ""
        self._print(member, f"{figures['test_accuracy']:.1%}, {duration(seconds)}{behind}")

    def failed(self, member: Member, error: str, record: Path) -> None:
        self._done(member)
        self._print(member, f"failed: {error.splitlines()[0]}")

    def elsewhere(self, member: Member) -> None:
        self._done(member)
        # It is looked at twice.
        if member.directory not in self._elsewhere:
            self._elsewhere.add(member.directory)
            self._print(member, "is being trained by another process")

    def _print(self, member: Member, what: str) -> None:
        count = len(self._numbers)
        number = self._numbers[member.directory]
        print_line(f"[{number:{len(str(count))}}/{count}] {member}: {what}")

    def _done(self, member: Member) -> None:
        self._left.pop(member.directory, None)
        self._progress.update(self._one, visible=False)
        self._move()

    def _move(self) -> None:
        done = self._epochs - sum(epochs for _, epochs in self._left.values())
        left = self._time_left()
        self._progress.update(self._all, completed=done, state=f"{left} left" if left else "")

    def _time_left(self) -> str:
        seconds = self._timing.seconds_left(self._left.values())
        return duration(seconds) if seconds else ""


def duration(seconds: float) -> str:
    """Return a time as people say it: `42 s`, `12 min`, `3 h 05 min`, `2 days 4 h`.

    >>> duration(11_100)
    '3 h 05 min'
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} days {hours % 24} h"
