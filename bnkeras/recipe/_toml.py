"""Read a TOML file, and write values as TOML."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bnkeras.errors import RecipeError


def read(path: Path, referrer: str = "") -> dict[str, Any]:
    """Return the tables of the file `path`; `referrer` opens the message of an error.

    Raises:
        RecipeError: there is no such file, or it is not TOML.
    """
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        nearby = ", ".join(sorted(file.name for file in path.parent.glob("*.toml")))
        hint = f" In that folder: {nearby}." if nearby else ""
        raise RecipeError(f"{referrer}No recipe file {path}.{hint}") from None
    except OSError as error:
        raise RecipeError(f"{referrer}Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise RecipeError(
            f"{referrer}{path}: a recipe is UTF-8 text; byte {error.start} is not."
        ) from error
    except ValueError as error:  # TOMLDecodeError, and integers past Python's limit
        raise RecipeError(f"{referrer}{_place(path, str(error))}") from error


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


def _place(path: Path, message: str) -> str:
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message, re.S)
    if match is None:
        return f"{path} is not valid TOML: {message}."
    reason, line, column = match.groups()
    where = f"line {line}, column {column}" if line else "at its end"
    return f"{path}, {where}: not valid TOML: {reason}."
