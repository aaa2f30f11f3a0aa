"""Colours, axes and legends that the figures of studies share."""

import re
import textwrap
from collections.abc import Iterable, Sequence
from math import ceil, log2
from typing import TYPE_CHECKING, Any

from bnkeras.reporting import COLOURS, MARKERS
from bnkeras.studies.figures.data import Axis, Line, Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GREY = "#666666"
# Of the length of a logarithmic axis, what a letter below it and a gap take.
_TICK, _GAP = 0.011, 0.02
# Inches that a letter, a handle with its margins, and a row of a legend take.
_LETTER, _HANDLE, _ROW = 0.08, 0.65, 0.22


def colour(style: int) -> str:
    """Return the colour of a line."""
    return COLOURS[style % len(COLOURS)]


def marker(style: int) -> str:
    """Return the marker of a line; a colour that comes again has another one."""
    return MARKERS[(style + style // len(COLOURS)) % len(MARKERS)]


def draw_points(
    panel: "Axes", points: Sequence[Point], style: int, *, shift: float = 0.0, joined: bool = True
) -> None:
    """Draw our values, with error bars where replicates differ."""
    panel.errorbar(
        [point.x + shift for point in points],
        [point.mean for point in points],
        yerr=[point.sd or 0.0 for point in points] if any(p.sd for p in points) else None,
        color=colour(style),
        marker=marker(style),
        markersize=5,
        linewidth=1.5 if joined else 0,
        elinewidth=1.2,
        capsize=4,
        zorder=3,
    )


def draw_paper(panel: "Axes", points: Sequence[Point], style: int, *, shift: float = 0.0) -> None:
    """Draw the paper's values: hollow, in the colour of ours."""
    panel.errorbar(
        [point.x + shift for point in points],
        [point.mean for point in points],
        yerr=[point.sd or 0.0 for point in points] if any(p.sd for p in points) else None,
        color=colour(style),
        marker=marker(style),
        markerfacecolor="white",
        markeredgewidth=1.4,
        markersize=9,
        linewidth=0,
        elinewidth=1,
        zorder=2,
    )


def draw_lines(panel: "Axes", axis: Axis, lines: Sequence[Line]) -> None:
    """Draw lines along `axis`; beside each other, where names stand along it."""
    shifts = [0.0] * len(lines)
    if axis.is_of_names and len(lines) > 1:
        gap = min(0.12, 0.6 / (len(lines) - 1))
        shifts = [gap * (place - (len(lines) - 1) / 2) for place in range(len(lines))]
    for line, shift in zip(lines, shifts, strict=True):
        if line.paper:
            draw_paper(panel, _placed(axis, line.paper), line.style, shift=shift)
        if line.points:
            points = _placed(axis, line.points)
            draw_points(panel, points, line.style, shift=shift, joined=not axis.is_of_names)
    set_axis(panel, axis)
    panel.grid(axis="y", color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)


def set_axis(panel: "Axes", axis: Axis, width: float = 1.0) -> None:
    """Give the horizontal axis its label and ticks.

    Args:
        panel: the panel.
        axis: what stands along it.
        width: of the panel, as a share of a whole figure's.
    """
    panel.set_xlabel(axis.label)
    if axis.is_of_names:
        # A line takes some 88 letters over the whole width.
        letters = max(6, int(88 * width / len(axis.places)) - 1)
        names = [textwrap.fill(_unbroken(str(name)), letters) for name in axis.places]
        panel.set_xticks(range(len(names)), names)
        panel.set_xlim(-0.6, len(names) - 0.4)
        return
    low, high = log2(axis.places[0]), log2(axis.places[-1])
    margin = max(0.05 * (high - low), 0.2)
    panel.set_xscale("log", base=2)
    panel.set_xlim(2 ** (low - margin), 2 ** (high + margin))
    shown: list[float] = []
    for place in axis.places:
        label = _TICK * len(_number(place)) + _GAP
        if not shown or log2(place / shown[-1]) > label / width * (high - low):
            shown.append(place)
    panel.set_xticks(shown, list(map(_number, shown)))
    panel.set_xticks([], minor=True)


def legend_below(figure: "Figure", handles: Sequence[Any]) -> None:
    """Put a legend below all panels, where it covers nothing, and make the figure as much higher.

    Args:
        figure: with its panels.
        handles: what stands in it; nothing, and there is no legend.
    """
    if not handles:
        return
    width, height = figure.get_size_inches()
    longest = max(len(handle.get_label()) for handle in handles)
    most = max(1, int(width / (_LETTER * longest + _HANDLE)))
    rows = ceil(len(handles) / most)
    figure.set_size_inches(width, height + _ROW * rows)
    columns = ceil(len(handles) / rows)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)


def set_title(figure: "Figure", title: str) -> None:
    """Put a title over all panels."""
    figure.suptitle(title, x=0.01, ha="left", size=11)


def handles(lines: Iterable[tuple[str, int]], *, paper: bool, joined: bool = True) -> list[Any]:
    """Return what stands in a legend for lines of those names and styles.

    Args:
        lines: name and style of each.
        paper: whether values of the paper are drawn.
        joined: whether points are joined.
    """
    from matplotlib.lines import Line2D

    width = 1.5 if joined else 0
    found = [
        Line2D([], [], color=colour(style), marker=marker(style), linewidth=width, label=name)
        for name, style in lines
    ]
    if paper:
        hollow = {"markerfacecolor": "white", "markeredgewidth": 1.4, "markersize": 8}
        label = "hollow: the paper, full length"
        found.append(Line2D([], [], color=GREY, marker="o", linewidth=0, label=label, **hollow))
    return found


def _number(place: float) -> str:
    """Return a number as it stands along an axis, such as `14`, `0.125`, `1.12K`."""
    for unit, size in (("M", 1e6), ("K", 1e3)):
        if place >= size:
            return f"{place / size:.3g}{unit}"
    return f"{place:g}"


def _unbroken(name: str) -> str:
    """Return `name` with spaces that no line ends at within a formula such as `β = 0`."""
    return re.sub(r" ([=~]) ", "\u00a0\\1\u00a0", re.sub(r"(?<=\d), (?=\d)", ",\u00a0", name))


def _placed(axis: Axis, points: Sequence[Point]) -> list[Point]:
    """Return the points with numbers for names, in the order of the axis."""
    if axis.is_of_names:
        return sorted(point._replace(x=axis.places.index(point.x)) for point in points)
    return sorted(points)
