"""γ and β of a network: by norm, over all of them, and the shares of γ near zero."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bnkeras.models.variables import Group, grouped_variables
from bnkeras.reporting import COLOURS, new_figure

# The first is the papers'.
SHARE_THRESHOLDS = (0.01, 0.05, 0.1)


@dataclass(frozen=True, eq=False)
class NormScales:
    """What one norm multiplies its channels by and adds to them.

    Args:
        layer: path of the layer.
        gamma: γ, float32, [channels]; empty where the norm has none.
        beta: β, likewise.
    """

    layer: str
    gamma: np.ndarray
    beta: np.ndarray


def norm_scales(model: keras.Model) -> tuple[NormScales, ...]:
    """Return γ and β of every norm of `model`, in the order of its layers.

    Example:
        >>> norm_scales(bnkeras.build("resnet_cifar", depth=14))[0].layer
        'stem_bn'
    """
    return scales_by_path(
        (entry.path, keras.ops.convert_to_numpy(entry.variable))
        for entry in grouped_variables(model)
        if entry.group is Group.BATCHNORM
    )


def scales_by_path(values: Iterable[tuple[str, np.ndarray]]) -> tuple[NormScales, ...]:
    """Return what of `values`, by path, is γ or β of a layer, in their order."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for path, array in values:
        layer, _, name = path.rpartition("/")
        if name in ("gamma", "beta"):
            # A norm over several axes has a γ for each of their places.
            found.setdefault(layer, {})[name] = array.astype(np.float32).reshape(-1)
    none = np.zeros(0, np.float32)
    return tuple(
        NormScales(layer, of_layer.get("gamma", none), of_layer.get("beta", none))
        for layer, of_layer in found.items()
    )


def gammas(model: keras.Model) -> np.ndarray:
    """Return all scales γ of `model` as one vector, float32."""
    return joined(norm.gamma for norm in norm_scales(model))


def joined(parts: Iterable[np.ndarray]) -> np.ndarray:
    """Return `parts` as one vector; where there is none, an empty one of float32."""
    return np.concatenate(list(parts) or [np.zeros(0, np.float32)])


def share_below(scales: np.ndarray, threshold: float = 0.01) -> float:
    """Return the share of scales with |γ| < threshold.

    Source: Frankle et al. 2021, figure 5 (threshold 0.01).

    >>> share_below(np.array([0.001, -0.5, 1.0, 0.0]))
    0.5
    """
    return float(np.mean(np.abs(scales) < threshold))


def summary(values: np.ndarray) -> dict[str, Any]:
    """Return count, mean, standard deviation (over all, so biased), extremes and quartiles.

    >>> summary(np.array([1.0, 3.0]))["std"]
    1.0
    """
    if not values.size:
        return {"count": 0}
    exact = values.astype(np.float64)
    low, median, high = np.quantile(exact, (0.25, 0.5, 0.75)).tolist()
    return {
        "count": values.size,
        "mean": float(exact.mean()),
        "std": float(exact.std()),
        "min": float(exact.min()),
        "quartile": low,
        "median": median,
        "upper_quartile": high,
        "max": float(exact.max()),
    }


def plot_gammas(scales: Mapping[str, np.ndarray], path: Path) -> Path:
    """Draw a histogram of γ for each entry of `scales`, one above the other.

    Args:
        scales: title → γ.
        path: the PNG to write.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    low = min(values.min() for values in scales.values())
    high = max(values.max() for values in scales.values())
    # An edge at zero: the peak there is not divided by chance.
    edges = np.arange(np.floor(low * 10), np.ceil(high * 10) + 1) / 10
    size = (7, 1.9 * len(scales) + 0.5)
    figure, panels = new_figure(len(scales), 1, size=size, sharex=True)
    for panel, (title, values), colour in zip(
        panels[:, 0], scales.items(), cycle(COLOURS), strict=False
    ):
        panel.hist(values, edges, color=colour, weights=np.full(values.size, 1 / values.size))
        panel.set_title(f"{title}: |γ| < 0.01 in {share_below(values):.0%}")
        panel.yaxis.set_major_formatter("{x:.0%}")
        panel.set_ylabel("share of γ")
    panels[-1, 0].set_xlabel("γ, the BatchNorm scale")
    figure.savefig(path, dpi=130)
    return path
