"""The figures of studies, one module for each kind; they draw and write nothing."""

from bnkeras.studies.figures.accuracy import draw_accuracy
from bnkeras.studies.figures.clamping import draw_clamping
from bnkeras.studies.figures.data import Axis, Curve, Line, Point, Sample
from bnkeras.studies.figures.scales import draw_scales
from bnkeras.studies.figures.slopes import Fit, draw_slopes, fitted
from bnkeras.studies.figures.small_scales import draw_small_scales
from bnkeras.studies.figures.zeros import draw_zeros

__all__ = [
    "Axis",
    "Curve",
    "Fit",
    "Line",
    "Point",
    "Sample",
    "draw_accuracy",
    "draw_clamping",
    "draw_scales",
    "draw_slopes",
    "draw_small_scales",
    "draw_zeros",
    "fitted",
]
