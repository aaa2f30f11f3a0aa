"""What every subcommand prints with."""

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

out = Console()
err = Console(stderr=True)


def print_json(value: Any) -> None:
    """Print `value` as indented JSON, free of markup and line wrapping."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_line(line: str) -> None:
    """Print `line` as it is: paths are copied, so not wrapped, and are no markup."""
    out.print(line, highlight=False, markup=False, soft_wrap=True)


def print_pair(key: str, value: object) -> None:
    """Print a fact under its name."""
    print_line(f"{key:<12} {value}")


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
    return escape(str(value))


def human_bytes(count: int) -> str:
    """Return a size in decimal units: `99.9 KB`."""
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}" if unit != "bytes" else f"{count} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
