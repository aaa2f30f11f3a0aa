"""How γ or β are distributed after training."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bnkeras.studies.figures.data import Sample
from bnkeras.studies.figures.histograms import draw_histograms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BINS = 41


def draw_scales(title: str, samples: Sequence[Sample], symbol: str) -> "Figure":
    """Draw histograms of `symbol`, γ or β, over the same range, 0 in the middle of a bin.

    Args:
        title: of the figure.
        samples: the values of each panel, and the share of them near zero.
        symbol: what they are.
    """
    every = np.concatenate([sample.values for sample in samples])
    # Single channels far out would squeeze all others into the middle.
    far = max(abs(np.quantile(every, 0.002)), abs(np.quantile(every, 0.998)), 0.1)
    edges = np.linspace(-far, far, _BINS + 1)
    return draw_histograms(
        title, samples, edges, symbol, lambda share: f"{share:.0f}% |{symbol}| < 0.01"
    )
