"""Files of settings that come with the package, by name, and those of users, by path."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bnkeras.errors import InputError, did_you_mean
from bnkeras.settings import toml
from bnkeras.settings.faults import Fault, report


class Shipped(NamedTuple):
    """The files of one kind.

    `noun` is what one of them is called, `error_class` the error for a name that none has and
    for a file with faults, `check` what returns the document of its tables, or None and their
    faults; `choices` says where all names are seen when they are too many to list in an error.
    """

    folder: Path
    noun: str
    error_class: type[InputError]
    check: Callable[[dict[str, Any]], tuple[Any, list[Fault]]]
    choices: str = ""

    def names(self) -> list[str]:
        """Return the names of the files, numbers in numerical order."""
        return toml.stems(self.folder)

    def read(self, reference: str | os.PathLike[str]) -> dict[str, Any]:
        """Return the fields of a file, by its name or its path, and its name.

        Raises:
            InputError: there is no such file, or it has faults: all of them are in the
                message; of the class `error_class`.
        """
        path = self._path(reference)
        document, faults = self.check(toml.read(path, self.noun, self.error_class))
        if document is None:
            raise self.error_class(report(self.noun, str(path), faults))
        return {"name": path.stem, **dict(document)}

    def _path(self, reference: str | os.PathLike[str]) -> Path:
        if toml.is_path(reference):
            return Path(reference)
        names = self.names()
        if reference not in names:
            choices = self.choices or f"There are {', '.join(names)}"
            raise self.error_class(
                f"No {self.noun} {reference!r}.{did_you_mean(str(reference), names)} {choices}; a "
                f"file of your own is given with its .toml."
            )
        return self.folder / f"{reference}.toml"
