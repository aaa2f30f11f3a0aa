"""Everything that is wrong with a study: with its tables, its recipes and its figures."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, TypeVar

from pydantic import ValidationError

from bnkeras import recipe as recipes
from bnkeras.errors import RecipeError, RegimeError, did_you_mean
from bnkeras.regimes import check_regime
from bnkeras.settings.checking import Form, dotted, translate
from bnkeras.settings.faults import Fault
from bnkeras.settings.section import Section
from bnkeras.settings.tables import Tables
from bnkeras.settings.toml import literal
from bnkeras.settings.types import one_of
from bnkeras.studies.definition import Document, Figure, Grid, PaperValue, Variant
from bnkeras.studies.grid import Member, members

_FORM = Form(Document, "A study")

Table = TypeVar("Table", bound=Section)
Numbered = list[tuple[int, Table]]


def check(values: Mapping[str, Any]) -> tuple[Document | None, list[Fault]]:
    """Return the study that the tables `values` describe, or None and all their faults."""
    tables = Tables()
    tables.merge(values, "")
    faults: dict[tuple[str, str], Fault] = {}
    document = None
    try:
        document = Document.model_validate(tables.values)
    except ValidationError as error:
        found = translate(error, tables, _FORM)
        faults = {(fault.key, fault.sentence): fault for fault in found}
    # Each table by itself, so that a fault in one does not hide those of another.
    parts = _Parts(tables)
    for fault in [*parts.of_grids(), *parts.of_variants(), *parts.of_papers()]:
        faults.setdefault((fault.key, fault.sentence), fault)
    runs = [] if document is None or faults else members(document, replicates=1)
    for fault in parts.of_figures(runs):
        faults.setdefault((fault.key, fault.sentence), fault)
    return (None if faults else document), list(faults.values())


class _Parts:
    """The tables of a study that are valid by themselves, with their numbers in the file."""

    def __init__(self, tables: Tables) -> None:
        self.set = _texts(tables.get(("set",)))
        self.grids = _valid(tables, "grid", Grid)
        self.variants = _valid(tables, "variant", Variant)
        self.figures = _valid(tables, "figure", Figure)
        self.papers = _valid(tables, "paper", PaperValue)
        # What nobody can be told to choose from is not checked against.
        self.complete = all(
            isinstance(tables.get((name,), []), list) and len(valid) == len(tables.get((name,), []))
            for name, valid in (("grid", self.grids), ("variant", self.variants))
        )

    def of_grids(self) -> Iterator[Fault]:
        """Yield the recipes that do not exist, and what cannot be set in those that do."""
        for number, grid in self.grids:
            yield from _unknown(
                ("grid", number, "models"), grid.models, recipes.models(), "a model of the recipes"
            )
            for regime in grid.regimes:
                try:
                    check_regime(regime)
                except RegimeError as error:
                    yield Fault(dotted(("grid", number, "regimes")), str(error))
            for model, regime in product(grid.models, grid.regimes):
                if model in recipes.models() and _is_regime(regime):
                    yield from self._of_recipe(number, grid, f"{model}_{regime}")

    def _of_recipe(self, number: int, grid: Grid, name: str) -> Iterator[Fault]:
        variants: Numbered[Variant] = self.variants or [(0, Variant(name="-"))]
        for index, variant in variants:
            places = {
                f"--set {text}": path
                for path, texts in (
                    (("set",), self.set),
                    (("grid", number, "set"), grid.set),
                    (("variant", index, "set"), variant.set),
                )
                for text in texts
            }
            changes = (*self.set, *grid.set, *variant.set)
            try:
                found = recipes.faults_of(name, changes)
            except RecipeError as error:  # the model does not have the regime
                yield Fault(dotted(("grid", number, "regimes")), str(error))
                return
            for fault in found:
                if fault.key in places:  # not even KEY=VALUE
                    received = literal(fault.key.removeprefix("--set "))
                    sentence = f"{fault.sentence}; received {received}"
                    yield Fault(dotted(places[fault.key]), sentence)
                    continue
                place = places.get(fault.origin or "", ("grid", number))
                yield Fault(dotted(place), f"{fault.key}: {fault.sentence}", f"recipe {name}")

    def of_variants(self) -> Iterator[Fault]:
        """Yield the names that two variants have."""
        known: dict[str, int] = {}
        for number, variant in self.variants:
            if variant.name in known:
                yield Fault(
                    dotted(("variant", number, "name")),
                    f"must differ from that of variant {known[variant.name] + 1}; received "
                    f"{literal(variant.name)}",
                )
            known.setdefault(variant.name, number)

    def of_papers(self) -> Iterator[Fault]:
        """Yield the values of members that the study does not have."""
        if not self.complete:
            return
        variants = [variant.name for _, variant in self.variants]
        for number, value in self.papers:
            at = ("paper", number)
            unknown = [
                *_unknown((*at, "model"), [value.model], self._models(), "a model of the study"),
                *_unknown(
                    (*at, "regime"), [value.regime], self._regimes(), "a regime of the study"
                ),
            ]
            yield from unknown
            together = any(
                value.model in grid.models and value.regime in grid.regimes
                for _, grid in self.grids
            )
            if not unknown and not together:
                yield Fault(
                    dotted((*at, "regime")),
                    f"must be one that the study has with the model {literal(value.model)}; "
                    f"received {literal(value.regime)}",
                )
            if value.variant is None and variants:
                yield Fault(dotted((*at, "variant")), f"is missing; it must be {one_of(variants)}")
            elif value.variant is not None:
                yield from self._of_variant((*at, "variant"), value.variant)
            if value.upto is not None and value.upto <= value.value:
                yield Fault(
                    dotted((*at, "upto")),
                    f"must be above value = {literal(value.value)}; received {literal(value.upto)}",
                )

    def _of_variant(self, path: tuple[str | int, ...], variant: str) -> Iterator[Fault]:
        variants = [known.name for _, known in self.variants]
        if not variants:
            yield Fault(
                dotted(path), f"must be unset in a study without any; received {literal(variant)}"
            )
        yield from _unknown(path, [variant] if variants else [], variants, "a variant of the study")

    def of_figures(self, runs: Sequence[Member]) -> Iterator[Fault]:
        """Yield what nothing could be drawn of; `runs` are the members, none if in doubt."""
        if not self.complete:
            return
        series = dict.fromkeys(member.series for member in runs)
        for number, figure in self.figures:
            at = ("figure", number)
            unknown = list(
                _unknown((*at, "models"), figure.models, self._models(), "a model of the study")
            )
            if runs:
                unknown += _unknown((*at, "series"), figure.series, series, "a series of the study")
            yield from unknown
            for key in ("x", "lines"):
                if getattr(figure, key) == "variant" and not self.variants:
                    yield Fault(
                        dotted((*at, key)),
                        'must be something else in a study without variants; received "variant"',
                    )
            if figure.kind == "slopes" and figure.x != "parameters":
                yield Fault(
                    dotted((*at, "x")),
                    f'must be "parameters" where kind is "slopes"; received {literal(figure.x)}',
                )
            if unknown or figure.x == "variant" or not runs:
                continue
            drawn = drawn_of(figure, runs)
            if not drawn:
                yield Fault(
                    dotted((*at, "models")),
                    f"must have one of its series; received {literal(figure.models)} with "
                    f"{literal(figure.series)}",
                )
            elif all(member.at(figure.x) is None for member in drawn):
                yield Fault(
                    dotted((*at, "x")),
                    f"must be what some of its members have; received {literal(figure.x)}, which "
                    f"none of {', '.join(dict.fromkeys(one.recipe.name for one in drawn))} has",
                )

    def _models(self) -> list[str]:
        return list(dict.fromkeys(model for _, grid in self.grids for model in grid.models))

    def _regimes(self) -> list[str]:
        return list(dict.fromkeys(regime for _, grid in self.grids for regime in grid.regimes))


def drawn_of(figure: Figure, runs: Iterable[Member]) -> list[Member]:
    """Return those of `runs` that a figure draws."""
    return [
        member
        for member in runs
        if (not figure.models or member.model in figure.models)
        and (not figure.series or member.series in figure.series)
    ]


def _valid(tables: Tables, name: str, section: type[Table]) -> Numbered[Table]:
    found = []
    listed = tables.get((name,))
    for number, values in enumerate(listed if isinstance(listed, list) else []):
        try:
            found.append((number, section.model_validate(values)))
        except ValidationError:
            continue  # `translate` has it
    return found


def _texts(value: Any) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else []
    return tuple(text for text in listed if isinstance(text, str) and text)


def _is_regime(name: str) -> bool:
    try:
        check_regime(name)
    except RegimeError:
        return False
    return True


def _unknown(
    path: tuple[str | int, ...], wanted: Iterable[str], known: Iterable[str], what: str
) -> Iterator[Fault]:
    known = list(known)
    for one in wanted:
        if one not in known:
            hint = did_you_mean(one, known) or f" There are {', '.join(known)}."
            yield Fault(dotted(path), f"must be {what}; received {literal(one)}.{hint}")
