"""The shipped search spaces, and those of a user's own files."""

import os
from pathlib import Path

import bnkeras.recipes
from bnkeras.errors import SpaceError
from bnkeras.settings.shipped import Shipped
from bnkeras.tuning.checking import check
from bnkeras.tuning.definition import Space

_FOLDER = Path(bnkeras.recipes.__file__).parent / "spaces"
_SHIPPED = Shipped(_FOLDER, "search space", SpaceError, check)


def names() -> list[str]:
    """Return the names of the shipped search spaces."""
    return _SHIPPED.names()


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
    return Space(**_SHIPPED.read(name_or_path))
