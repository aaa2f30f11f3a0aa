"""A search from its beginning, or from where it was stopped, to its best recipe."""

import contextlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import keras_tuner
from filelock import FileLock, Timeout

from bnkeras.errors import RunError, SearchError
from bnkeras.files import read_json, write_json
from bnkeras.training import Data
from bnkeras.tuning.definition import Choice
from bnkeras.tuning.hparams import write_experiment
from bnkeras.tuning.request import Request
from bnkeras.tuning.trials import SearchDirectory, Trial
from bnkeras.tuning.tuner import RecipeTuner, Watcher


def search(
    request: Request,
    out: str | Path,
    *,
    data_dir: str | Path | None = None,
    data: Data | None = None,
    watcher: Watcher | None = None,
) -> list[Trial]:
    """Search, and return the finished trials, best first, the recipe itself among them.

    A search that was stopped, at whatever moment, goes on: finished trials stay, and the one
    that was interrupted goes on from its checkpoint. With more `trials` than before, it adds
    these. The test examples are not looked at.

    Keras Tuner's distributed mode: with KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_IP and
    KERASTUNER_ORACLE_PORT in the environment, the process whose ID has `chief` in it chooses
    what to try, and the others train it. All make this call, with the same `out` on a disk that
    they share.

    Args:
        request: what to search.
        out: directory of the search, see `SearchDirectory`.
        data_dir: where datasets lie; None for the default.
        data: datasets of your own, for a recipe with `data.dataset = "given"`.
        watcher: is told what happens.

    Raises:
        SearchError: `out` holds something else, or another process searches in it.
        DataError: the dataset is not prepared; the message says how to.
        RunError: too many trials in a row have failed.

    Example:
        >>> request = Request("digits_resnet14_bnonly", load_space("initialisation"), trials=8)
        >>> search(request, "runs/search")[0].settings
    """
    directory = SearchDirectory(Path(out))
    role = role_of(os.environ)
    with contextlib.nullcontext() if role == "worker" else claimed(directory, request):
        # Keras Tuner prints what it reloads.
        with contextlib.redirect_stdout(io.StringIO()):
            tuner = RecipeTuner(request, directory, data_dir=data_dir, data=data, watcher=watcher)
        with _unwrapped():
            if role != "chief":
                tuner.run_baseline()
            tuner.search(verbose=0)
        return [] if role == "worker" else directory.summarize(request)


def role_of(environment: "os._Environ[str] | dict[str, str]") -> str:
    """Return `alone`, or in Keras Tuner's distributed mode `chief` or `worker`."""
    if "KERASTUNER_ORACLE_IP" not in environment:
        return "alone"
    return "chief" if "chief" in environment.get("KERASTUNER_TUNER_ID", "") else "worker"


@contextlib.contextmanager
def claimed(directory: SearchDirectory, request: Request) -> Iterator[None]:
    """Keep all other searches out of the directory for the duration of the context.

    Raises:
        SearchError: it cannot be written, holds something else or another search, or another
            process is searching in it.
    """
    path = directory.path
    try:
        _check_directory(directory, request)
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise SearchError(
            f"Another process is searching in {path}. Wait for it, or choose another directory "
            f"with --out."
        ) from None
    except OSError as error:
        raise SearchError(
            f"The directory {path} cannot be written: {error.strerror}. Choose another one with "
            f"--out."
        ) from error
    try:
        _check_directory(directory, request)
        if not directory.request.exists():
            write_json(directory.request, request.as_dict())
            write_experiment(directory.path, _offered(request))
        yield
    finally:
        lock.release()


def _check_directory(directory: SearchDirectory, request: Request) -> None:
    path = directory.path
    if not path.exists():
        return
    if not directory.request.exists():
        foreign = [item.name for item in path.iterdir() if not item.name.startswith(".")]
        if foreign:
            raise SearchError(
                f"{path} is not empty and holds no search (it has {foreign[0]!r} and no "
                f"search.json). Choose another directory with --out."
            )
        return
    try:
        there = read_json(directory.request, dict)
    except ValueError as error:
        raise SearchError(
            f"{directory.request} cannot be read ({error}). Put back a copy of it, or choose "
            f"another directory with --out."
        ) from error
    here = json.loads(json.dumps(request.as_dict()))
    differing = [key for key in here if there.get(key) != here[key]]
    if differing:
        listed = ", ".join(
            f"{key} ({there.get(key)!r} there, {here[key]!r} here)"
            if not isinstance(here[key], dict)
            else f"the {key}"
            for key in differing
        )
        raise SearchError(
            f"{path} holds another search: it differs in {listed}. Choose another directory with "
            f"--out, or remove this one to begin anew."
        )


def _offered(request: Request) -> dict[str, list[object]]:
    return {
        parameter.setting: list(parameter.values) if isinstance(parameter, Choice) else []
        for parameter in request.space.parameters
    }


@contextlib.contextmanager
def _unwrapped() -> Iterator[None]:
    """Raise what stopped a search as it was before Keras Tuner wrapped it."""
    try:
        yield
    except keras_tuner.errors.FatalError as error:
        raise error.__cause__ or error from None
    except RuntimeError as error:
        if "consecutive failures" not in str(error):
            raise
        raise RunError(
            "The search has stopped, for too many trials in a row have failed: trials.csv says "
            "why. Narrow its space."
        ) from error
