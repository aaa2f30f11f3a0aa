"""Writing a folder beside its place and renaming it there when it is complete."""

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bnkeras.compact.manifest.records import MANIFEST
from bnkeras.errors import ExportError


def check_target(path: Path) -> None:
    """Raise ExportError if `path` is neither free nor an export to replace."""
    if path.exists() and not (path / MANIFEST).is_file() and not is_empty(path):
        raise ExportError(
            f"{path} exists and is no compact export, so it is not replaced. Choose another path "
            f"or remove it."
        )


def is_empty(path: Path) -> bool:
    """Whether `path` is a folder with nothing in it."""
    return path.is_dir() and not any(path.iterdir())


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a folder to write in; when all went well, it becomes `path`, and else it goes."""
    import tensorflow as tf

    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        restore(path)
        remove_leftovers(path)
        partial.mkdir(parents=True)
        yield partial
        _move_into_place(partial, path)
    except (OSError, tf.errors.OpError) as error:
        raise ExportError(f"The export {path} cannot be written: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _move_into_place(partial: Path, path: Path) -> None:
    """Rename the finished export to its place; one that was there goes only then."""
    if not path.exists():
        partial.rename(path)
        return
    previous = path.with_name(f".{path.name}.previous-{os.getpid()}")
    path.rename(previous)
    try:
        partial.rename(path)
    except BaseException:
        previous.rename(path)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def restore(path: Path) -> None:
    """Put an export back that a process had set aside when it was killed, if `path` is free."""
    for previous in _left_beside(path, "previous"):
        if not path.exists():
            previous.rename(path)


def remove_leftovers(path: Path) -> None:
    """Remove the files and folders that killed processes left beside `path`."""
    for state in ("previous", "partial"):
        for leftover in _left_beside(path, state):
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)


def _left_beside(path: Path, state: str) -> Iterator[Path]:
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.{state}-*"):
        owner = leftover.name.rpartition("-")[2]
        if owner.isdecimal() and not _alive(int(owner)):
            yield leftover


def _alive(process: int) -> bool:
    """Whether a process runs on this machine; where that cannot be asked, yes."""
    if process == os.getpid():
        return False  # an earlier one of the same number
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
