"""Options that several subcommands share."""

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Where prepared datasets lie. Without it: BNKERAS_DATA_DIR, else the platform's "
        "cache folder.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Export = Annotated[
    Path,
    typer.Argument(
        metavar="PATH",
        help="The directory of an export, or a name that `bnkeras compact list` shows.",
    ),
]
External = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="A file of external weights, or a folder with it. Repeat."),
]
Task = Annotated[
    str | None, typer.Option(metavar="NAME", help="Which network of an export of several tasks.")
]
