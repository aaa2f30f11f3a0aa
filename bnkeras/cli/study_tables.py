"""The tables of `bnkeras study`."""

import shlex
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.markup import escape

from bnkeras.cli.console import err, out, print_line, print_rows, visible
from bnkeras.errors import StudyError
from bnkeras.settings import toml
from bnkeras.studies.definition import Document, Study
from bnkeras.studies.extent import extent
from bnkeras.studies.grid import Member
from bnkeras.studies.member_files import MemberFiles
from bnkeras.studies.outcomes import outcomes, summarize
from bnkeras.studies.request import Request
from bnkeras.studies.running import Tally
from bnkeras.studies.shipped import FOLDER, names

_FIGURE_WIDTH = 19
_FOOT = """\
`bnkeras study list NAME` shows the members of a study and how far each is,
`bnkeras study run NAME --budget 2%` trains them for a share of their epochs."""


def overview() -> list[dict[str, Any]]:
    """Return a row per shipped study."""
    rows = []
    for name in names():
        # Not checked, which takes seconds for all: what is shipped is valid, as a test says.
        file = FOLDER / f"{name}.toml"
        study = Document.model_validate(toml.read(file, "study", StudyError))
        size = extent(study)
        rows.append(
            {
                "study": name,
                "title": study.about.title,
                "source": study.about.source,
                "members": size.members,
                "epochs": size.epochs,
            }
        )
    return rows


def print_overview(rows: Sequence[dict[str, Any]]) -> None:
    """Print what `overview` gives, by paper."""
    width = max(len(row["study"]) for row in rows)
    by_figure = sorted(rows, key=lambda row: toml.natural(row["source"]))
    for paper, group in groupby(by_figure, key=lambda row: _paper_and_figure(row)[0]):
        out.print(f"[bold]{escape(paper)}[/]", highlight=False, soft_wrap=True)
        print_rows(
            [
                {
                    f"{'study':{width}}": row["study"],
                    f"{'what':{_FIGURE_WIDTH}}": _paper_and_figure(row)[1],
                    "members": row["members"],
                    f"{'epochs':>7}": row["epochs"],
                }
                for row in group
            ]
        )
        out.print()
    out.print(_FOOT, highlight=False, soft_wrap=True)


def _paper_and_figure(row: dict[str, Any]) -> tuple[str, str]:
    paper, comma, figure = row["source"].rpartition(", ")
    return (paper, figure) if comma else (figure, "")


def member_rows(members: Sequence[Member], folder: Path) -> list[dict[str, Any]]:
    """Return a row per member: what it is, and how far."""
    rows = []
    for found in outcomes(members, folder):
        member = found.member
        rows.append(
            {
                "member": str(member),
                "directory": member.directory.as_posix(),
                "state": found.state,
                "epochs_done": len(found.rows),
                "epochs": member.recipe.train.epochs,
                "accuracy": found.figures and found.figures["test_accuracy"],
                "failure": found.reason,
            }
        )
    return rows


def print_members(study: Study, rows: Sequence[dict[str, Any]]) -> None:
    """Print what `member_rows` gives."""
    out.print(f"[bold]{escape(visible(study.about.title))}[/]\n", highlight=False, soft_wrap=True)
    if rows:
        print_rows([_shown(row) for row in rows])
    done = [row for row in rows if row["state"] == "finished"]
    left = sum(row["epochs"] - row["epochs_done"] for row in rows)
    print_line(f"\n{len(done)} of {len(rows)} members finished, {left:,} epochs left")


def print_heading(
    request: Request, study: Study, members: Sequence[Member], directory: Path
) -> None:
    """Print what begins."""
    out.print(f"[bold]{escape(visible(study.about.title))}[/]", highlight=False, soft_wrap=True)
    epochs = sum(member.recipe.train.epochs for member in members)
    print_line(
        f"{len(members)} members, {epochs:,} epochs, budget {request.budget}, in {directory}; "
        f"stop it whenever you like, the same command goes on\n"
    )


def outcome_rows(members: Sequence[Member], folder: Path, tally: Tally) -> list[dict[str, Any]]:
    """Return a row per member: what became of it."""
    rows = member_rows(members, folder)
    elsewhere = {member.directory.as_posix() for member in tally.elsewhere}
    for row in rows:
        if row["directory"] in elsewhere:
            row["state"] = "elsewhere"
    return rows


def print_outcome(members: Sequence[Member], folder: Path, tally: Tally) -> None:
    """Print accuracies, mean ± standard deviation (n), of models by regimes; then what failed."""
    cells: dict[str, dict[str, list[float]]] = {}
    columns = dict.fromkeys(_column(member, members) for member in members)
    for member in members:
        row = f"{member.model}, {member.variant}" if member.variant else member.model
        values = cells.setdefault(row, {column: [] for column in columns})
        figures = tally.finished.get(member.directory)
        if figures:
            values[_column(member, members)].append(100 * figures["test_accuracy"])
    if tally.finished:
        print_line("\ntest accuracy, %")
        print_rows(
            [
                {"model": row}
                | {column: str(summarize(values) or "–") for column, values in of_row.items()}
                for row, of_row in cells.items()
            ]
        )
    if tally.elsewhere:
        count = len(tally.elsewhere)
        print_line(f"\n{count} of {len(members)} members are being trained by other processes.")
    if tally.failed:
        err.print(f"\n{len(tally.failed)} of {len(members)} members failed:")
        for member in members:
            if member.directory in tally.failed:
                record = MemberFiles(folder, member).failure
                text = tally.failed[member.directory].replace("\n", "\n    ")
                err.print(
                    visible(f"  {member}: {text}\n    see {record}"),
                    highlight=False,
                    markup=False,
                    soft_wrap=True,
                )


def print_report(page: Path | None, name: str, directory: Path) -> None:
    """Print where the report is, or the command that writes it."""
    if page is not None:
        print_line(f"\nreport: {page}")
        return
    words = ["bnkeras", "study", "report", name]
    if directory != Path("runs", "studies"):
        words += ["--out", str(directory)]
    print_line(f"\nThe report: {shlex.join(words)}")


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    accuracy = row["accuracy"]
    return {
        "member": row["member"],
        "state": row["state"],
        "epochs": f"{row['epochs_done']}/{row['epochs']}",
        "accuracy": None if accuracy is None else f"{accuracy:.1%}",
    }


def _column(member: Member, members: Sequence[Member]) -> str:
    """Return the regime, or the series where the study has several of that regime."""
    alike = {other.series for other in members if other.regime == member.regime}
    return member.regime if len(alike) == 1 else member.series
