"""The figures of an analysis: each takes numbers and returns a figure."""

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from bnkeras.analysis.activations import MOSTLY_ZERO, ReluZeros
from bnkeras.analysis.clamping import Clamping
from bnkeras.analysis.filters import FirstFilters
from bnkeras.analysis.recalibration import Recalibration
from bnkeras.analysis.scales import NormScales, joined, share_below
from bnkeras.reporting import COLOURS, MARKERS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLUE, _ORANGE, _GREEN = COLOURS[:3]
# Beyond as many, layers are numbered, not named.
_NAMED = 24
# Values beyond these quantiles are counted in the outermost bins.
_TAILS = (0.002, 0.998)
# Small enough that a label has room beside it.
_LABELLED_FILTERS = 16
# From one filter to the next, in the unit of one's width.
_STEP = 1.12


def scales_figure(gamma: np.ndarray, beta: np.ndarray) -> "Figure":
    """Draw the distributions of γ and of β, over all norms."""
    figure, (panels,) = new_figure(1, 2, size=(8.4, 3.2))
    pairs = (("γ, the scale", gamma, _BLUE), ("β, the shift", beta, _ORANGE))
    for panel, (title, values, colour) in zip(panels, pairs, strict=True):
        if values.size:
            edges = _edges(values, 50)
            panel.hist(np.clip(values, edges[0], edges[-1]), edges, color=colour)
            panel.set_title(f"mean {values.mean():.2f}, standard deviation {values.std():.2f}")
        else:
            panel.set_title("none")
        panel.set_xlabel(title)
    panels[0].set_ylabel("channels")
    return figure


def layers_figure(scales: Sequence[NormScales]) -> "Figure":
    """Draw the distributions of γ and of β in each norm: a column each, the darker the more."""
    columns = len(scales)
    figure, panels = new_figure(2, 1, size=(max(5.0, min(9.0, 3 + 0.35 * columns)), 6.4))
    pairs = (
        ("γ", [norm.gamma for norm in scales], "Blues"),
        ("β", [norm.beta for norm in scales], "Oranges"),
    )
    for (panel,), (name, by_norm, colours) in zip(panels, pairs, strict=True):
        values = joined(by_norm)
        if not values.size:
            panel.set_title(f"no {name}")
            continue
        edges = _edges(values, 30)
        shares = np.stack(
            [
                np.histogram(np.clip(one, edges[0], edges[-1]), edges)[0] / max(1, one.size)
                for one in by_norm
            ]
        )
        drawn = panel.imshow(
            shares.T,
            aspect="auto",
            origin="lower",
            interpolation="nearest",
            cmap=colours,
            vmin=0,
            # One norm with a single value would leave all the others pale.
            vmax=max(float(np.quantile(shares.max(axis=1), 0.75)), 1e-9),
            extent=(-0.5, columns - 0.5, edges[0], edges[-1]),
        )
        bar = figure.colorbar(drawn, ax=panel, extend="max", pad=0.02)
        bar.ax.yaxis.set_major_formatter("{x:.0%}")
        bar.set_label("share of channels")
        panel.set_ylabel(name)
    _name_layers(panels[1, 0], [norm.layer for norm in scales], "norm, from input to output")
    panels[0, 0].set_xticks([])
    return figure


def near_zero_figure(scales: Sequence[NormScales]) -> "Figure":
    """Draw the share of γ near zero in each norm."""
    scales = [norm for norm in scales if norm.gamma.size]
    figure, ((panel,),) = new_figure(size=(max(5.0, min(9.0, 3 + 0.35 * len(scales))), 3.6))
    for threshold, colour, marker in zip((0.1, 0.05, 0.01), COLOURS, MARKERS, strict=False):
        shares = [share_below(norm.gamma, threshold) for norm in scales]
        style = {"color": colour, "marker": marker if len(scales) <= _NAMED else None}
        panel.plot(shares, label=f"|γ| < {threshold:g}", markersize=5, linewidth=1.5, **style)
    panel.yaxis.set_major_formatter("{x:.0%}")
    panel.set_ylim(bottom=0)
    panel.set_ylabel("share of γ")
    _name_layers(panel, [norm.layer for norm in scales], "norm, from input to output")
    panel.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def clamping_figure(clamping: Clamping) -> "Figure":
    """Draw the test accuracy, and the share of γ that is set to zero, against the threshold."""
    figure, panels = new_figure(2, 1, size=(6.4, 5.2), sharex=True)
    upper, lower = panels[:, 0]
    upper.plot(clamping.thresholds, clamping.accuracy, "o-", color=_BLUE, markersize=5)
    upper.axhline(clamping.accuracy[0], color="#777777", linewidth=1, linestyle=":")
    upper.annotate(
        f"as trained: {clamping.accuracy[0]:.1%}",
        (0.02, clamping.accuracy[0]),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        xytext=(0, -7),
        va="top",
        fontsize=9,
        color="#555555",
    )
    upper.set_ylim(0, 1.15 * clamping.accuracy.max() or 1)
    upper.set_ylabel("test accuracy")
    lower.plot(clamping.thresholds, clamping.share, "s-", color=_ORANGE, markersize=5)
    lower.set_ylim(bottom=0)
    lower.set_ylabel("γ set to zero")
    lower.set_xlabel("threshold: every |γ| below it is set to zero")
    ticks = (0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
    for panel in (upper, lower):
        panel.yaxis.set_major_formatter("{x:.0%}")
        # Linear up to the first threshold of the papers, and logarithmic from there.
        panel.set_xscale("symlog", linthresh=0.01, linscale=0.5)
        panel.set_xlim(-0.001, 1.15 * max(1, clamping.thresholds[-1]))
        panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        panel.minorticks_off()
        panel.grid(axis="x", color="#dddddd", linewidth=0.6)
    return figure


def zeros_figure(relus: Sequence[ReluZeros]) -> "Figure":
    """Draw how often channels behind ReLUs are zero: over all, and by ReLU."""
    columns = len(relus)
    figure, panels = new_figure(2, 1, size=(max(5.6, min(9.0, 3 + 0.35 * columns)), 6.2))
    upper, lower = panels[:, 0]
    values = np.concatenate([relu.probability for relu in relus])
    edges = np.linspace(0, 1, 51)
    upper.hist(values, edges, color=_BLUE, weights=np.full(values.size, 1 / values.size))
    upper.set_title(f"zero in more than 99% of places: {np.mean(values > MOSTLY_ZERO):.1%}")
    upper.set_xlabel("probability that a channel is zero behind its ReLU")
    upper.set_ylabel("share of channels")
    rows = (
        ("mean probability of zero", [relu.probability.mean() for relu in relus]),
        ("channels zero in > 99%", [np.mean(relu.probability > MOSTLY_ZERO) for relu in relus]),
    )
    for (label, shares), colour, marker in zip(rows, COLOURS, MARKERS, strict=False):
        style = {"color": colour, "marker": marker if columns <= _NAMED else None}
        lower.plot(shares, label=label, markersize=5, linewidth=1.5, **style)
    lower.set_ylim(0, 1.2)
    lower.set_yticks(np.arange(0, 1.1, 0.2))
    lower.set_ylabel("share")
    lower.legend(loc="upper left", ncols=2)
    for panel in (upper, lower):
        panel.yaxis.set_major_formatter("{x:.0%}")
    _name_layers(lower, [relu.layer for relu in relus], "ReLU, from input to output")
    return figure


def filters_figure(filters: FirstFilters) -> "Figure":
    """Draw the filters of the first layer as images, before and after the norm scales them.

    Grey is zero. All filters of a panel share one scale, so that one that is switched off is
    grey after it.
    """
    count = len(filters.kernels)
    across = min(count, 8 if count <= 32 else 16)
    down = ceil(count / across)
    has_norm = filters.norm is not None
    labelled = count <= _LABELLED_FILTERS
    parts = [("as they are", filters.kernels, None)]
    if has_norm:
        parts.append((f"after {filters.norm}", filters.scaled, filters.scale))
    width = 7.6
    heights = [
        width / (_STEP * across) * down * _row(labelled and scale is not None) + 0.45
        for _, _, scale in parts
    ]
    figure, panels = new_figure(len(parts), 1, size=(width, sum(heights)), ratios=heights)
    for (panel,), (title, kernels, scale) in zip(panels, parts, strict=True):
        _draw_filters(panel, _images(kernels), across, scale if labelled else None)
        panel.set_title(f"{filters.layer}: {count} of {filters.of} filters, {title}")
    return figure


def recalibration_figure(recalibration: Recalibration) -> "Figure":
    """Draw how far the moving statistics are from those measured anew, by batch norm."""
    shifts = recalibration.shifts
    size = (max(5.0, min(9.0, 3 + 0.35 * len(shifts))), 5.2)
    figure, panels = new_figure(2, 1, size=size, sharex=True)
    upper, lower = panels[:, 0]
    style = {"markersize": 5 if len(shifts) <= _NAMED else 0, "linewidth": 1.5}
    upper.plot([shift.mean for shift in shifts], "o-", color=_BLUE, **style)
    upper.set_ylim(bottom=0)
    upper.set_ylabel("mean moved by,\nin standard deviations")
    lower.plot([shift.variance for shift in shifts], "s-", color=_ORANGE, **style)
    lower.axhline(1, color="#777777", linewidth=1, linestyle=":")
    lower.set_ylabel("variance\nmultiplied by")
    lower.ticklabel_format(axis="y", useOffset=False)
    _name_layers(lower, [shift.layer for shift in shifts], "batch norm, from input to output")
    return figure


def _edges(values: np.ndarray, bins: int) -> np.ndarray:
    """Return edges of bins as wide as each other, one of which has zero in its middle.

    The peak at zero is then not divided by chance.
    """
    low, high = (float(np.quantile(values, tail)) for tail in _TAILS)
    low, high = min(low, 0.0), max(high, 0.0)
    width = (high - low) / bins or 0.1
    first, last = (round(bound / width) for bound in (low, high))
    return (np.arange(first, last + 2) - 0.5) * width


def _name_layers(panel: "Axes", names: Sequence[str], label: str) -> None:
    if len(names) <= _NAMED:
        panel.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
        panel.set_xlim(-0.5, len(names) - 0.5)
    else:
        panel.set_xlabel(f"{label} ({len(names)})")


def _images(kernels: np.ndarray) -> np.ndarray:
    """Return filters as images [n, height, width, 3] in [0, 1], in which zero is grey."""
    if kernels.shape[-1] not in (1, 3):
        kernels = kernels.mean(axis=-1, keepdims=True)
    # A few large ones would leave the others grey.
    largest = float(np.quantile(np.abs(kernels), 0.99))
    scaled = np.clip(0.5 + kernels / (2 * largest or 1.0), 0, 1)
    return np.broadcast_to(scaled, (*kernels.shape[:-1], 3))


def _draw_filters(
    panel: "Axes", images: np.ndarray, across: int, labels: np.ndarray | None
) -> None:
    """Draw images in rows, with what they are multiplied by below them, if that is given."""
    # In the unit of one image's width.
    step = _row(labels is not None)
    for place, image in enumerate(images):
        row, column = divmod(place, across)
        left, top = column * _STEP, -row * step
        panel.imshow(image, extent=(left, left + 1, top - 1, top), interpolation="nearest")
        if labels is not None:
            below = (left + 0.5, top - 1.06)
            panel.text(*below, f"× {labels[place]:.2f}", ha="center", va="top", fontsize=9)
    panel.set_xlim(0, across * _STEP)
    panel.set_ylim(-ceil(len(images) / across) * step, 0)
    panel.set_aspect("equal")
    panel.set_axis_off()


def _row(labelled: bool) -> float:
    """Return the height of a row of filters, in the unit of one's width."""
    return 1.4 if labelled else _STEP
