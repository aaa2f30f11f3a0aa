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


def print_rows(rows: Sequence[dict[str, Any]], *, title: str | None = None, as_json: bool) -> None:
    """Print `rows`, which share their keys, as a table or as the same rows in JSON.

    Numbers are set flush right; `None` is an empty cell.
    """
    if as_json:
        print_json(list(rows))
        return
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for key in rows[0] if rows else ():
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
