"""The shares of γ near zero."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bnkeras.reporting import new_figure
from bnkeras.studies.figures.data import Axis, Line
from bnkeras.studies.figures.style import draw_lines, handles, legend_below, set_axis, set_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_small_scales(
    title: str, axis: Axis, lines: Mapping[float, Sequence[Line]], symbol: str = "γ"
) -> "Figure":
    """Draw a panel for each threshold, with the share of |γ| below it in each series.

    Args:
        title: of the figure.
        axis: what stands along the horizontal axes.
        lines: by threshold; values in %.
        symbol: what is small.
    """
    figure, panels = new_figure(1, len(lines), size=(3.1 * len(lines), 3.5), sharey=True)
    for panel, (threshold, series) in zip(panels[0], lines.items(), strict=True):
        draw_lines(panel, axis, series)
        set_axis(panel, axis, width=0.42)
        panel.set_title(f"|{symbol}| < {threshold:g}", loc="left", fontsize=10)
    panels[0, 0].set_ylabel(f"% of {symbol}")
    panels[0, 0].set_ylim(bottom=0)
    set_title(figure, title)
    # A series may have values for the first panel only.
    every = [line for series in lines.values() for line in series]
    shown = {line.name: line.style for line in every}
    paper = any(line.paper for line in every)
    legend_below(figure, handles(shown.items(), paper=paper, joined=not axis.is_of_names))
    return figure
