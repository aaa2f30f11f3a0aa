"""Accuracy, or another measure, along depth, width, k, networks or variants."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from bnkeras.reporting import new_figure
from bnkeras.studies.figures.data import Axis, Line
from bnkeras.studies.figures.style import GREY, colour, draw_lines, handles, legend_below, set_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_accuracy(
    title: str,
    axis: Axis,
    lines: Sequence[Line],
    label: str,
    levels: Sequence[Line] = (),
    levels_name: str = "",
) -> "Figure":
    """Draw a line for each series, the values of the paper hollow beside it.

    Args:
        title: of the figure.
        axis: what stands along the horizontal axis.
        lines: the series; error bars are standard deviations over replicates.
        label: of the vertical axis.
        levels: what has one value whatever the place along the axis, such as γ and β
            alone beside numbers of random weights; of the style of a line that it belongs to.
        levels_name: what the levels are.

    Raises:
        MissingDependencyError: matplotlib is not installed.

    Example:
        >>> line = Line("γ and β only", 0, (Point(14, 44.0, 0.4), Point(32, 53.1)))
        >>> draw_accuracy("By depth", Axis("depth", (14, 32)), [line], "accuracy, %")
    """
    figure, ((panel,),) = new_figure(size=(7.0, 3.9))
    for level in levels:
        for points, style in ((level.points, "--"), (level.paper, ":")):
            for point in points:
                panel.axhline(point.mean, color=colour(level.style), linestyle=style, zorder=1)
    draw_lines(panel, axis, lines)
    set_title(figure, title)
    panel.set_ylabel(label)
    shown = [(line.name, line.style) for line in lines]
    paper = any(line.paper for line in lines)
    joined = not axis.is_of_names
    found = handles(shown, paper=paper, joined=joined)
    legend_below(figure, found + _of_levels(levels, levels_name, {line.style for line in lines}))
    return figure


def _of_levels(levels: Sequence[Line], name: str, known: Collection[int]) -> list[Any]:
    """Return what a legend says of levels; the colour of a line says which one it belongs to."""
    from matplotlib.lines import Line2D

    found = [
        Line2D([], [], color=colour(level.style), linestyle="--", label=level.name)
        for level in levels
        if level.style not in known
    ]
    if any(level.points and level.style in known for level in levels):
        found.append(Line2D([], [], color=GREY, linestyle="--", label=f"dashed: {name}"))
    if any(level.paper for level in levels):
        found.append(Line2D([], [], color=GREY, linestyle=":", label=f"dotted: {name}, the paper"))
    return found
