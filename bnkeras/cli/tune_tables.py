"""What `bnkeras tune` prints of a search."""

import shlex
from pathlib import Path
from typing import Any

from rich.markup import escape

from bnkeras.cli.console import out, print_line, print_pair, print_rows
from bnkeras.files import read_json
from bnkeras.settings.toml import literal
from bnkeras.tuning.definition import Choice, Parameter, Range
from bnkeras.tuning.request import Request
from bnkeras.tuning.trials import BASELINE, SearchDirectory, Trial, best_of, ranked

_SHOWN = 5


def print_heading(request: Request, directory: Path) -> None:
    """Print what is searched, and where."""
    epochs = request.epochs_of_trials
    upto = "up to " if epochs[0] != epochs[-1] else ""
    title = request.base.about.title or request.base.name
    out.print(f"[bold]{escape(title)}[/]", highlight=False, soft_wrap=True)
    print_line(
        f"{_count(len(epochs), 'trial')} of {upto}{_count(epochs[-1], 'epoch')}, "
        f"{request.method}, in the space "
        f"{request.space.name}; {request.validation}% of the training examples judge"
    )
    print_line(f"in {directory}; stop it whenever you like, the same command goes on\n")


def print_plan(request: Request, directory: Path) -> None:
    """Print the space, and how much there is to train."""
    print_heading(request, directory)
    print_rows(
        [
            {
                "setting": parameter.setting,
                "values": _values(parameter),
                "only where": parameter.when,
                "the recipe has": _own(request, parameter),
            }
            for parameter in request.space.parameters
        ]
    )
    epochs = sum(request.epochs_of_trials) + request.trial_epochs
    print_line(f"\n{epochs:,} epochs in all, those of the recipe itself included")


def describe(trial: Trial) -> str:
    """Return a trial in a line: `trial 07  gamma constant(1), learning_rate 0.05`."""
    if trial.name == BASELINE:
        return trial.label
    return f"{trial.label}  " + ", ".join(
        f"{key.rpartition('.')[2]} {value}" for key, value in trial.settings.items()
    )


def outcome(directory: Path) -> dict[str, Any]:
    """Return what a search came to, JSON-ready."""
    files = SearchDirectory(directory)
    best = best_of(files.recorded())
    return {
        "directory": str(directory),
        "best": None if best is None else best.name,
        "recipe": str(files.best) if best is not None else None,
        "trials": read_json(directory / "trials.json", list),
    }


def print_outcome(request: Request, directory: Path) -> None:
    """Print the best trials, and what to do with them."""
    files = SearchDirectory(directory)
    trials = files.recorded()
    best = best_of(trials)
    if best is None:
        print_line(f"No trial has finished; {directory / 'trials.csv'} says why.")
        return
    print_line("")
    for trial in ranked(trials)[:_SHOWN]:
        print_line(f"{trial.val_accuracy:6.1%}  {describe(trial)}")
    own = next((trial for trial in trials if trial.name == BASELINE and trial.finished), None)
    if own is not None and own not in ranked(trials)[:_SHOWN]:
        print_line(f"{own.val_accuracy:6.1%}  {describe(own)}")
    failed = sum(not trial.finished for trial in trials)
    if failed:
        print_line(f"{failed} of {len(trials)} failed; {directory / 'trials.csv'} says why")
    if own is not None and ranked([best, own])[0] is own:
        print_line("none does better than the recipe itself: try more, or another --space")
    print_line("")
    print_pair("table", directory / "trials.csv")
    if (directory / "search.png").exists():
        print_pair("picture", directory / "search.png")
    print_pair("recipe", files.best)
    print_line("\nNext")
    print_line(f"  bnkeras recipe run {shlex.quote(str(files.best))}")
    print_line(f"  tensorboard --logdir {shlex.quote(str(directory))}")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _values(parameter: Parameter) -> str:
    if isinstance(parameter, Choice):
        return ", ".join(map(str, parameter.values))
    bounds = f"{parameter.low:g} to {parameter.high:g}" if parameter.low is not None else ""
    scaled = f"{bounds}, {parameter.scale}" if parameter.scale != "linear" else bounds
    if isinstance(parameter, Range):
        return scaled
    return ", ".join(parameter.laws) + (f"; x {scaled}" if bounds else "")


def _own(request: Request, parameter: Parameter) -> str | None:
    section, _, key = parameter.setting.partition(".")
    value = request.base.as_dict().get(section, {}).get(key)
    return None if value is None else literal(value).strip('"')
