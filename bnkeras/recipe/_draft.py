"""Tables merged one over the other, with the origin of every value."""

from collections.abc import Iterator, Mapping
from typing import Any

# Settings that do not change the accuracy to expect.
_HARMLESS = {
    ("data", "fingerprint"),
    ("train", "checkpoint_minutes"),
}


class Draft:
    """The not yet validated values of a recipe.

    Attributes:
        values: nested tables.
        base: the name of the shipped recipe that the values began as, or None.
    """

    def __init__(self, base: str | None = None) -> None:
        """Start empty."""
        self.values: dict[str, Any] = {}
        self.base = base
        self._origins: dict[tuple[str, ...], str] = {}

    def merge(self, table: Mapping[str, Any], origin: str) -> None:
        """Lay `table` over the values: tables are merged, anything else is replaced."""
        for path, _ in _leaves(table):
            if isinstance(self.get(path), dict):
                for known in [one for one in self._origins if one[: len(path)] == path]:
                    del self._origins[known]
            for size in range(1, len(path) + 1):
                self._origins.pop(path[:size], None)
            self._origins[path] = origin
        _merge(self.values, table)

    def absorb(self, other: "Draft") -> None:
        """Lay the values of another draft over these, with their origins."""
        for path, value in _leaves(other.values):
            table: dict[str, Any] = {path[-1]: value}
            for key in reversed(path[:-1]):
                table = {key: table}
            self.merge(table, other.origin(path) or "")

    def amend(self, table: Mapping[str, Any], origin: str) -> None:
        """Merge what a user changes; expected accuracies don't survive a change of settings."""
        changed = any(
            path[0] in ("model", "data", "train") and path not in _HARMLESS
            for path, value in _leaves(table)
            if self.get(path) != value
        )
        if changed:
            self.values.pop("expected", None)
        self.merge(table, origin)

    def get(self, path: tuple[str, ...], default: Any = None) -> Any:
        """Return the value at `path`, or `default` where there is none."""
        value: Any = self.values
        for key in path:
            if not isinstance(value, dict) or key not in value:
                return default
            value = value[key]
        return value

    def origin(self, path: tuple[str, ...]) -> str | None:
        """Return where the value at `path`, the one that holds it or its first came from."""
        for known, origin in self._origins.items():
            shared = min(len(known), len(path))
            if known[:shared] == path[:shared]:
                return origin
        return None


def _merge(under: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, Mapping):
            table = under.get(key)
            under[key] = table if isinstance(table, dict) else {}
            _merge(under[key], value)
        else:
            under[key] = value


def _leaves(
    table: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value
