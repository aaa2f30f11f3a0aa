"""Read a TOML file, and write values as TOML."""

import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bnkeras.errors import InputError


def read(
    path: Path, noun: str, error_class: type[InputError], referrer: str = ""
) -> dict[str, Any]:
    """Return the tables of the file `path`.

    Args:
        path: the file.
        noun: what it should be, such as recipe, for the message of an error.
        error_class: the class of the error.
        referrer: what opens the message, such as who named the file.

    Raises:
        InputError: there is no such file, or it is not TOML; of the class given.
    """
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        nearby = ", ".join(sorted(file.name for file in path.parent.glob("*.toml")))
        hint = f" In that folder: {nearby}." if nearby else ""
        raise error_class(f"{referrer}No {noun} file {path}.{hint}") from None
    except OSError as error:
        raise error_class(f"{referrer}Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise error_class(
            f"{referrer}{path}: a {noun} is UTF-8 text; byte {error.start} is not."
        ) from error
    except ValueError as error:  # TOMLDecodeError, and integers past Python's limit
        raise error_class(f"{referrer}{_place(path, str(error))}") from error


def is_path(reference: str | os.PathLike[str]) -> bool:
    """Return whether `reference` is the path of a file rather than the name of a shipped one."""
    return not isinstance(reference, str) or reference.endswith(".toml") or os.sep in reference


def stems(folder: Path) -> list[str]:
    """Return the names of the TOML files of `folder`, without those that start with `_`."""
    found = [path.stem for path in folder.glob("*.toml") if path.stem[0] != "_"]
    return sorted(found, key=natural)


def natural(name: str) -> list[tuple[int, str]]:
    """Return the key that sorts names with numbers in numerical order."""
    bits = re.split(r"(\d+)", name)
    return [(int(bit), "") if bit.isdigit() else (-1, bit) for bit in bits]


def literal(value: Any) -> str:
    """Return `value` as it is written in TOML.

    >>> literal([1, 2.5, True, "a"])
    '[1, 2.5, true, "a"]'
    """
    if isinstance(value, str):
        # A JSON string is a TOML basic string, but for the one control character
        # that JSON leaves as it is.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(k)} = {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    return str(value)


def read_value(text: str) -> Any:
    """Return `text` read as a TOML value, or as it is when it is none."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except ValueError:
        return text
    # A line break would let one value bring other keys along.
    return parsed["value"] if list(parsed) == ["value"] else text


def _place(path: Path, message: str) -> str:
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message, re.S)
    if match is None:
        return f"{path} is not valid TOML: {message}."
    reason, line, column = match.groups()
    where = f"line {line}, column {column}" if line else "at its end"
    return f"{path}, {where}: not valid TOML: {reason}."
