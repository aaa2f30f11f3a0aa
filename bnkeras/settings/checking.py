"""From an error of pydantic's to everything that is wrong with the tables of a file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from bnkeras.errors import did_you_mean
from bnkeras.settings.faults import Fault, suggest
from bnkeras.settings.section import Section
from bnkeras.settings.tables import Path, Tables
from bnkeras.settings.toml import literal, read_value
from bnkeras.settings.types import Rule, one_of


@dataclass(frozen=True)
class Choice:
    """A table that is one of several sections.

    Attributes:
        key: the setting in it that decides which.
        sections: the sections, under pydantic's tags.
    """

    key: str
    sections: Mapping[str, type[Section]]


@dataclass(frozen=True)
class Form:
    """What the tables of a kind of file are checked against.

    Attributes:
        whole: the section of all its tables.
        called: what a sentence calls the whole, such as `A recipe`.
        choices: tables of the whole that are one of several sections.
        read_before: keys that are taken out before the tables are checked.
    """

    whole: type[Section]
    called: str
    choices: Mapping[str, Choice] = field(default_factory=dict)
    read_before: tuple[str, ...] = ()


def translate(
    error: ValidationError, tables: Tables, form: Form, others: Iterable[str] = ()
) -> list[Fault]:
    """Return what `error` has found in `tables`, one fault for each key.

    Args:
        error: of the validation of the values of `tables`.
        tables: what was validated.
        form: what against.
        others: dotted settings that may be meant by an unknown one, besides its neighbours.
    """
    faults: dict[str, Fault] = {}
    others = list(others)
    for details in error.errors():
        if details["type"] == "too_short" and details["input"]:
            continue  # pydantic does not count the elements that have faults
        fault = _translate(details, tables, form, others)
        faults.setdefault(fault.key, fault)
    return list(faults.values())


def dotted(path: Path) -> str:
    """Return how a message names a setting; tables in lists are counted from 1.

    >>> dotted(("train", "epochs")), dotted(("grid", 1, "models"))
    ('train.epochs', 'grid 2, models')
    """
    name = ""
    for key, before in zip(path, (None, *path), strict=False):
        joint = {type(None): "", str: ".", int: ", "}[type(before)]
        name += f" {key + 1}" if isinstance(key, int) else joint + key
    return name


class _Place(NamedTuple):
    path: Path
    field: FieldInfo | None
    section: type[Section]


def _translate(details: Any, tables: Tables, form: Form, others: list[str]) -> Fault:
    """Put one error of pydantic's into a sentence of ours."""
    location, kind = details["loc"], details["type"]
    place = _locate(location, form)
    path, field = place.path, place.field
    choice = form.choices.get(str(path[0])) if kind.startswith("union_tag") else None
    if choice is not None:
        path, field = (*path, choice.key), None
    if kind == "extra_forbidden":
        return _unknown(place, tables, form, others)
    key, value, origin = dotted(path), tables.get(path), tables.origin(path)
    if kind == "value_error":
        return Fault(key, str(details["ctx"]["error"]), origin)
    if choice is not None:
        rule, choices = one_of(choice.sections), list(choice.sections)
    else:
        rule, choices = _rule(field) if field else ("a table", [])
    if value is None:
        return Fault(key, f"is missing; it must be {rule}")
    hint = ""
    if choices:
        hint = did_you_mean(str(value), choices)
    elif isinstance(value, str) and isinstance(read_value(value), int | float | list):
        hint = f" Write {value} without quotes."
    received = "a table" if isinstance(value, dict) else literal(value)
    return Fault(key, f"must be {rule}; received {received}{'.' if hint else ''}{hint}", origin)


def _locate(location: tuple[int | str, ...], form: Form) -> _Place:
    """Follow pydantic's location to the key, its field and the section it lies in."""
    path: list[str | int] = []
    field: FieldInfo | None = None
    section = form.whole
    steps = iter(location)
    for step in steps:
        if not isinstance(step, str) or step == "[key]":
            break
        path.append(step)
        fields = {info.alias or name: info for name, info in section.model_fields.items()}
        field = fields.get(step)
        if field is None:
            break
        inner: Any = field.annotation
        if step in form.choices and section is form.whole:
            # Pydantic puts the tag of the union between, which is no key.
            inner = form.choices[step].sections.get(str(next(steps, "")))
        elif (within := _listed(field)) is not None and (key := next(steps, None)) is not None:
            inner = within
            path.append(key)
            field = FieldInfo.from_annotation(inner)
        if not _is_section(inner):
            break
        section = inner
    return _Place(tuple(path), field, section)


def _listed(field: FieldInfo) -> Any:
    """Return what a table of any keys, or a list of tables, holds; None of anything else."""
    inside = get_args(field.annotation)
    if get_origin(field.annotation) is dict:
        return inside[1]
    return inside[0] if inside and _is_section(inside[0]) else None


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _rule(field: FieldInfo) -> tuple[str, list[str]]:
    """Return what a field's value must be, and the choices where there are any."""
    if get_origin(field.annotation) is dict:
        return "a table", []
    # In `Text | None` the metadata belong to a member of the union.
    members = [getattr(member, "__metadata__", ()) for member in get_args(field.annotation)]
    for metadata in chain(field.metadata, *members):
        if isinstance(metadata, Rule):
            return metadata.text, []
    if get_origin(field.annotation) is Literal:
        choices = list(get_args(field.annotation))
        return one_of(choices), choices
    return "a table", []


def _unknown(place: _Place, tables: Tables, form: Form, others: list[str]) -> Fault:
    siblings = [info.alias or name for name, info in place.section.model_fields.items()]
    inside = place.path[:-1]
    if not inside:
        siblings[:0] = form.read_before
    path, value = place.path, tables.get(place.path)
    while isinstance(value, dict) and len(value) == 1:
        # `--set trian.epochs=2`: the whole key is what the user wrote.
        path, value = path + tuple(value), next(iter(value.values()))
    if inside and isinstance(inside[-1], int):
        table = f"[[{inside[0]}]]"
        hint = suggest(str(path[-1]), siblings)
    else:
        table = f"[{dotted(inside)}]" if inside else form.called
        known = [dotted((*inside, name)) for name in siblings]
        hint = suggest(dotted(path), [*known, *others])
    received = "" if isinstance(value, dict) else f"; received {literal(value)}"
    remedy = hint or f" {table} has {', '.join(siblings)}."
    return Fault(dotted(path), f"is not a setting{received}.{remedy}", tables.origin(path))
