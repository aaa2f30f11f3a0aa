"""What the figures of studies are drawn from."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Point(NamedTuple):
    """A mean over replicates, or a value of a paper.

    Args:
        x: place along the axis: a number, or one of its names.
        mean: the value.
        sd: standard deviation; None where it is not known.
    """

    x: float | str
    mean: float
    sd: float | None = None


@dataclass(frozen=True)
class Line:
    """What has a colour of its own.

    Attributes:
        name: in the legend.
        style: number of its colour and marker.
        points: our values.
        paper: the paper's.
    """

    name: str
    style: int
    points: tuple[Point, ...]
    paper: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Axis:
    """What stands along the horizontal axis.

    Attributes:
        label: what it is.
        places: the numbers or names on it, in order. Numbers stand on a logarithmic axis.
    """

    label: str
    places: tuple[float | str, ...]

    @property
    def is_of_names(self) -> bool:
        """Whether names stand along it."""
        return any(isinstance(place, str) for place in self.places)


@dataclass(frozen=True, eq=False)
class Sample:
    """Values whose distribution fills one panel.

    Attributes:
        row: name of the panel's row.
        column: name of its column.
        style: number of its colour.
        values: of all replicates together, one or more.
        share: the share that the title tells, %.
        paper: the paper's share, %, as it gives it; None where it gives none.
    """

    row: str
    column: str
    style: int
    values: np.ndarray
    share: float
    paper: str | None = None


@dataclass(frozen=True)
class Curve:
    """Accuracies against thresholds, in the panel of a network.

    Attributes:
        panel: name of the panel.
        line: name of the line.
        style: number of its colour and marker.
        points: accuracy, %, by threshold.
    """

    panel: str
    line: str
    style: int
    points: tuple[Point, ...]
