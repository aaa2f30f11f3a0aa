"""Tables merged one over the other, with the origin of every value."""

from collections.abc import Iterator, Mapping
from typing import Any

# Of keys, and of the indices of tables in lists.
Path = tuple[str | int, ...]


class Tables:
    """The not yet validated values of a file, or of several.

    Attributes:
        values: nested tables.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.values: dict[str, Any] = {}
        self._origins: dict[Path, str] = {}

    def merge(self, table: Mapping[str, Any], origin: str) -> None:
        """Lay `table` over the values: tables are merged, anything else is replaced."""
        for path, _ in leaves(table):
            if isinstance(self.get(path), dict):
                for known in [one for one in self._origins if one[: len(path)] == path]:
                    del self._origins[known]
            for size in range(1, len(path) + 1):
                self._origins.pop(path[:size], None)
            self._origins[path] = origin
        _merge(self.values, table)

    def get(self, path: Path, default: Any = None) -> Any:
        """Return the value at `path`, or `default` where there is none."""
        value: Any = self.values
        for key in path:
            inside = range(len(value)) if isinstance(value, list) else value
            if not isinstance(value, dict | list) or key not in inside:
                return default
            value = value[key]
        return value

    def origin(self, path: Path) -> str | None:
        """Return where the value at `path`, the one that holds it or its first came from."""
        for known, origin in self._origins.items():
            shared = min(len(known), len(path))
            if known[:shared] == path[:shared]:
                return origin or None
        return None


def leaves(
    table: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and value of everything in `table` that is no table with something in it."""
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _merge(under: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, Mapping):
            table = under.get(key)
            under[key] = table if isinstance(table, dict) else {}
            _merge(under[key], value)
        else:
            under[key] = value
