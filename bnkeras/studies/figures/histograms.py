"""Many small histograms, each with its share in its title."""

import textwrap
from collections.abc import Callable, Sequence
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from bnkeras.reporting import clear, new_figure
from bnkeras.studies.figures.data import Sample
from bnkeras.studies.figures.style import colour, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ACROSS = 4
# So many stand above a panel.
_LETTERS = 31


def draw_histograms(
    title: str,
    samples: Sequence[Sample],
    edges: np.ndarray,
    label: str,
    share: Callable[[float], str],
) -> "Figure":
    """Draw a panel for each sample: rows of series, columns of networks.

    A single row that is long goes on below, and a wide table is turned. Panels of what has no
    sample stay away.

    Args:
        title: of the figure.
        samples: one or more.
        edges: of the bins; what lies outside counts in the first and last.
        label: of the horizontal axes.
        share: gives the words for a share, such as `27% above 0.99`.
    """
    rows = list(dict.fromkeys(sample.row for sample in samples))
    columns = list(dict.fromkeys(sample.column for sample in samples))
    single = len(rows) == 1
    if single:
        title = f"{title}: {rows[0]}"
        across = min(len(samples), _ACROSS)
        places = [divmod(place, across) for place in range(len(samples))]
        shape = ceil(len(samples) / across), across
    else:
        places = [(rows.index(one.row), columns.index(one.column)) for one in samples]
        shape = len(rows), len(columns)
    turned = not single and len(columns) > max(_ACROSS, len(rows))
    if turned:
        places = [(column, row) for row, column in places]
        shape = shape[::-1]
    down, across = shape
    words = {id(sample): _words(sample, share) for sample in samples}
    lines = max(told.count("\n") for told in words.values())
    # The words above a panel take two inches.
    size = (max(4.5, 2.05 * across + 0.6), (1.65 + 0.14 * lines) * down + 0.75)
    figure, panels = new_figure(down, across, size=size, sharex=True)
    free = set(np.ndindex(shape)) - set(places)
    for place in free:
        clear(panels[place])
    for sample, place in zip(samples, places, strict=True):
        panel = panels[place]
        _draw(panel, sample, edges)
        above, beside = (sample.row, sample.column) if turned else (sample.column, sample.row)
        panel.set_title(f"{above}\n{words[id(sample)]}", fontsize=8.5, loc="left")
        if (place[0] + 1, place[1]) in free or place[0] + 1 == down:
            panel.tick_params(labelbottom=True)
            panel.set_xlabel(label, fontsize=8.5)
        if all((place[0], before) in free for before in range(place[1])):
            name = "" if single else f"{textwrap.fill(beside, 22)}\n"
            panel.set_ylabel(f"{name}% of channels", fontsize=8.5)
    set_title(figure, title)
    return figure


def _words(sample: Sample, share: Callable[[float], str]) -> str:
    """Return what the title of a panel says of its share, and of the paper's."""
    told = share(sample.share)
    if sample.paper is None:
        return told
    paper = f"(paper {sample.paper}%)"
    return f"{told} {paper}" if len(told) + len(paper) < _LETTERS else f"{told}\n{paper}"


def _draw(panel: "Axes", sample: Sample, edges: np.ndarray) -> None:
    from matplotlib.ticker import MaxNLocator

    values = np.clip(sample.values, edges[0], edges[-1])
    heights = 100 * np.histogram(values, edges)[0] / len(values)
    panel.stairs(heights, edges, fill=True, color=colour(sample.style), linewidth=0)
    panel.tick_params(labelsize=8)
    panel.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    panel.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    panel.set_xlim(edges[0], edges[-1])
