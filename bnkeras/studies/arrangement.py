"""Where the groups of a study stand in a figure: along its axis, and in which of its lines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from bnkeras.recipe import load
from bnkeras.studies import definition
from bnkeras.studies.checking import drawn_of
from bnkeras.studies.figures import Axis
from bnkeras.studies.outcomes import Group

_AXES = {
    "depth": "depth",
    "width": "width",
    "k": "k, random weights per channel",
    "parameters": "parameters that train",
    "model": "",
    "variant": "",
}


class Placed(NamedTuple):
    """A group in its place.

    Args:
        group: the replicates.
        x: place along the axis; an empty text of a level.
        line: name of its line.
        style: number of the line's colour and marker.
    """

    group: Group
    x: float | str
    line: str
    style: int


@dataclass(frozen=True)
class Arrangement:
    """The groups of a figure.

    Attributes:
        label: of the axis.
        placed: those that have a place along it.
        levels: those whose value is the same all along it.
    """

    label: str
    placed: tuple[Placed, ...]
    levels: tuple[Placed, ...] = ()

    def axis(self, places: Sequence[float | str]) -> Axis:
        """Return the axis with those of its places that have something to show."""
        order = list(dict.fromkeys(one.x for one in self.placed))
        if not any(isinstance(place, str) for place in order):
            order.sort()
        return Axis(self.label, tuple(place for place in order if place in places))


def arrange(figure: definition.Figure, groups: Sequence[Group]) -> Arrangement:
    """Place the groups that `figure` draws.

    A line is named after what the figure says, and after as much more as keeps apart what
    would stand at the same place of the same line.

    Args:
        figure: a figure of the study.
        groups: all groups of the study.
    """
    every = _ordered(figure, groups)
    axis = figure.x
    x = {id(group): _place(group, axis) for group in every}
    placed = [group for group in every if x[id(group)] is not None]
    levels = [group for group in every if x[id(group)] is None] if axis == "k" else []
    parts = _parts(figure.lines, placed, levels, lambda group: x[id(group)])
    shown = [part for part in parts if len({_NAMES[part](g) for g in (*placed, *levels)}) > 1]
    shown = shown or [figure.lines]
    styles = _styles(figure, shown, placed, levels, groups)

    def at(group: Group, place: float | str) -> Placed:
        name = ", ".join(str(_NAMES[part](group) or "as shipped") for part in shown)
        return Placed(group, place, name, styles(group))

    return Arrangement(
        _AXES[axis],
        tuple(at(group, x[id(group)]) for group in placed),
        tuple(at(group, "") for group in levels),
    )


@cache
def model_title(model: str, regime: str) -> str:
    """Return what figures call a network, such as `ResNet-14`."""
    title = load(f"{model}_{regime}").about.title or model
    return title.partition(": ")[0].partition(" on ")[0]


_NAMES: dict[str, Callable[[Group], str | None]] = {
    "series": lambda group: group.member.series,
    "variant": lambda group: group.member.variant,
    "model": lambda group: model_title(group.member.model, group.member.regime),
    "regime": lambda group: group.member.regime,
}


def _ordered(figure: definition.Figure, groups: Sequence[Group]) -> list[Group]:
    drawn = {id(member) for member in drawn_of(figure, [group.member for group in groups])}
    found = [group for group in groups if id(group.member) in drawn]
    if figure.series:
        found.sort(key=lambda group: figure.series.index(group.member.series))
    return found


def _place(group: Group, axis: definition.Axis) -> float | str | None:
    if axis == "model":
        return _NAMES["model"](group)
    return group.member.at(axis)


def _parts(
    first: str, placed: Sequence[Group], levels: Sequence[Group], x: Callable[[Group], object]
) -> list[str]:
    """Return of which parts the names of lines are, so that no place is taken twice."""
    parts = [first]

    def taken_twice() -> int:
        every = [(*(_NAMES[part](group) for part in parts), x(group)) for group in placed]
        every += [(*(_NAMES[part](group) for part in parts), "level") for group in levels]
        return len(every) - len(set(every))

    for part in _NAMES:
        before = taken_twice()
        if before and part not in parts:
            parts.append(part)
            if taken_twice() == before:
                parts.pop()
    return parts


def _styles(
    figure: definition.Figure,
    shown: Sequence[str],
    placed: Sequence[Group],
    levels: Sequence[Group],
    groups: Sequence[Group],
) -> Callable[[Group], int]:
    """Return what gives the number of a group's colour.

    A series has the same colour in all figures of a study. A level has that of the line of
    its network, if it is told from the line by its series alone.
    """
    if list(shown) == ["series"]:
        every = groups
    else:
        every = [*placed, *levels]
        if levels and len({_NAMES["series"](group) for group in placed}) == 1:
            alone = {_NAMES["series"](group) for group in levels}
            shown = [part for part in shown if part != "series"] if len(alone) == 1 else shown
    keys = list(dict.fromkeys(tuple(_NAMES[part](group) for part in shown) for group in every))
    return lambda group: keys.index(tuple(_NAMES[part](group) for part in shown))
