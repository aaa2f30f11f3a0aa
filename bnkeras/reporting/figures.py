"""Figures in one style: drawn with matplotlib, kept as PNG and SVG."""

import io
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bnkeras.errors import MissingDependencyError
from bnkeras.files import write_bytes

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers can tell apart; each goes with the marker
# at its place, for readers of a grey print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

_STYLE = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "savefig.dpi": 130,
    # The same drawing gives the same bytes.
    "svg.hashsalt": "bnkeras",
}


class Picture(NamedTuple):
    """A figure as it was written.

    Args:
        png: for where a picture is looked at.
        svg: for print, and for pages.
    """

    png: Path
    svg: Path


def check_matplotlib() -> None:
    """Raise MissingDependencyError where figures cannot be drawn."""
    if find_spec("matplotlib") is None:
        raise MissingDependencyError(
            "Plots need matplotlib. Install it with: pip install 'bnkeras[plots]'"
        )


def new_figure(
    rows: int = 1,
    columns: int = 1,
    *,
    size: tuple[float, float] = (7.0, 4.0),
    sharex: bool | str = False,
    sharey: bool | str = False,
    ratios: Sequence[float] | None = None,
) -> "tuple[Figure, np.ndarray]":
    """Return a figure, and its panels as an array of `rows` by `columns` axes.

    Args:
        rows: rows of panels.
        columns: columns of panels.
        size: width and height of the whole, in inches.
        sharex: as in `matplotlib.figure.Figure.subplots`.
        sharey: likewise.
        ratios: heights of the rows, beside each other.

    Raises:
        MissingDependencyError: matplotlib is not installed.

    Example:
        >>> figure, panels = new_figure(1, 2, sharey=True)
        >>> panels[0, 0].set_xlabel("γ, the BatchNorm scale")
    """
    check_matplotlib()
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # No state of pyplot: a figure is gone when nobody holds it.
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size)
        FigureCanvasAgg(figure)
        panels = figure.subplots(
            rows,
            columns,
            sharex=sharex,
            sharey=sharey,
            squeeze=False,
            height_ratios=ratios,
            subplot_kw={"axes_class": _panel()},
        )
    return figure, panels


@cache
def _panel() -> "type[Axes]":
    """Return axes with the part of the style that matplotlib looks up when a panel is drawn on."""
    from matplotlib.axes import Axes

    class Panel(Axes):
        def set_title(self, label, fontdict=None, loc="left", *, fontsize=10, **kwargs):
            return super().set_title(label, fontdict, loc, fontsize=fontsize, **kwargs)

        def legend(self, *args, **kwargs):
            return super().legend(*args, **{"frameon": False, **kwargs})

    return Panel


def clear(panel: "Axes") -> None:
    """Take a panel that has nothing to show out of its figure."""
    panel.set_visible(False)


def write_figure(figure: "Figure", folder: Path, name: str) -> Picture:
    """Write a figure as `name`.png and `name`.svg in `folder`, and return where.

    The same figure gives the same bytes.
    """
    import matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for ending in Picture._fields:
        drawn = io.BytesIO()
        dated = {"metadata": {"Date": None}} if ending == "svg" else {}
        with matplotlib.rc_context(_STYLE):
            figure.savefig(drawn, format=ending, **dated)
        written[ending] = folder / f"{name}.{ending}"
        write_bytes(written[ending], drawn.getvalue())
    return Picture(**written)
