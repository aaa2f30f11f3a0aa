"""The `bnkeras` command: subcommands, error messages and exit codes."""

import io
import sys
from typing import Annotated

import typer

from bnkeras._version import __version__
from bnkeras.cli import (
    analyze,
    compact,
    data,
    networks,
    quickstart,
    recipe,
    report,
    study,
    study_report,
    tune,
)
from bnkeras.cli.console import visible
from bnkeras.errors import BnkerasError

app = typer.Typer(
    name="bnkeras",
    help="Train only the BatchNorm scale and shift of randomly initialised networks.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


app.add_typer(recipe.app)
app.add_typer(data.app)
app.add_typer(compact.app)
app.add_typer(networks.app)
app.add_typer(study.app)
study.app.command()(study_report.report)
app.command()(analyze.analyze)
app.command()(report.report)
app.command()(tune.tune)
app.command()(quickstart.quickstart)


def _version(value: bool) -> None:
    if value:
        print(f"bnkeras {__version__}")
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; valid anywhere.")
    ] = False,
) -> None:
    """Train only the BatchNorm scale and shift of randomly initialised networks."""


def main() -> None:
    """Run the command line; errors are a few clear lines, and the exit code 1 or 2."""
    # A user who meets an error appends --debug to the line before, so it is
    # accepted after the subcommand too.
    debug = "--debug" in sys.argv
    if isinstance(sys.stdout, io.TextIOWrapper):
        # γ and β in a terminal without them are no reason to stop.
        sys.stdout.reconfigure(errors="backslashreplace")
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(arguments, prog_name="bnkeras")
    except Exception as error:
        if debug:
            raise
        # What the operating system refuses (no space, no permission) says enough by itself.
        expected = isinstance(error, BnkerasError | OSError)
        message = str(error) if expected else f"{type(error).__name__}: {error}"
        if not expected:
            message += "\nThis was not expected; the same line with --debug shows where it arose."
        print(f"bnkeras: {visible(message)}", file=sys.stderr)
        sys.exit(error.exit_code if isinstance(error, BnkerasError) else 1)


if __name__ == "__main__":
    main()
