"""`bnkeras study report`: what the runs of a study came to, beside the paper's values."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bnkeras.cli.console import err, print_json, print_line, print_rows
from bnkeras.cli.options import DataDir, Json
from bnkeras.cli.study import Models, Name, Out, Regimes, Replicates
from bnkeras.errors import InputError

if TYPE_CHECKING:
    from bnkeras.studies.definition import Study
    from bnkeras.studies.request import Request

_BUDGET = typer.Option(
    "--budget", metavar="SHARE", help="Report the runs of this budget: `full`, `2%`, `0.02`."
)


def report(
    name: Name,
    budget: Annotated[str | None, _BUDGET] = None,
    replicates: Replicates = None,
    models: Models = None,
    regimes: Regimes = None,
    directory: Out = Path("runs", "studies"),
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Put what a study's runs came to beside the paper's values: a page, figures and tables.

    All comes from the run directories, whenever it is called: runs that are missing,
    unfinished or failed are listed. Without options it reports what `study run` was asked
    for. Writes report.html, results.csv, runs.csv, results.json, and each figure as PNG and
    SVG, into DIR/NAME. Figures of γ and of zeros need an analysis of each run, which takes
    a while the first time.

    Examples:

        bnkeras study report cifar_depth

        bnkeras study report cifar_depth --model resnet14 --regime bnonly --json

        bnkeras study report cifar_depth --budget 2% --replicates 2 --out results/studies
    """
    from bnkeras.studies.shipped import load_study

    study = load_study(name)
    request = _request(name, directory, budget, replicates, models, regimes)
    page = write(study, request, name, directory, data_dir, told=not as_json)
    results = json.loads((page.parent / "results.json").read_text("utf-8"))
    if as_json:
        print_json({"report": str(page), **results})
    else:
        _print(results, page)


def write(
    study: "Study",
    request: "Request",
    name: str,
    directory: Path,
    data_dir: Path | None,
    *,
    told: bool = True,
) -> Path:
    """Write the report of what was asked for, and return the path of its page.

    Args:
        study: the study.
        request: its members.
        name: the study as it was given on the command line.
        directory: the folder of all studies.
        data_dir: where datasets lie.
        told: whether the terminal says which analysis begins.
    """
    if any(figure.kind not in ("accuracy", "slopes") for figure in study.figure):
        from bnkeras.cli.quiet import start_tensorflow

        start_tensorflow()
    from bnkeras.studies.report import write_report

    return write_report(
        study,
        request.members(study),
        directory / "members",
        directory / request.name,
        data_dir,
        _Progress() if told else None,
        commands=_commands(request, name, directory),
    )


class _Progress:
    """Tells on the terminal which analysis begins."""

    def __init__(self):
        self._told = ""

    def __call__(self, doing: str, done: int, steps: int) -> None:
        """Tell it, once."""
        if doing != self._told:
            self._told = doing
            err.print(doing, highlight=False, markup=False, soft_wrap=True)


def _request(
    name: str,
    directory: Path,
    budget: str | None,
    replicates: int | None,
    models: list[str] | None,
    regimes: list[str] | None,
) -> "Request":
    """Return what was asked for when the study ran, changed by what is asked for now."""
    from bnkeras.studies import budget as budgets
    from bnkeras.studies.request import Request

    request = Request(str(Path(name).absolute()) if name.endswith(".toml") else name)
    folder = directory / request.name
    if (folder / "study.json").is_file():
        recorded = Request.read(folder)
        request = replace(recorded, study=request.study)
    elif budget is None and not (directory / "members").is_dir():
        raise InputError(
            f"{directory} has no runs of studies. Run the study first, with the same --out: "
            f"bnkeras study run {name}"
        )
    changed: dict[str, Any] = {}
    if budget is not None:
        changed["budget"] = budgets.Budget.parse(budget)
    if replicates is not None:
        changed["replicates"] = replicates
    if models:
        changed["models"] = tuple(models)
    if regimes:
        changed["regimes"] = tuple(regimes)
    return replace(request, **changed)


def _commands(request: "Request", name: str, directory: Path) -> list[str]:
    """Return the commands that make the runs and the report again."""
    options = ["--budget", str(request.budget)]
    if request.replicates is not None:
        options += ["--replicates", str(request.replicates)]
    for option, names in (("--model", request.models), ("--regime", request.regimes)):
        for one in names:
            options += [option, one]
    if directory != Path("runs", "studies"):
        options += ["--out", str(directory)]
    return [shlex.join(["bnkeras", "study", verb, name, *options]) for verb in ("run", "report")]


def _print(results: dict[str, Any], page: Path) -> None:
    with_variants = any(group["variant"] for group in results["groups"])
    rows = []
    for group in results["groups"]:
        row = {"model": group["model"], "trains": group["series"]}
        if with_variants:
            row["variant"] = group["variant"]
        for measure in results["measures"]:
            row[measure] = _value(group, measure)
        row["paper"] = _paper(group, next(iter(results["measures"])))
        rows.append(row)
    print_rows(rows)
    print_line("")
    print_line("mean ± standard deviation (runs), %; the paper's are at full length")
    _print_states(results["runs"])
    agree = [one["agrees"] for one in results["paper_order"]]
    if agree:
        print_line(f"order of regimes: {sum(agree)} of {len(agree)} pairs as in the paper")
    for figure in results["figures"].values():
        if not figure["drawn"]:
            print_line(f"not drawn yet: {figure['title']}")
    print_line(f"report: {page}")


def _print_states(runs: Sequence[dict[str, Any]]) -> None:
    states: dict[str, int] = {}
    for run in runs:
        states[run["state"]] = states.get(run["state"], 0) + 1
    print_line("runs: " + ", ".join(f"{count} {state}" for state, count in states.items()))


def _value(group: dict[str, Any], measure: str) -> str:
    if group[f"{measure}_mean"] is None:
        return "–"
    sd = group[f"{measure}_sd"]
    spread = "" if sd is None else f" ± {sd:.1f}"
    return f"{group[f'{measure}_mean']:.1f}{spread} ({group[f'{measure}_n']})"


def _paper(group: dict[str, Any], measure: str) -> str:
    value, upto = group[f"{measure}_paper"], group[f"{measure}_paper_upto"]
    if value is None:
        return ""
    return f"{value:g}" if upto is None else f"{value:g} to {upto:g}"
