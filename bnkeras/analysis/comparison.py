"""Runs side by side: the settings in which they differ, their curves, what they came to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bnkeras.analysis.comparison_figures import draw_curves
from bnkeras.analysis.runs import RunRecord, labels, read_run
from bnkeras.errors import InputError
from bnkeras.files import write_csv, write_json
from bnkeras.reporting import Page, check_matplotlib, write_figure


@dataclass(frozen=True)
class Comparison:
    """Runs, and what each is called beside the others.

    Attributes:
        runs: one or more.
        names: one for each.
    """

    runs: tuple[RunRecord, ...]
    names: tuple[str, ...]

    def differences(self) -> dict[str, list[Any]]:
        """Return the settings in which the recipes differ: for each, the values of all runs.

        A setting that a run does not have is None there.
        """
        first = self.runs[0].recipe
        by_run = [first.differences(run.recipe) for run in self.runs]
        keys = dict.fromkeys(key for changed in by_run for key in changed)
        own = {key: changed[key][0] for changed in by_run for key in changed}
        return {
            key: [changed[key][1] if key in changed else own[key] for changed in by_run]
            for key in keys
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each run: how far it is, and what it came to, JSON-ready."""
        return [self._row(run, name) for run, name in zip(self.runs, self.names, strict=True)]

    def curve_rows(self) -> list[dict[str, Any]]:
        """Return a row for each epoch of each run, with the same columns for all."""
        columns = dict.fromkeys(column for run in self.runs for row in run.rows for column in row)
        return [
            {"run": name, **{column: row.get(column) for column in columns}}
            for run, name in zip(self.runs, self.names, strict=True)
            for row in run.rows
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, JSON-ready."""
        return {
            "runs": self.rows(),
            "differences": {
                key: dict(zip(self.names, values, strict=True))
                for key, values in self.differences().items()
            },
        }

    def _row(self, run: RunRecord, name: str) -> dict[str, Any]:
        last = run.rows[-1] if run.rows else {}
        counted = run.parameters or {}
        return {
            "run": name,
            "recipe": run.name,
            "state": "finished" if run.finished else "unfinished",
            "epochs": run.epochs,
            "of": run.recipe.train.epochs,
            "test_accuracy": run.figure("test_accuracy"),
            "test_top5_accuracy": run.figure("test_top5_accuracy"),
            "test_loss": run.figure("test_loss"),
            "last_accuracy": last.get("accuracy"),
            "last_loss": last.get("loss"),
            f"last_{self.watched}_accuracy": last.get(f"{run.watched}_accuracy"),
            f"last_{self.watched}_loss": last.get(f"{run.watched}_loss"),
            "seconds": run.seconds,
            "parameters": counted.get("total"),
            "parameters_trained": counted.get("trainable"),
            "export_bytes": run.figure("export_bytes"),
            "path": str(run.path),
        }

    @property
    def watched(self) -> str:
        """What the evaluation after each epoch was of; `evaluated` where runs differ."""
        found = {run.watched for run in self.runs}
        return found.pop() if len(found) == 1 else "evaluated"


def compare(paths: Sequence[str | Path]) -> Comparison:
    """Read the runs, or exports of runs, at `paths`, one or more, to be put side by side.

    Raises:
        InputError: no path is given, or one twice.
        RunDirectoryError: a path is that of no run.
        RunError: a run cannot be read.

    Example:
        >>> compare(["runs/resnet14_bnonly", "runs/resnet14_all"]).differences()
        {'model.regime': ['bnonly', 'all']}
    """
    if not paths:
        raise InputError("A comparison is of one run or more; received none.")
    seen: dict[Path, str | Path] = {}
    for path in paths:
        place = Path(path).resolve()
        if place in seen:
            raise InputError(f"Each run is given once; received {path} twice.")
        seen[place] = path
    runs = tuple(read_run(path) for path in paths)
    return Comparison(runs, tuple(labels(runs)))


def write_comparison(comparison: Comparison, folder: Path) -> Path:
    """Write `report.html`, `runs.csv`, `curves.csv`, `runs.json` and the curves to `folder`.

    The same runs in `comparison` give the same bytes.

    Returns:
        The path of the page.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    check_matplotlib()
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "runs.csv", comparison.rows())
    write_json(folder / "runs.json", comparison.as_dict())
    curves = comparison.curve_rows()
    page = Page("Runs side by side" if len(comparison.runs) > 1 else comparison.names[0])
    page.heading("What they came to")
    values, numbered = value_rows(comparison), comparison
    if len(comparison.runs) > 2:  # their names are too long to stand above columns
        numbered = replace(comparison, names=tuple(map(str, range(1, len(values) + 1))))
        values = [{"": str(place)} | row for place, row in enumerate(values, 1)]
    page.table(values, "Accuracies; those of the last epoch say how far an unfinished run is.")
    differing = difference_rows(numbered)
    if differing:
        page.heading("Settings in which they differ")
        page.table(differing)
    elif len(comparison.runs) > 1:
        page.text("Their recipes are the same, seed included.")
    if curves:
        write_csv(folder / "curves.csv", curves)
        page.heading("Curves")
        drawn = draw_curves(list(zip(comparison.names, comparison.runs, strict=True)))
        page.figure(
            write_figure(drawn, folder, "curves"),
            "After each epoch: solid, on the examples that were held out, or on those of the "
            "test where none were; dashed, the mean over the training examples of the epoch.",
        )
    return page.write(folder / "report.html")


def value_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Return what people read of each run."""
    with_top5 = any(row["test_top5_accuracy"] is not None for row in comparison.rows())
    rows = []
    for run, row in zip(comparison.runs, comparison.rows(), strict=True):
        shown = {
            "run": row["run"],
            "epochs": f"{row['epochs']} of {row['of']}",
            "test": _percent(row["test_accuracy"]) if run.finished else "unfinished",
        }
        if with_top5:
            shown["top-5"] = _percent(row["test_top5_accuracy"])
        last = run.rows[-1] if run.rows else {}
        seconds, size = row["seconds"], row["export_bytes"]
        rows.append(
            shown
            | {
                "train, last": _percent(last.get("accuracy")),
                f"{comparison.watched}, last": _percent(last.get(f"{run.watched}_accuracy")),
                "seconds": None if seconds is None else round(seconds),
                "trained": row["parameters_trained"],
                "export, KB": None if size is None else round(size / 1000),
            }
        )
    return rows


def difference_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Return what people read of the settings in which runs differ."""
    return [
        {"setting": key, **dict(zip(comparison.names, map(_shown, values), strict=True))}
        for key, values in comparison.differences().items()
    ]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}%"


def _shown(value: Any) -> str:
    return "–" if value is None else str(value)
