"""Everything that is wrong with a search space, by itself and for a recipe."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from bnkeras import recipe as recipes
from bnkeras.settings.checking import Form, dotted, translate
from bnkeras.settings.faults import Fault
from bnkeras.settings.tables import Tables
from bnkeras.settings.toml import literal, read_value
from bnkeras.settings.types import one_of
from bnkeras.tuning.definition import Choice, Document, Law, Parameter, Range

_FORM = Form(Document, "A search space")

# What a search decides by itself, or what makes trials incomparable.
_DECIDED = {
    "seed": "is the same in all trials: give --set seed=N",
    "model.network": "is that of the recipe",
    "model.regime": "is that of the recipe",
    "model.classes": "is that of the data",
    "data.dataset": "is that of the recipe",
    "data.fingerprint": "is that of the recipe",
    "data.validation": "is the same in all trials, for these examples judge them",
    "train.epochs": "is the same in all trials: give --epochs",
    "train.checkpoint_minutes": "changes no result",
    "train.steps_per_execution": "changes no result",
}

# The number of a law that is searched.
_X = re.compile(r"\bx\b")


def has_x(law: str) -> bool:
    """Return whether a law has a number that is searched.

    >>> has_x("uniform(-x, x)"), has_x("he_normal")
    (True, False)
    """
    return _X.search(law) is not None


def with_x(law: str, x: float) -> str:
    """Return the law with a number in place of its x.

    >>> with_x("uniform(-x, x)", 0.5)
    'uniform(-0.5, 0.5)'
    """
    return _X.sub(f"{x:g}", law)


def taken_apart(value: str, laws: Sequence[str]) -> tuple[str, float] | None:
    """Return which of `laws` a value is of, and its x; None of one without an x.

    >>> taken_apart("uniform(-0.5, 0.5)", ["uniform(0, x)", "uniform(-x, x)"])
    ('uniform(-x, x)', 0.5)
    """
    for law in filter(has_x, laws):
        parts = [re.escape(part) for part in _X.split(law)]
        found = re.fullmatch("(-?[0-9.e+-]+)".join(parts), value)
        if found and with_x(law, float(found[1])) == value:
            return law, float(found[1])
    return None


def holds(when: str, settings: Mapping[str, Any]) -> bool:
    """Return whether the condition of a parameter holds where these settings are."""
    setting, value = condition(when)
    return settings.get(setting) == value


def condition(when: str) -> tuple[str, Any]:
    """Return the setting and the value of a `when`.

    >>> condition("train.optimizer=adam")
    ('train.optimizer', 'adam')
    """
    setting, _, value = when.partition("=")
    return setting.strip(), read_value(value.strip())


def check(values: Mapping[str, Any]) -> tuple[Document | None, list[Fault]]:
    """Return the space that the tables `values` describe, or None and all their faults."""
    tables = Tables()
    tables.merge(values, "")
    faults: dict[str, Fault] = {}
    document = None
    try:
        document = Document.model_validate(tables.values)
    except ValidationError as error:
        faults = {fault.key: fault for fault in translate(error, tables, _FORM)}
    # Each table by itself, so that a fault in one does not hide those of another.
    for fault in _across(tables):
        faults.setdefault(fault.key, fault)
    return (None if faults else document), list(faults.values())


def faults_with(
    document: Document, recipe: str | os.PathLike[str], settings: Sequence[str]
) -> list[Fault]:
    """Return what the recipe would not take of the values that the space has at its ends.

    Args:
        document: the space.
        recipe: name or path of the recipe.
        settings: what else is set in it, as after --set.
    """
    faults: dict[str, Fault] = {}
    for parameter in document.parameters:
        given = () if parameter.when is None else (parameter.when,)
        for value in _ends(parameter):
            changes = [*settings, *given, f"{parameter.setting}={literal(value)}"]
            for fault in recipes.faults_of(recipe, changes):
                faults.setdefault(fault.key, fault)
    return list(faults.values())


def _ends(parameter: Parameter) -> list[Any]:
    if isinstance(parameter, Choice):
        return list(parameter.values)
    ends = [parameter.low, parameter.high]
    if isinstance(parameter, Range):
        return ends
    return [with_x(law, end) if end is not None else law for law in parameter.laws for end in ends]


def _across(tables: Tables) -> Iterator[Fault]:
    """Yield the faults between settings, as far as these are of the right type."""
    valid = [one for _, one in _valid(tables, "choice", Choice)]
    listed = tables.get(("choice",), [])
    # What nobody can be told to choose from is not checked against.
    complete = isinstance(listed, list) and len(valid) == len(listed)
    choices = {one.setting: one for one in valid if not one.when}
    known: dict[str, list[tuple[str | None, str]]] = {}
    for path, parameter in _parameters(tables):
        yield from _of_setting(path, parameter.setting)
        if parameter.when is not None and complete:
            yield from _of_condition(path, parameter, choices)
        others = known.setdefault(parameter.setting, [])
        for when, other in others:
            if None in (when, parameter.when) or when == parameter.when:
                yield Fault(
                    dotted((*path, "setting")),
                    f"must be searched once, or with different `when`; received "
                    f"{literal(parameter.setting)}, which {other} has too",
                )
        others.append((parameter.when, dotted(path)))
        if isinstance(parameter, Choice):
            kinds = {type(value) for value in parameter.values}
            if len(kinds) > 1:
                yield Fault(
                    dotted((*path, "values")),
                    "must be all texts, all numbers with a point, all integers or all booleans; "
                    f"received {literal(list(parameter.values))}",
                )
        else:
            yield from _of_bounds(path, parameter)
    if not known and not any(tables.get((name,)) for name in ("choice", "range", "law")):
        yield Fault("choice", "is missing, and [[range]] and [[law]] too: there is nothing to try")


def _parameters(tables: Tables) -> Iterator[tuple[tuple[str, int], Parameter]]:
    for name, section in (("choice", Choice), ("law", Law), ("range", Range)):
        for number, parameter in _valid(tables, name, section):
            yield (name, number), parameter


def _valid(tables: Tables, name: str, section: Any) -> Iterable[tuple[int, Any]]:
    listed = tables.get((name,))
    for number, values in enumerate(listed if isinstance(listed, list) else []):
        try:
            yield number, section.model_validate(values)
        except ValidationError:
            continue  # `translate` has it


def _of_setting(path: tuple[str, int], setting: str) -> Iterator[Fault]:
    if setting.startswith("strategy."):
        reason = "is no matter of a search"
    elif setting in _DECIDED:
        reason = _DECIDED[setting]
    else:
        return
    yield Fault(dotted((*path, "setting")), f"{literal(setting)} {reason}")


def _of_condition(
    path: tuple[str, int], parameter: Parameter, choices: Mapping[str, Choice]
) -> Iterator[Fault]:
    setting, value = condition(parameter.when or "")
    place = dotted((*path, "when"))
    if setting not in choices:
        there = f"There are {', '.join(choices)}." if choices else "There is none."
        yield Fault(
            place,
            f"must be SETTING=VALUE of a [[choice]] without `when`; received "
            f"{literal(parameter.when)}. {there}",
        )
    elif value not in choices[setting].values:
        allowed = one_of(map(str, choices[setting].values))
        yield Fault(place, f"must be {setting}= and {allowed}; received {literal(parameter.when)}")


def _of_bounds(path: tuple[str, int], parameter: Range | Law) -> Iterator[Fault]:
    low, high = parameter.low, parameter.high
    if isinstance(parameter, Law):
        searched = [law for law in parameter.laws if has_x(law)]
        if not searched and (low, high) != (None, None):
            yield Fault(
                dotted((*path, "from")), "must be unset, and `to` too, for no law has an x in it"
            )
            return
        if searched and (low is None or high is None):
            yield Fault(
                dotted((*path, "from")),
                f"must be set, and `to` too, for the x of {literal(searched[0])}",
            )
            return
        if len(parameter.laws) == 1 and not searched:
            yield Fault(
                dotted((*path, "laws")),
                f"must be several, or have an x; received {literal(list(parameter.laws))}",
            )
    if low is None or high is None:
        return
    if not low < high:
        yield Fault(
            dotted((*path, "to")), f"must be above from = {literal(low)}; received {literal(high)}"
        )
    if parameter.scale == "log" and low <= 0:
        yield Fault(
            dotted((*path, "from")),
            f'must be above 0 where scale = "log"; received {literal(low)}',
        )
