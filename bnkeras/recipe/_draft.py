"""The values of a recipe before they are validated."""

from collections.abc import Mapping
from typing import Any

from bnkeras.settings.tables import Tables, leaves

# Settings that do not change the accuracy to expect.
_HARMLESS = {
    ("data", "fingerprint"),
    ("train", "checkpoint_minutes"),
}


class Draft(Tables):
    """The not yet validated values of a recipe.

    Attributes:
        base: the name of the shipped recipe that the values began as, or None.
    """

    def __init__(self, base: str | None = None) -> None:
        """Start empty."""
        super().__init__()
        self.base = base

    def absorb(self, other: "Draft") -> None:
        """Lay the values of another draft over these, with their origins."""
        for path, value in leaves(other.values):
            table: dict[str, Any] = {path[-1]: value}
            for key in reversed(path[:-1]):
                table = {key: table}
            self.merge(table, other.origin(path) or "")

    def amend(self, table: Mapping[str, Any], origin: str) -> None:
        """Merge what a user changes; expected accuracies don't survive a change of settings."""
        changed = any(
            path[0] in ("model", "data", "train") and path not in _HARMLESS
            for path, value in leaves(table)
            if self.get(path) != value
        )
        if changed:
            self.values.pop("expected", None)
        self.merge(table, origin)
