"""`bnkeras report`: any runs side by side."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from bnkeras.cli.console import print_json, print_line, print_rows
from bnkeras.cli.options import Json


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...", help="Run directories, finished or not, or exports of runs."
        ),
    ],
    directory: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the report is written.")
    ] = Path("runs", "report"),
    as_json: Json = False,
) -> None:
    """Put runs side by side: the settings in which they differ, curves, final values, sizes.

    Writes report.html, runs.csv, runs.json, curves.csv, and the curves as PNG and SVG.

    Examples:

        bnkeras report runs/resnet14_bnonly runs/resnet14_all

        bnkeras report runs/*/ --out first-look

        bnkeras report runs/resnet14_bnonly --json
    """
    from bnkeras.analysis.comparison import (
        compare,
        difference_rows,
        value_rows,
        write_comparison,
    )

    comparison = compare(runs)
    page = write_comparison(comparison, directory)
    if as_json:
        print_json({"report": str(page), **comparison.as_dict()})
        return
    # Names are too long for the columns of a terminal.
    numbered = replace(comparison, names=tuple(str(n) for n in range(1, len(runs) + 1)))
    for number, name in zip(numbered.names, comparison.names, strict=True):
        print_line(f"{number}  {name}")
    print_line("")
    print_rows(value_rows(numbered))
    rows = difference_rows(numbered)
    if rows:
        print_line("\nsettings in which they differ")
        print_rows(rows)
    elif len(runs) > 1:
        print_line("\ntheir recipes are the same, seed included")
    print_line(f"\nreport: {page}")
