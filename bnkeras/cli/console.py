"""What every subcommand prints with."""

import json
import unicodedata
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

# Controls, formats such as U+202E, surrogates, private ones, and separators of lines.
_HIDDEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}

out = Console()
err = Console(stderr=True)


def print_json(value: Any) -> None:
    """Print `value` as indented JSON, free of markup and line wrapping."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    print("".join(json.dumps(c)[1:-1] if _is_hidden(c) else c for c in text))


def visible(text: str) -> str:
    """Return `text` with escapes for what a terminal obeys or does not show; lines stay.

    A name in a file of somebody else can hold the beginning of a command to the terminal, or
    a mark that turns the text behind it around.
    """
    return "".join(ascii(c)[1:-1] if _is_hidden(c) else c for c in text)


def _is_hidden(character: str) -> bool:
    return character != "\n" and unicodedata.category(character) in _HIDDEN


def print_line(line: str) -> None:
    """Print `line` as it is: paths are copied, so not wrapped, and are no markup."""
    out.print(visible(line), highlight=False, markup=False, soft_wrap=True)


def print_pair(key: str, value: object) -> None:
    """Print a fact under its name."""
    print_line(f"{key:<12} {_in_one_line(value)}")


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Print `rows`, which share their keys, as a table.

    Numbers are set flush right; `None` is an empty cell.
    """
    table = Table(header_style="bold", box=None, pad_edge=False)
    for key in rows[0]:
        numeric = all(isinstance(row[key], int | float | None) for row in rows)
        table.add_column(key, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    out.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return escape(visible(_in_one_line(value)))


def _in_one_line(value: object) -> str:
    # A second line would look like one of the next fact.
    return str(value).replace("\n", "\\n")


def human_bytes(count: int) -> str:
    """Return a size in decimal units: `99.9 KB`."""
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}" if unit != "bytes" else f"{count} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
