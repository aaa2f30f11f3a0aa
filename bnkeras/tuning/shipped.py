"""The shipped search spaces, and those of a user's own files."""

import os
from pathlib import Path

import bnkeras.recipes
from bnkeras.errors import SpaceError, did_you_mean
from bnkeras.settings import toml
from bnkeras.settings.faults import report
from bnkeras.tuning.checking import check
from bnkeras.tuning.definition import Space

FOLDER = Path(bnkeras.recipes.__file__).parent / "spaces"


def names() -> list[str]:
    """Return the names of the shipped search spaces."""
    return toml.stems(FOLDER)


def load_space(name_or_path: str | os.PathLike[str]) -> Space:
    """Return a shipped search space or that of a user's file.

    Args:
        name_or_path: a name of `names()`, or the path of a TOML file. What ends in
            `.toml` or has a `/` in it is a path.

    Raises:
        SpaceError: there is no such space, or it has faults: all of them are in the
            message.

    Example:
        >>> [parameter.setting for parameter in load_space("initialisation").parameters]
        ['model.features', 'model.gamma', 'model.beta']
    """
    path = _path(name_or_path)
    document, faults = check(toml.read(path, "search space", SpaceError))
    if document is None:
        raise SpaceError(report("search space", str(path), faults))
    return Space(name=path.stem, **dict(document))


def _path(reference: str | os.PathLike[str]) -> Path:
    if toml.is_path(reference):
        return Path(reference)
    if reference not in names():
        raise SpaceError(
            f"No search space {reference!r}.{did_you_mean(str(reference), names())} There are "
            f"{', '.join(names())}; a file of your own is given with its .toml."
        )
    return FOLDER / f"{reference}.toml"
