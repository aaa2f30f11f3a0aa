"""`bnkeras analyze`: what training did to the network of a run or an export."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bnkeras.cli.console import err, print_json, print_line, print_rows
from bnkeras.cli.options import DataDir, External, Json, Task
from bnkeras.errors import InputError

if TYPE_CHECKING:
    from bnkeras.analysis.analysis import Analysis

_DOING = {
    "clamping": "setting small γ to zero",
    "activations": "counting zeros behind ReLUs",
    "recalibration": "measuring moving statistics anew",
}


def analyze(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="The directory of a finished run, or of an export."),
    ],
    target: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Where the files go. Without it: PATH/analysis of a run, PATH-analysis beside "
            "an export.",
        ),
    ] = None,
    data_dir: DataDir = None,
    external: External = None,
    task: Task = None,
    measured: Annotated[
        bool,
        typer.Option("--data/--no-data", help="Measure what needs test and training examples."),
    ] = True,
    batches: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Training batches that the moving statistics are measured anew over.",
        ),
    ] = 50,
    as_json: Json = False,
) -> None:
    """Show what training did to a network: γ and β, channels switched off, filters.

    Writes numbers as JSON and CSV, pictures as PNG and SVG, and report.html with all of them:
    the distributions of γ and β; the accuracy with every γ below a threshold set to zero; how
    often each channel behind a ReLU is zero; the filters of the first layer before and after
    γ; and the accuracy with the moving statistics measured anew. docs/analysis.md has the
    formulas.

    Examples:

        bnkeras analyze runs/resnet14_bnonly

        bnkeras analyze saved_models/digits_resnet14_bnonly --out first-look

        bnkeras analyze saved_models/many --task letters --no-data --json
    """
    from bnkeras.cli.quiet import start_tensorflow

    start_tensorflow()
    from bnkeras.analysis.analysis_report import main_numbers, write_report
    from bnkeras.analysis.analyze import analyze, find_export
    from bnkeras.reporting import check_matplotlib

    check_matplotlib()
    export, home = find_export(path)
    folder = target or _folder(path, export, home, task)
    _check_folder(folder, export)
    with _Bar() as bar:
        found = analyze(
            path,
            data_dir,
            task=task,
            external=external or (),
            measured=measured,
            batches=batches,
            progress=bar,
        )
    found.write(folder)
    with err.status("drawing"):
        page = write_report(found, folder)
    if as_json:
        content = {key: found.as_dict()[key] for key in ("subject", "summary", "left_out")}
        print_json({**content, "report": str(page)})
        return
    print_line(found.subject.title)
    _print_left_out(found)
    if rows := main_numbers(found):
        print_rows(rows)
    print_line(f"\nreport: {page}")


def _folder(path: Path, export: Path, home: Path, task: str | None) -> Path:
    """Return where the files of an analysis go that were sent nowhere else."""
    if home == path:
        return path / "analysis"
    # Not into the export, whose files are checked.
    whole = export if export.name else export.resolve()
    name = whole.name if task is None else f"{whole.name}-{task}"
    return whole.with_name(f"{name}-analysis")


def _check_folder(folder: Path, export: Path) -> None:
    """Raise InputError where files of an analysis must not go."""
    from bnkeras.analysis.analysis import NUMBERS

    inside = folder.resolve()
    if export.resolve() in (inside, *inside.parents):
        raise InputError(
            f"{folder} is in the export {export}, whose files are checked: an analysis cannot go "
            f"there. Choose another --out."
        )
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; an analysis needs a folder. Choose another --out.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / NUMBERS).is_file():
        raise InputError(
            f"{folder} is not empty and holds no earlier analysis (it has no {NUMBERS}). Choose "
            f"another --out."
        )


def _print_left_out(found: "Analysis") -> None:
    from bnkeras.analysis.analysis_report import TITLES

    by_reason: dict[str, list[str]] = {}
    for one in found.left_out:
        by_reason.setdefault(one.why, []).append(TITLES[one.part])
    for why, parts in by_reason.items():
        print_line(f"left out: {', '.join(parts)}\n  {why}")
    if by_reason:
        print_line("")


class _Bar:
    """A bar over the steps of what takes long, where there is a terminal."""

    def __enter__(self) -> "_Bar":
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("left", style="dim"),
            TimeRemainingColumn(),
            console=err,
            transient=True,
            disable=not err.is_terminal,
        )
        self._progress.start()
        self._tasks: dict[str, int] = {}
        return self

    def __exit__(self, *exception) -> None:
        self._progress.stop()

    def __call__(self, part: str, done: int, steps: int) -> None:
        if part not in self._tasks:
            self._tasks[part] = self._progress.add_task(_DOING[part], total=steps)
        self._progress.update(self._tasks[part], completed=done)
