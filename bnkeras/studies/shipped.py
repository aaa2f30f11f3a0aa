"""The shipped studies, and those of a user's own files."""

import os
from pathlib import Path

import bnkeras.recipes
from bnkeras.errors import StudyError, did_you_mean
from bnkeras.settings import toml
from bnkeras.settings.faults import report
from bnkeras.studies.checking import check
from bnkeras.studies.definition import Study

FOLDER = Path(bnkeras.recipes.__file__).parent / "studies"


def names() -> list[str]:
    """Return the names of the shipped studies, numbers in numerical order."""
    return toml.stems(FOLDER)


def load_study(name_or_path: str | os.PathLike[str]) -> Study:
    """Return a shipped study or that of a user's file.

    Args:
        name_or_path: a name of `names()`, or the path of a TOML file. What ends in
            `.toml` or has a `/` in it is a path.

    Raises:
        StudyError: there is no such study, or it has faults: all of them are in the
            message.

    Example:
        >>> load_study("cifar_depth").replicates
        5
    """
    path = _path(name_or_path)
    document, faults = check(toml.read(path, "study", StudyError))
    if document is None:
        raise StudyError(report("study", str(path), faults))
    return Study(name=path.stem, **dict(document))


def _path(reference: str | os.PathLike[str]) -> Path:
    if toml.is_path(reference):
        return Path(reference)
    if reference not in names():
        raise StudyError(
            f"No study {reference!r}.{did_you_mean(str(reference), names())} `bnkeras study list` "
            f"shows all; a file of your own is given with its .toml."
        )
    return FOLDER / f"{reference}.toml"
