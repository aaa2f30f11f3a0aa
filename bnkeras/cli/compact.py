"""`bnkeras compact`: what an export holds, whether it holds together, and others made of it."""

import typer

from bnkeras.cli.compact_add import add
from bnkeras.cli.compact_expand import expand
from bnkeras.cli.compact_inspect import inspect
from bnkeras.cli.compact_list import list_networks
from bnkeras.cli.compact_publish import publish
from bnkeras.cli.compact_slim import slim
from bnkeras.cli.compact_verify import verify

app = typer.Typer(
    name="compact",
    help="Compact exports: what one holds, whether it holds together, and others made of it.",
    no_args_is_help=True,
)
app.command("list")(list_networks)
for command in (inspect, verify, add, expand, slim, publish):
    app.command()(command)
