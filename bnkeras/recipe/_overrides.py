"""`--set KEY=VALUE`, read into tables."""

from typing import Any

from bnkeras.settings.faults import Fault
from bnkeras.settings.toml import read_value


def parse(text: str) -> tuple[tuple[str, ...], Any] | Fault:
    """Return the key of `text`, taken apart at the dots, and its value, or what is wrong.

    The value is read as TOML, and is a text if it is not TOML.

    >>> parse("train.milestones=[10, 15]")
    (('train', 'milestones'), [10, 15])
    >>> parse("model.gamma=uniform(0, 1)")
    (('model', 'gamma'), 'uniform(0, 1)')
    """
    name, equals, value = text.partition("=")
    path = tuple(part.strip() for part in name.split("."))
    if not equals or not all(path):
        return Fault(f"--set {shown(text)}", "must be KEY=VALUE, such as --set train.epochs=2")
    return path, read_value(value.strip())


def shown(text: str) -> str:
    """Return `text` as one line."""
    return text if text.isprintable() else repr(text)


def table(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return `value` inside the tables that `path` names."""
    for key in reversed(path):
        value = {key: value}
    return value
