"""`bnkeras study`: grids of runs behind a figure, listed and run."""

import re
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bnkeras.cli.console import err, print_json
from bnkeras.cli.options import DataDir, Json
from bnkeras.errors import BnkerasError, DataError, InputError, RecipeError
from bnkeras.interrupts import interrupted_by

if TYPE_CHECKING:
    from bnkeras.studies.definition import Study
    from bnkeras.studies.grid import Member
    from bnkeras.studies.request import Request

app = typer.Typer(
    name="study",
    help="Studies: networks × regimes × seeds behind a figure, run in one go.",
    no_args_is_help=True,
)


def _complete(incomplete: str) -> list[str]:
    from bnkeras.studies.shipped import names

    return [name for name in names() if name.startswith(incomplete)]


_NAME = "A name that `bnkeras study list` shows, or the path of a TOML file."
Name = Annotated[str, typer.Argument(metavar="NAME", help=_NAME, autocompletion=_complete)]
AnyName = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help=_NAME, autocompletion=_complete)
]
BudgetOption = Annotated[
    str,
    typer.Option(
        "--budget",
        metavar="SHARE",
        help="The share of the epochs to train: `full`, `2%`, `0.02`. The starts of lower rates "
        "move along.",
    ),
]
Replicates = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Seeds 0 to N-1, in place of as many as the study has."),
]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="MODEL", help="Only this model. Repeat it for others."),
]
Regimes = Annotated[
    list[str] | None,
    typer.Option("--regime", metavar="REGIME", help="Only this regime. Repeat it for others."),
]
Shard = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="Run only every N-th member, from number I on. Shards of one study may run at the "
        "same time, on machines that share --out.",
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Folder of all studies: runs lie in DIR/members, which studies share, what is made "
        "of them in DIR/NAME.",
    ),
]
_OUT = Path("runs", "studies")


@app.command("list")
def list_studies(
    name: AnyName = None,
    budget: BudgetOption = "full",
    replicates: Replicates = None,
    models: Models = None,
    regimes: Regimes = None,
    shard: Shard = None,
    directory: Out = _OUT,
    as_json: Json = False,
) -> None:
    """Show the studies, or the members of one and how far each is.

    Examples:

        bnkeras study list

        bnkeras study list cifar_depth --budget 2% --replicates 2

        bnkeras study list cifar_depth --model resnet14 --json
    """
    from bnkeras.cli import study_tables as tables

    if name is None:
        rows = tables.overview()
        print_json(rows) if as_json else tables.print_overview(rows)
        return
    request, study = _request(name, budget, replicates, models, regimes)
    members = _members(request, study, shard)
    rows = tables.member_rows(members, directory / "members")
    print_json(rows) if as_json else tables.print_members(study, rows)


@app.command()
def run(
    name: Name,
    budget: BudgetOption = "full",
    replicates: Replicates = None,
    models: Models = None,
    regimes: Regimes = None,
    shard: Shard = None,
    directory: Out = _OUT,
    data_dir: DataDir = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would run, and start nothing.")
    ] = False,
    reported: Annotated[
        bool,
        typer.Option(
            "--report/--no-report",
            help="Write the report in the end; a shard leaves that to `bnkeras study report`.",
        ),
    ] = True,
    as_json: Json = False,
) -> None:
    """Run the members of a study one after another, each in a process of its own.

    Finished ones are skipped and stopped ones go on, so that the same command continues a
    study that was interrupted, and ends with the same weights. A member that fails is
    reported, and the others run. In the end, the figures with the paper's values beside are
    on DIR/NAME/report.html.

    Examples:

        bnkeras study run cifar_depth --budget 2% --replicates 2

        bnkeras study run cifar_depth --model resnet14 --regime bnonly --regime all

        bnkeras study run cifar_depth --shard 1/4 --out /shared/studies

        bnkeras study run mine.toml --dry-run
    """
    from bnkeras.cli import study_tables as tables

    request, study = _request(name, budget, replicates, models, regimes)
    members = _members(request, study, shard)
    folder = directory / "members"
    if dry_run:
        rows = tables.member_rows(members, folder)
        print_json(rows) if as_json else tables.print_members(study, rows)
        return
    _check_data(members, data_dir)
    request.write(directory / request.name)

    from bnkeras.cli.study_progress import run_shown
    from bnkeras.studies.running import run_members

    reported = reported and shard is None and find_spec("matplotlib") is not None
    try:
        with interrupted_by(signal.SIGTERM):
            if as_json:
                tally = run_members(members, folder, data_dir=data_dir)
            else:
                tables.print_heading(request, study, members, directory)
                tally = run_shown(members, folder, data_dir)
                tables.print_outcome(members, folder, tally)
            if reported and tally.finished:
                from bnkeras.cli.study_report import write

                page = write(study, request, name, directory, data_dir, told=not as_json)
    except KeyboardInterrupt:
        err.print("Stopped. The same command goes on from the last checkpoint.")
        raise typer.Exit(130) from None
    if as_json:
        print_json(tables.outcome_rows(members, folder, tally))
    elif tally.finished:
        tables.print_report(page if reported else None, name, directory)
    if tally.failed:
        raise typer.Exit(1)


def _request(
    name: str,
    budget: str,
    replicates: int | None,
    models: list[str] | None,
    regimes: list[str] | None,
) -> tuple["Request", "Study"]:
    from bnkeras.studies.budget import Budget
    from bnkeras.studies.request import Request
    from bnkeras.studies.shipped import load_study, names

    study = load_study(name)
    if name not in names():
        name = str(Path(name).absolute())
    chosen = tuple(models or ()), tuple(regimes or ())
    request = Request(name, Budget.parse(budget), replicates, *chosen)
    if study.name == "members":
        raise InputError(
            "The folder DIR/members holds the runs of all studies: call the file of a study "
            "otherwise than members.toml."
        )
    return request, study


def _members(request: "Request", study: "Study", shard: str | None) -> list["Member"]:
    """Return the members that were asked for, or the shard of them, such as 1/4."""
    from bnkeras.studies.grid import share_of

    members = request.members(study)
    if not members:
        raise InputError(
            f"The study has none of the models {', '.join(request.models)} with one of the "
            f"regimes {', '.join(request.regimes)}: `bnkeras study list {request.name}` shows "
            f"its members."
        )
    if shard is None:
        return members
    written = re.fullmatch(r"(\d+)/(\d+)", shard)
    if not written or not 1 <= int(written[1]) <= int(written[2]):
        raise InputError(
            f"A shard is I/N, the I-th of N shares, with I from 1 to N; received {shard!r}."
        )
    return share_of(members, int(written[1]), int(written[2]))


def _check_data(members: list["Member"], data_dir: Path | None) -> None:
    """Raise the errors of all datasets that are not prepared, before the first member starts."""
    from bnkeras import pipelines
    from bnkeras.recipe import GIVEN

    errors: list[BnkerasError] = []
    for dataset, fingerprint in dict.fromkeys(
        (member.recipe.data.dataset, member.recipe.data.fingerprint) for member in members
    ):
        if dataset == GIVEN:
            raise RecipeError(
                f'data.dataset = "{GIVEN}" stands for data that a program hands to '
                f"bnkeras.training.run; a study has none."
            )
        try:
            if not pipelines.get_spec(dataset).auto:
                pipelines.find(dataset, data_dir, fingerprint)
        except DataError as error:
            errors.append(error)
    if errors:
        raise DataError("\n".join(map(str, errors)))
