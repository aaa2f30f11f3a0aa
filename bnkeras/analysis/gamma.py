"""The distribution of the BatchNorm scales γ."""

from collections.abc import Mapping
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path

import keras
import numpy as np

from bnkeras.errors import MissingDependencyError
from bnkeras.models.variables import Group, grouped_variables

# Okabe and Ito's colours, which colour-blind readers can tell apart.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")


def gammas(model: keras.Model) -> np.ndarray:
    """Return all BatchNorm scales of `model` as one vector, float32."""
    scales = [
        entry.variable.numpy()
        for entry in grouped_variables(model)
        if entry.group is Group.BATCHNORM and entry.variable.name == "gamma"
    ]
    return np.concatenate([np.zeros(0, np.float32), *scales])


def share_below(scales: np.ndarray, threshold: float = 0.01) -> float:
    """Return the share of scales with |γ| < threshold.

    Source: Frankle et al. 2021, figure 5 (threshold 0.01).

    >>> share_below(np.array([0.001, -0.5, 1.0, 0.0]))
    0.5
    """
    return float(np.mean(np.abs(scales) < threshold))


def check_matplotlib() -> None:
    """Raise MissingDependencyError where plots cannot be drawn."""
    if find_spec("matplotlib") is None:
        raise MissingDependencyError(
            "Plots need matplotlib. Install it with: pip install 'bnkeras[plots]'"
        )


def plot_gammas(scales: Mapping[str, np.ndarray], path: Path) -> Path:
    """Draw a histogram of γ for each entry of `scales`, one above the other.

    Args:
        scales: title → γ.
        path: the PNG to write.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    check_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    low = min(values.min() for values in scales.values())
    high = max(values.max() for values in scales.values())
    # An edge at zero: the peak there is not divided by chance.
    edges = np.arange(np.floor(low * 10), np.ceil(high * 10) + 1) / 10
    figure = Figure(figsize=(7, 1.9 * len(scales) + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(scales), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (title, values), colour in zip(axes, scales.items(), cycle(_COLOURS), strict=False):
        axis.hist(values, edges, color=colour, weights=np.full(values.size, 1 / values.size))
        axis.set_title(f"{title}: |γ| < 0.01 in {share_below(values):.0%}", loc="left", fontsize=10)
        axis.yaxis.set_major_formatter("{x:.0%}")
        axis.set_ylabel("share of γ")
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("γ, the BatchNorm scale")
    figure.savefig(path, dpi=130)
    return path
