"""The report of a study, made from its run directories: a page, tables and figures."""

from collections.abc import Sequence
from pathlib import Path

from bnkeras.files import write_csv, write_json
from bnkeras.reporting import check_matplotlib, write_figure
from bnkeras.studies.definition import Study
from bnkeras.studies.drawing import draw
from bnkeras.studies.facts import Facts
from bnkeras.studies.grid import Member
from bnkeras.studies.measures import Measures, Progress
from bnkeras.studies.outcomes import outcomes
from bnkeras.studies.report_page import report_page


def write_report(
    study: Study,
    members: Sequence[Member],
    root: Path,
    folder: Path,
    data_dir: Path | None = None,
    progress: Progress | None = None,
    *,
    commands: Sequence[str] = (),
) -> Path:
    """Write `report.html`, its figures, `results.csv`, `runs.csv` and `results.json` to `folder`.

    All comes from the run directories: the same runs give the same bytes, and runs that are
    missing, unfinished or damaged are listed.

    Args:
        study: the study.
        members: its runs, one or more, as they were asked for.
        root: where they lie.
        folder: the folder of the report.
        data_dir: where datasets lie, for figures that need an analysis of the runs.
        progress: is told how far the analyses are.
        commands: what makes the runs and the report again, for the page.

    Returns:
        The path of the page.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    check_matplotlib()
    folder.mkdir(parents=True, exist_ok=True)
    facts = Facts(study, outcomes(members, root), Measures(data_dir, progress))
    drawn, pictures = {}, {}
    for number, figure in enumerate(study.figure, 1):
        name = f"{number}_{figure.kind}"
        drawn[name] = draw(study, figure, facts.groups, facts.measures)
        if drawn[name].figure is not None:
            pictures[name] = write_figure(drawn[name].figure, folder, name)
    write_csv(folder / "results.csv", facts.group_rows())
    write_csv(folder / "runs.csv", facts.run_rows())
    write_json(folder / "results.json", facts.as_dict(drawn))
    return report_page(facts, drawn, pictures, commands).write(folder / "report.html")
