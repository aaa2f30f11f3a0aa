"""`bnkeras tune`: a search over where γ and β start, and how they are trained."""

import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bnkeras.cli.console import err, print_json, print_line
from bnkeras.cli.options import DataDir, Json
from bnkeras.cli.recipe import Name, Set, check_data
from bnkeras.errors import InputError, MissingDependencyError
from bnkeras.interrupts import interrupted_by, stop_with_the_parent

if TYPE_CHECKING:
    from bnkeras.tuning.request import Request


def _complete_space(incomplete: str) -> list[str]:
    from bnkeras.tuning.shipped import names

    return [name for name in names() if name.startswith(incomplete)]


Space = Annotated[
    str,
    typer.Option(
        "--space",
        metavar="SPACE",
        help="What is searched: `initialisation` (γ, β, features), `optimizer` (with learning "
        "rate, momentum, L2 and schedule), `everything`, or the path of a TOML file.",
        autocompletion=_complete_space,
    ),
]
Method = Annotated[
    str,
    typer.Option(
        "--method",
        metavar="METHOD",
        help="How it chooses: `random`, `bayesian`, or `hyperband`, which trains many trials "
        "shortly and the best of them longer.",
    ),
]
Trials = Annotated[
    int | None,
    typer.Option(
        "--trials", min=1, metavar="N", help="How many networks to train; 20 if nothing is said."
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="How long a trial trains, at most; the schedule is shortened to it. Without it, as "
        "the space says: 8.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Of what is drawn. `--set seed=N` is of weights.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Directory of the search. Without it, `runs/tune/` and the name of the recipe and "
        "the space.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Train N trials at a time, in processes of their own on this machine.",
    ),
]


def tune(
    name: Name,
    space: Space = "everything",
    method: Method = "random",
    trials: Trials = None,
    epochs: Epochs = None,
    settings: Set = None,
    seed: Seed = 0,
    directory: Out = None,
    data_dir: DataDir = None,
    workers: Workers = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be searched, and train nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Search the settings with which a recipe does best, with Keras Tuner.

    Trials are judged by held-out training examples, never by the test examples. A search
    that was stopped goes on when the same command is given again; with more --trials it
    goes further. What it finds is written as a recipe, DIR/best.toml, beside a table and a
    picture of all trials, and TensorBoard's HPARAMS page shows DIR.

    With Keras Tuner's KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT in
    the environment, the same command on several machines with a common DIR is one search.

    Examples:

        bnkeras tune digits_resnet14_bnonly --trials 10 --epochs 5

        bnkeras tune resnet14_bnonly --space initialisation --method bayesian --trials 30

        bnkeras tune resnet14_bnonly --method hyperband --epochs 27 --workers 4

        bnkeras tune mlp_bnonly --space mine.toml --set train.batch_size=128 --dry-run
    """
    _check_installed()
    request = _request(name, space, method, trials, epochs, tuple(settings or ()), seed)
    directory = directory or Path("runs", "tune", f"{request.base.name}-{request.space.name}")

    from bnkeras.cli import tune_tables as tables
    from bnkeras.tuning.workers import WITH_PARENT

    if dry_run:
        print_json(request.as_dict()) if as_json else tables.print_plan(request, directory)
        return
    check_data(request.base, data_dir)
    try:
        with interrupted_by(signal.SIGTERM):
            if os.environ.get(WITH_PARENT):
                stop_with_the_parent()
            finished_here = _search(request, directory, data_dir, workers, as_json)
    except KeyboardInterrupt:
        err.print("Stopped. The same command goes on, with the trial that was interrupted too.")
        raise typer.Exit(130) from None
    if not finished_here:
        print_line("This worker has done its part; the chief writes what was found.")
    elif as_json:
        print_json(tables.outcome(directory))
    else:
        tables.print_outcome(request, directory)


def _search(
    request: "Request",
    directory: Path,
    data_dir: Path | None,
    workers: int | None,
    as_json: bool,
) -> bool:
    """Search, and return whether this process is the one that reports."""
    from bnkeras.cli import tune_tables as tables

    if not as_json:
        tables.print_heading(request, directory)
    from bnkeras.cli.quiet import start_tensorflow

    start_tensorflow()
    from bnkeras.cli.tune_progress import search_shown, search_with_workers
    from bnkeras.tuning.figure import draw
    from bnkeras.tuning.searching import role_of
    from bnkeras.tuning.trials import SearchDirectory

    role = role_of(os.environ)
    if workers is not None and role == "alone":
        search_with_workers(request, directory, _of_a_worker(), workers, told=not as_json)
    else:
        search_shown(request, directory, data_dir, told=not as_json and role == "alone")
    if role == "worker":
        return False
    if find_spec("matplotlib") is not None:
        draw(SearchDirectory(directory), request)
    return True


def _request(
    name: str,
    space: str,
    method: str,
    trials: int | None,
    epochs: int | None,
    settings: tuple[str, ...],
    seed: int,
) -> "Request":
    from bnkeras.tuning.request import METHODS, Request
    from bnkeras.tuning.shipped import load_space

    if method not in METHODS:
        raise InputError(f"--method is {', '.join(METHODS)}; received {method!r}.")
    if method == "hyperband" and trials is not None:
        raise InputError(
            f"--trials is for random and bayesian: hyperband has as many as its brackets need; "
            f"received {trials}. Give --epochs, on which that depends; --dry-run shows how many."
        )
    return Request(name, load_space(space), settings, method, trials or 20, epochs, seed)


def _of_a_worker() -> list[str]:
    """Return the words of this command, for a process that is one of its workers."""
    words, own = [sys.executable, "-m", "bnkeras.cli.main"], sys.argv[1:]
    skip = False
    for word in own:
        if skip:
            skip = False
        elif word == "--workers":
            skip = True
        elif not word.startswith("--workers="):
            words.append(word)
    return words


def _check_installed() -> None:
    if find_spec("keras_tuner") is None:
        raise MissingDependencyError(
            "A search needs Keras Tuner. Install it with: pip install 'bnkeras[tuning]'"
        )
