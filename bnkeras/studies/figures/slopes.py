"""Accuracy against the number of BatchNorm parameters, with a fitted line for each series."""

from collections.abc import Sequence
from math import ceil, floor, log2
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bnkeras.reporting import new_figure
from bnkeras.studies.figures.data import Line, Point
from bnkeras.studies.figures.style import (
    colour,
    draw_paper,
    draw_points,
    handles,
    legend_below,
    set_title,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Fit(NamedTuple):
    """A line fitted to accuracies by least squares: accuracy = start + slope · log2(parameters).

    Args:
        slope: points of accuracy for each doubling of the parameters.
        start: where the line stands at one parameter.
    """

    slope: float
    start: float


def fitted(points: Sequence[Point]) -> Fit | None:
    """Return the line through `points`, whose `x` is a number of parameters.

    None where they have fewer than two numbers of parameters.

    >>> fitted([Point(1000, 40.0), Point(2000, 45.0), Point(4000, 50.0)]).slope
    5.0
    """
    if len({point.x for point in points}) < 2:
        return None
    doublings = np.array([log2(point.x) for point in points])
    values = np.array([point.mean for point in points])
    apart = doublings - doublings.mean()
    slope = float(apart @ values / (apart @ apart))
    return Fit(slope, float(values.mean() - slope * doublings.mean()))


def draw_slopes(title: str, lines: Sequence[Line], label: str) -> "Figure":
    """Draw the points of each series and the line through them; its slope is in the legend.

    Args:
        title: of the figure.
        lines: the series; `x` of a point is the number of BatchNorm parameters, γ and β.
        label: of the vertical axis.
    """
    figure, ((panel,),) = new_figure(size=(7.0, 4.0))
    named = []
    for line in lines:
        if line.paper:
            draw_paper(panel, line.paper, line.style)
        draw_points(panel, line.points, line.style, joined=False)
        fit = fitted(line.points)
        if fit is None:
            named.append((line.name, line.style))
            continue
        ends = [find(point.x for point in line.points) for find in (min, max)]
        reached = [fit.start + fit.slope * log2(end) for end in ends]
        panel.plot(ends, reached, color=colour(line.style), linewidth=1.4)
        named.append((f"{line.name}: {fit.slope:+.1f} points per doubling", line.style))
    numbers = [point.x for line in lines for point in (*line.points, *line.paper)]
    _set_doublings(panel, numbers)
    panel.grid(axis="y", color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)
    set_title(figure, title)
    panel.set_ylabel(label)
    legend_below(figure, handles(named, paper=any(line.paper for line in lines)))
    return figure


def _set_doublings(panel, numbers: Sequence[float]) -> None:
    """Set ticks at 1,000 parameters and their doublings."""
    low, high = log2(min(numbers)), log2(max(numbers))
    margin = max(0.05 * (high - low), 0.3)
    panel.set_xscale("log", base=2)
    panel.set_xlim(2 ** (low - margin), 2 ** (high + margin))
    first, last = ceil(low - margin - log2(1000)), floor(high + margin - log2(1000))
    step = 1 + (last - first) // 9
    ticks = [1000 * 2.0**power for power in range(first, last + 1, step)]
    panel.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    panel.set_xticks([], minor=True)
    panel.set_xlabel("BatchNorm parameters, γ and β")
