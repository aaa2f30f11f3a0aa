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
