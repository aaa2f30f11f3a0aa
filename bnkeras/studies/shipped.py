"""The shipped studies, and those of a user's own files."""

import os
from pathlib import Path

import bnkeras.recipes
from bnkeras.errors import StudyError
from bnkeras.settings.shipped import Shipped
from bnkeras.studies.checking import check
from bnkeras.studies.definition import Study

FOLDER = Path(bnkeras.recipes.__file__).parent / "studies"
_SHIPPED = Shipped(FOLDER, "study", StudyError, check, "`bnkeras study list` shows all")


def names() -> list[str]:
    """Return the names of the shipped studies, numbers in numerical order."""
    return _SHIPPED.names()


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
    return Study(**_SHIPPED.read(name_or_path))
