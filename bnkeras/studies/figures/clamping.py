"""Accuracy after small γ are set to zero."""

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

from bnkeras.reporting import clear, new_figure
from bnkeras.studies.figures.data import Curve
from bnkeras.studies.figures.style import draw_points, handles, legend_below, set_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ACROSS = 4
_TICKS = (0, 0.01, 0.1, 1)


def draw_clamping(title: str, curves: Sequence[Curve]) -> "Figure":
    """Draw a panel for each network: accuracy against the threshold below which γ is zeroed.

    Args:
        title: of the figure.
        curves: one or more.
    """
    names = list(dict.fromkeys(curve.panel for curve in curves))
    across = min(len(names), _ACROSS)
    down = ceil(len(names) / across)
    size = (max(6.0, 2.6 * across + 0.6), 2.3 * down + 0.7)
    figure, panels = new_figure(down, across, size=size, sharex=True, sharey=True)
    for place, panel in enumerate(panels.flat):
        if place >= len(names):
            clear(panel)
            continue
        for curve in curves:
            if curve.panel == names[place]:
                draw_points(panel, curve.points, curve.style)
        panel.set_title(names[place], loc="left", fontsize=10)
        panel.grid(axis="y", color="#dddddd", linewidth=0.6)
        if place + across >= len(names):
            panel.tick_params(labelbottom=True)
            panel.set_xlabel("|γ| below this set to 0")
        panel.set_xscale("symlog", linthresh=0.001, linscale=0.4)
        panel.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
        panel.set_xticks([], minor=True)
        if place % across == 0:
            panel.set_ylabel("test accuracy, %")
    panels[0, 0].set_ylim(bottom=0)
    set_title(figure, title)
    shown = {curve.line: curve.style for curve in curves}
    legend_below(figure, handles(shown.items(), paper=False))
    return figure
