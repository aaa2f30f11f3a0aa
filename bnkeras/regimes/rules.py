"""Rule tables: which variables train, the first rule that matches deciding."""

import difflib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from bnkeras.errors import RegimeError, did_you_mean
from bnkeras.regimes.names import FREEZE, REST, TRAIN, Rules, regimes_for

if TYPE_CHECKING:
    import keras

    from bnkeras.models.variables import GroupedVariable

_EXAMPLE = '[("batchnorm", "train"), ("head/*", "train"), ("*", "freeze")]'
_GROUPS = ("batchnorm", "output", "shortcut", "features")

# Variables in their order, and whether each trains.
Selection = list[tuple["keras.Variable", bool]]


def read_rules(table: Mapping[str, str] | Sequence[tuple[str, str]]) -> Rules:
    """Return a rule table of the user's as pairs.

    Raises:
        RegimeError: it is no table; the message names the rule.
    """
    is_sequence = isinstance(table, Sequence) and not isinstance(table, str | bytes)
    rules = list(table.items()) if isinstance(table, Mapping) else table
    if not isinstance(table, Mapping) and not is_sequence:
        raise RegimeError(
            f"A regime is a name, or a table of rules such as {_EXAMPLE}; received {table!r}."
        )
    for rule in rules:
        if not (isinstance(rule, tuple | list) and [type(part) for part in rule] == [str, str]):
            raise RegimeError(
                f"A rule is a pattern and what is done with the variables that it matches, such as "
                f"{_EXAMPLE}; received {rule!r}."
            )
        if rule[1] not in (TRAIN, FREEZE):
            raise RegimeError(
                f"The variables that a rule matches either {TRAIN!r} or {FREEZE!r}; received "
                f"{tuple(rule)!r}.{did_you_mean(rule[1], (TRAIN, FREEZE))}"
            )
    return tuple((pattern, action) for pattern, action in rules)


def select_by_name(model: "keras.Model", name: str, rules: Rules) -> Selection:
    """Return what trains in `model` by the rules of the regime `name`.

    Raises:
        RegimeError: a rule other than that for the rest matches nothing.
    """
    entries = _entries(model)
    selection, _, idle = _apply(rules, entries)
    missing = {rules[index][0] for index in idle} - {REST}
    if missing:
        fitting = regimes_for({entry.group for entry in entries})
        why = ": it has no norm layer with γ or β" if "batchnorm" in missing else ""
        raise RegimeError(
            f"The regime {name!r} has a rule for {', '.join(sorted(missing))} variables, and "
            f"{model.name!r} has none{why}. Choose a regime without it: {', '.join(fitting)}."
        )
    return selection


def select_by_table(model: "keras.Model", rules: Rules) -> Selection:
    """Return what trains in `model` by the user's `rules`.

    Raises:
        RegimeError: a variable that no rule matches, or a rule that decides on no variable.
    """
    entries = _entries(model)
    selection, uncovered, idle = _apply(rules, entries)
    if uncovered:
        more = f" and {len(uncovered) - 1} more" if len(uncovered) > 1 else ""
        raise RegimeError(
            f"Every variable falls under the first rule that matches it, and no rule matches "
            f"{uncovered[0].path!r}{more} of {model.name!r}. End the table with a rule for the "
            f"rest, ({REST!r}, {FREEZE!r}) or ({REST!r}, {TRAIN!r})."
        )
    if idle:
        reason = _why_idle(rules[idle[0]], rules[: idle[0]], entries, model)
        raise RegimeError(f"{reason} Mend or remove the rule.")
    return selection


def _entries(model: "keras.Model") -> list["GroupedVariable"]:
    """Return the variables that a regime decides on."""
    from bnkeras.models.variables import Group, grouped_variables

    entries = [
        entry
        for entry in grouped_variables(model)
        if entry.group not in (Group.STATISTICS, Group.RANDOM)
    ]
    if not entries:
        raise RegimeError(
            f"A regime selects among the variables of a built model, and {model.name!r} has none "
            f"yet. Call it on a batch, or model.build, first."
        )
    return entries


def _apply(
    rules: Rules, entries: list["GroupedVariable"]
) -> tuple[Selection, list["GroupedVariable"], list[int]]:
    """Return the selection, the variables that no rule matches, and the rules that are idle."""
    selection, uncovered, deciding = [], [], set()
    for entry in entries:
        index = next((i for i, rule in enumerate(rules) if _matches(rule[0], entry)), None)
        if index is None:
            uncovered.append(entry)
        else:
            deciding.add(index)
            selection.append((entry.variable, rules[index][1] == TRAIN))
    return selection, uncovered, [i for i in range(len(rules)) if i not in deciding]


def _matches(pattern: str, entry: "GroupedVariable") -> bool:
    return entry.group == pattern if pattern in _GROUPS else fnmatchcase(entry.path, pattern)


def _why_idle(
    rule: tuple[str, str], earlier: Rules, entries: list["GroupedVariable"], model: "keras.Model"
) -> str:
    """Return why `rule` decides on no variable."""
    matched = [entry for entry in entries if _matches(rule[0], entry)]
    if matched:
        first = next(other for other in earlier if _matches(other[0], matched[0]))
        return (
            f"The rule {rule!r} decides on no variable of {model.name!r}: what it matches falls "
            f"under an earlier rule, {matched[0].path!r} under {first!r}."
        )
    choices = [*_GROUPS, *(entry.path for entry in entries)]
    nearest = difflib.get_close_matches(rule[0], choices, n=3, cutoff=0.3)
    hint = f" The nearest are {', '.join(map(repr, nearest))}." if nearest else ""
    return (
        f"The rule {rule!r} matches no variable of {model.name!r}; moving statistics and random "
        f"states are under no rule.{hint}"
    )
