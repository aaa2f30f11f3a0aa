"""How long the rest of a study takes, from what its members have taken so far."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from bnkeras.errors import ModelError
from bnkeras.models.sizes import counts
from bnkeras.recipe import Recipe
from bnkeras.studies.grid import Member


class Timing:
    """Seconds per epoch of members, measured or concluded from others, and the time left.

    The pace of a member is, in seconds per epoch, the first of these that there is:

    1. the mean over measured members of its model, regime and variant,
    2. over those of its model and regime,
    3. over those of its model,
    4. of the model of its network and dataset that is nearest in size, its pace times the
       ratio of parameters: in one family, the work of a step grows about as they do,
    5. the mean over all.

    With s the seconds that processes took over those of the epochs they trained (evaluation,
    start and export come on top), the time left is

        s · Σ over members of epochs left · pace

    Example:
        >>> timing = Timing()
        >>> timing.measure(member, [{"seconds": 20.0}, {"seconds": 10.0}, {"seconds": 12.0}])
        >>> timing.seconds_left([(member, 3)])
        33.0
    """

    def __init__(self):
        self._measured: dict[Path, tuple[Member, float]] = {}
        self._rows_of: set[Path] = set()
        self._in_processes = 0.0
        self._in_epochs = 0.0

    def measure(self, member: Member, rows: Sequence[dict[str, Any]]) -> None:
        """Take the pace of a member from its rows: the median, but for the first epoch.

        The first contains the tracing of the network, and counts only where it is alone.
        """
        seconds = [row["seconds"] for row in rows if "seconds" in row]
        if seconds:
            self._rows_of.add(member.directory)
            self._measured[member.directory] = member, median(seconds[1:] or seconds)

    def guess(self, member: Member, seconds: float) -> None:
        """Take what the first epoch of a member will have taken, to judge by its steps so far."""
        if member.directory not in self._rows_of:
            self._measured[member.directory] = member, seconds

    def took(self, process: float, epochs: float) -> None:
        """Take the seconds that a process ran, and of these the seconds of its epochs."""
        self._in_processes += process
        self._in_epochs += epochs

    def pace(self, member: Member) -> float | None:
        """Return the seconds per epoch of a member; None while nothing is measured."""
        for key in (_variant, _regime, _model):
            alike = [pace for other, pace in self._measured.values() if key(other) == key(member)]
            if alike:
                return fmean(alike)
        return self._scaled(member) or self._mean()

    def seconds_left(self, waiting: Iterable[tuple[Member, float]]) -> float | None:
        """Return the time that these members and epochs of each take; None while unknown."""
        left = 0.0
        for member, epochs in waiting:
            pace = self.pace(member)
            if pace is None:
                return None
            left += epochs * pace
        return left * (self._in_processes / self._in_epochs if self._in_epochs else 1)

    def _scaled(self, member: Member) -> float | None:
        size = _parameters(member.recipe)
        family = [
            (other_size, pace)
            for other, pace in self._measured.values()
            if _family(other.recipe) == _family(member.recipe)
            and (other_size := _parameters(other.recipe))
        ]
        if not size or not family:
            return None
        nearest = min((other for other, _ in family), key=lambda it: abs(math.log(it / size)))
        return size / nearest * fmean(pace for other, pace in family if other == nearest)

    def _mean(self) -> float | None:
        paces = [pace for _, pace in self._measured.values()]
        return fmean(paces) if paces else None


def _variant(member: Member) -> tuple[str | None, ...]:
    return member.model, member.regime, member.variant


def _regime(member: Member) -> tuple[str, ...]:
    return member.model, member.regime


def _model(member: Member) -> tuple[str, ...]:
    return (member.model,)


def _family(recipe: Recipe) -> tuple[str, str]:
    return recipe.model.network, recipe.data.dataset


def _parameters(recipe: Recipe) -> int | None:
    """Return the size of a network; None where it depends on more than the recipe."""
    try:
        return counts(recipe.model.network, **recipe.model.build_arguments())["total"]
    except ModelError:
        return None
