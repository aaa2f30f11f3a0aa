"""How often the channels behind ReLUs are zero."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bnkeras.studies.figures.data import Sample
from bnkeras.studies.figures.histograms import draw_histograms

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_zeros(title: str, samples: Sequence[Sample]) -> "Figure":
    """Draw histograms of the probability that a channel is zero.

    Args:
        title: of the figure.
        samples: the probabilities of each panel, and the share of them above 0.99, %.
    """
    edges = np.linspace(0, 1, 26)
    label = "P(activation = 0)"
    return draw_histograms(title, samples, edges, label, lambda share: f"{share:.0f}% above 0.99")
