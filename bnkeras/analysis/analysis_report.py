"""The report of an analysis: pictures, and one HTML page that needs no other file."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnkeras.analysis.analysis import Analysis
from bnkeras.analysis.analysis_figures import (
    clamping_figure,
    filters_figure,
    layers_figure,
    near_zero_figure,
    recalibration_figure,
    scales_figure,
    zeros_figure,
)
from bnkeras.analysis.papers import reported
from bnkeras.reporting import Page, Picture, check_matplotlib, write_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "report.html"

# What is drawn of an analysis: the name of the picture, and the figure if there are its numbers.
_FIGURES: dict[str, Callable[[Analysis], "Figure | None"]] = {
    "scales": lambda a: scales_figure(a.gamma, a.beta) if a.scales else None,
    "layers": lambda a: layers_figure(a.scales) if a.scales else None,
    "near_zero": lambda a: near_zero_figure(a.scales) if a.gamma.size else None,
    "clamping": lambda a: a.clamping and clamping_figure(a.clamping),
    "zeros": lambda a: a.activations and zeros_figure(a.activations),
    "filters": lambda a: a.filters and filters_figure(a.filters),
    "recalibration": lambda a: a.recalibration and recalibration_figure(a.recalibration),
}

TITLES = {
    "clamping": "Small γ set to zero",
    "activations": "Zeros behind ReLUs",
    "filters": "Filters of the first layer",
    "recalibration": "Moving statistics measured anew",
}


def write_report(analysis: Analysis, folder: str | Path) -> Path:
    """Write the pictures and `report.html` of `analysis` into `folder`; return the page's path.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    check_matplotlib()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {}
    for name, draw in _FIGURES.items():
        figure = draw(analysis)
        if figure is not None:
            pictures[name] = write_figure(figure, folder, name)
        else:  # one of an earlier analysis would not belong to this
            for ending in Picture._fields:
                (folder / f"{name}.{ending}").unlink(missing_ok=True)
    return _page(analysis, pictures).write(folder / PAGE)


def main_numbers(analysis: Analysis) -> list[dict[str, Any]]:
    """Return the rows of the table that stands first: what, here, and in the paper."""
    subject = analysis.subject
    found, _ = reported(subject.network, subject.arguments, subject.regime)
    papers = {row.figure: f"{row.value} ({row.network})" for row in found}
    return [
        {"": what, "here": here, "paper": papers.get(figure)}
        for what, here, figure in _numbers(analysis)
    ]


def _numbers(analysis: Analysis) -> Iterator[tuple[str, str, str]]:
    """Yield what each main number is of, the number, and its name in `bnkeras.analysis.papers`."""
    gamma, beta = analysis.gamma, analysis.beta
    if gamma.size:
        yield "γ, mean", f"{gamma.mean():.2f}", "gamma_mean"
        yield "γ, standard deviation", f"{gamma.std():.2f}", "gamma_std"
    if beta.size:
        yield "β, mean", f"{beta.mean():.2f}", ""
        yield "β, standard deviation", f"{beta.std():.2f}", ""
    for threshold, share in analysis.shares.items():
        yield f"|γ| < {threshold:g}", f"{share:.1%}", f"gamma_below_{threshold:g}"
    clamping = analysis.clamping
    if clamping is not None:
        yield "test accuracy", f"{clamping.accuracy[0]:.1%}", ""
        curve = zip(clamping.thresholds.tolist(), clamping.accuracy.tolist(), strict=True)
        for threshold, accuracy in curve:
            if threshold in analysis.shares:
                yield f"  |γ| < {threshold:g} set to zero", f"{accuracy:.1%}", ""
    if analysis.recalibration is not None:
        after = analysis.recalibration.accuracy_after
        yield "  statistics measured anew", f"{after:.1%}", ""
    if analysis.mostly_zero is not None:
        yield "ReLU channels zero in > 99%", f"{analysis.mostly_zero:.1%}", "mostly_zero"


def _page(analysis: Analysis, pictures: dict[str, Picture]) -> Page:
    subject = analysis.subject
    page = Page(f"Analysis: {subject.title}")
    page.table(list(_facts(analysis)))
    page.heading("Main numbers")
    if rows := main_numbers(analysis):
        page.table(rows)
        page.text(reported(subject.network, subject.arguments, subject.regime)[1])
    else:
        page.text("The network has no norm with γ or β.")
    if analysis.left_out:
        page.heading("Left out")
        page.table([{"part": TITLES[o.part], "why": o.why} for o in analysis.left_out])
    if analysis.scales:
        page.heading("γ and β")
        page.figure(pictures["scales"], "γ and β of all norms. Far tails are in the last bins.")
        page.figure(
            pictures["layers"], "γ and β in each norm, a column each, by share of its channels."
        )
        if "near_zero" in pictures:
            page.figure(pictures["near_zero"], "Share of γ near zero in each norm.")
        page.table(list(_norm_rows(analysis)), "Norms, from input to output")
    if analysis.clamping is not None:
        page.heading(TITLES["clamping"])
        page.text(
            "Every |γ| below the threshold is set to zero, so that its channel is β everywhere; "
            "β and all other weights stay."
        )
        page.figure(
            pictures["clamping"], "Test accuracy, and the share of γ set to zero, by threshold."
        )
        page.table(list(_clamping_rows(analysis)))
    if analysis.activations is not None:
        page.heading(TITLES["activations"])
        page.text(
            "For each channel of each ReLU, the probability that it is exactly zero, over all "
            "test examples and positions: pixels, or the words of a text without its padding."
        )
        page.figure(pictures["zeros"], "How often channels behind ReLUs are zero.")
        page.table(list(_relu_rows(analysis)), "ReLUs, from input to output")
    if analysis.filters is not None:
        page.heading(TITLES["filters"])
        page.text(_filters_text(analysis))
        page.figure(pictures["filters"], "Filters of the first layer. Grey is zero.")
    if analysis.recalibration is not None:
        page.heading(TITLES["recalibration"])
        page.text(_recalibration_text(analysis))
        page.figure(
            pictures["recalibration"],
            "How far the moving statistics are from the averages over batches, by batch norm.",
        )
    page.heading("Files")
    page.text(
        "The same numbers are in analysis.json, and as tables in the CSV files beside this page; "
        "each picture is there as PNG and SVG. In Python: "
        "bnkeras.analysis.analysis.read_analysis(folder)."
    )
    return page


def _facts(analysis: Analysis) -> Iterator[dict[str, Any]]:
    subject = analysis.subject
    facts = {
        "network": subject.network,
        "trained": subject.regime or "a selection made by hand",
        "recipe": subject.recipe,
        "task": subject.task,
        "export": subject.export,
        "SHA-256 of its manifest": subject.manifest_sha256,
    }
    if subject.parameters:
        trained, total = subject.parameters["trainable"], subject.parameters["total"]
        facts["parameters"] = f"{total:,}, of which {trained:,} train"
    if subject.dataset:
        facts["data"] = subject.dataset["name"]
        if subject.dataset["as_trained"] is False:
            facts["data"] += ": prepared from another source than those of the training"
    facts["analysed by"] = f"bnkeras {subject.bnkeras}"
    for name, value in facts.items():
        if value is not None:
            yield {"": name, " ": value}


def _norm_rows(analysis: Analysis) -> Iterator[dict[str, Any]]:
    for row in analysis._norms():
        yield {
            "norm": row["norm"],
            "channels": row["channels"],
            "γ mean": row["gamma_mean"],
            "γ std": row["gamma_std"],
            "|γ| < 0.01": _percent(row["gamma_below_0.01"]),
            "|γ| < 0.05": _percent(row["gamma_below_0.05"]),
            "|γ| < 0.1": _percent(row["gamma_below_0.1"]),
            "β mean": row["beta_mean"],
            "β std": row["beta_std"],
        }


def _clamping_rows(analysis: Analysis) -> Iterator[dict[str, Any]]:
    for row in analysis._clamping():
        yield {
            "threshold": row["threshold"],
            "γ set to zero": row["gamma_zeroed"],
            "share of γ": _percent(row["share"]),
            "test accuracy": _percent(row["accuracy"], 2),
            "answers as without": _percent(row["same_answers"] / row["examples"], 2),
        }


def _relu_rows(analysis: Analysis) -> Iterator[dict[str, Any]]:
    for row in analysis._relus():
        yield {
            "ReLU": row["relu"],
            "channels": row["channels"],
            "mean probability of zero": _percent(row["zero_probability_mean"]),
            "median": _percent(row["zero_probability_median"]),
            "channels zero in > 99%": _percent(row["mostly_zero"]),
        }


def _filters_text(analysis: Analysis) -> str:
    found = analysis.filters
    order = "by falling scale, " if found.norm else ""
    shown = f"{len(found.units)} of the {found.of} filters of {found.layer}, {order}each as"
    kind = "an image over the inputs." if found.kernels.shape[1] > 11 else "a small image."
    if found.norm is None:
        return f"{shown} {kind} No norm follows the layer."
    return (
        f"{shown} {kind} In inference {found.norm} multiplies each by γ/√(σ² + ε), σ² the moving "
        f"variance (by γ alone, where the norm has no moving statistics), here from "
        f"{found.scale[0]:.3g} to {found.scale[-1]:.3g}. All filters of a panel share one scale "
        f"of brightness."
    )


def _recalibration_text(analysis: Analysis) -> str:
    found = analysis.recalibration
    return (
        f"The moving statistics of the {len(found.shifts)} batch norms were replaced by plain "
        f"averages of the batch means and the (biased) batch variances over {found.batches} "
        f"training batches of {found.batch_size}; no weight was touched. The test accuracy is "
        f"{found.accuracy_before:.2%} with the statistics as trained and "
        f"{found.accuracy_after:.2%} with the new ones; {found.same:,} of {found.examples:,} "
        f"answers are the same."
    )


def _percent(value: float | None, digits: int = 1) -> str | None:
    return None if value is None else f"{value:.{digits}%}"
