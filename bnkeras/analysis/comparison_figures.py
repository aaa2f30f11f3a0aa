"""Curves of runs side by side."""

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

from bnkeras.analysis.runs import RunRecord
from bnkeras.reporting import COLOURS, MARKERS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches that a letter, a handle with its margins, and a row of the legend take.
_LETTER, _HANDLE, _ROW = 0.08, 0.65, 0.22


def draw_curves(runs: Sequence[tuple[str, RunRecord]]) -> "Figure":
    """Draw accuracy and loss of each run over its epochs, as far as it is.

    Args:
        runs: name and record of each; at least one with rows.
    """
    from matplotlib.lines import Line2D

    drawn = [(place, name, run) for place, (name, run) in enumerate(runs) if run.rows]
    longest = max(len(name) for _, name, _ in drawn)
    width = 9.0
    across = max(1, int(width / (_LETTER * max(longest, 24) + _HANDLE)))
    rows = ceil((len(drawn) + 2) / across)
    figure, panels = new_figure(1, 2, size=(width, 3.7 + _ROW * rows))
    handles = []
    for place, name, run in drawn:
        look = {
            "color": COLOURS[place % len(COLOURS)],
            "marker": MARKERS[(place + place // len(COLOURS)) % len(MARKERS)],
        }
        for panel, column, factor in (
            (panels[0, 0], "accuracy", 100),
            (panels[0, 1], "loss", 1),
        ):
            _draw(panel, run, column, factor, look)
        handles.append(Line2D([], [], label=name, **look))
    for style, label in (("-", "solid: test, or held out"), ("--", "dashed: training")):
        handles.append(Line2D([], [], color="#666666", linestyle=style, label=label))
    for panel, label in zip(panels[0], ("accuracy, %", "loss"), strict=True):
        panel.set_xlabel("epoch")
        panel.set_ylabel(label)
        panel.grid(axis="y", color="#dddddd", linewidth=0.6)
        panel.set_axisbelow(True)
        panel.xaxis.get_major_locator().set_params(integer=True)
    columns = ceil(len(handles) / rows)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)
    return figure


def _draw(panel: "Axes", run: RunRecord, column: str, factor: float, look: dict) -> None:
    epochs, values = run.curve(f"{run.watched}_{column}")
    # Some ten markers tell a curve from others; one on every epoch hides it.
    every = max(1, len(epochs) // 10)
    scaled = [factor * value for value in values]
    panel.plot(epochs, scaled, markevery=every, markersize=4.5, linewidth=1.5, **look)
    epochs, values = run.curve(column)
    # A line of one epoch is its marker.
    lone = {"markerfacecolor": "white"} if len(epochs) == 1 else {"marker": ""}
    scaled = [factor * value for value in values]
    panel.plot(epochs, scaled, linestyle="--", linewidth=1.1, markersize=4.5, **look | lone)
