"""Files that nobody reads half-written: each is written beside its place and renamed into it."""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file beside its place and rename it, so that nobody reads half of it."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def read_json(path: Path, kind: type) -> Any:
    """Return what a JSON file holds, or None where there is no file.

    Raises:
        ValueError: it cannot be read, or holds no `kind`; the message says which.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(error) from error
    if not isinstance(content, kind):
        raise ValueError(f"it holds no {kind.__name__}")
    return content


def write_json(path: Path, value: Any) -> None:
    """Write what JSON can hold, see `write_bytes`."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows that share their keys as a table with a head, see `write_bytes`.

    Args:
        path: the file.
        rows: one or more; `None` is an empty cell.
    """
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, table.getvalue())
