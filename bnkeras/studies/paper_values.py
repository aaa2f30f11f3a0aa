"""What a paper has of the members of a study: always at full length, and with its own settings."""

from dataclasses import dataclass
from functools import cache

from bnkeras.errors import RecipeError
from bnkeras.recipe import load
from bnkeras.studies.definition import Measure, PaperValue, Study
from bnkeras.studies.grid import Member


@dataclass(frozen=True)
class Published:
    """A value as a paper gives it.

    Attributes:
        value: in %.
        upto: where the paper gives a range: its upper end.
        spread: standard deviation, in %; None where the paper gives none.
        source: where it stands.
    """

    value: float
    upto: float | None
    spread: float | None
    source: str

    def __str__(self) -> str:
        """Return it as tables show it: `48`, `84 ± 0.5`, `28 to 39`."""
        value = f"{self.value:g}" if self.upto is None else f"{self.value:g} to {self.upto:g}"
        return value + ("" if self.spread is None else f" ± {self.spread:g}")


def published(study: Study, member: Member, measure: Measure = "accuracy") -> Published | None:
    """Return the paper's value of `member`, or None where it gives none.

    What the study says comes first. Else it is what the shipped recipe expects, if the
    recipe has that from a paper and the member differs from it in budget and seed only.
    """
    for entry in study.paper:
        if entry.measure == measure and _is_of(entry, member):
            return Published(entry.value, entry.upto, entry.spread, entry.source)
    if not member.as_shipped or measure not in ("accuracy", "top5"):
        return None
    expected = _expected(f"{member.model}_{member.regime}")
    if expected is None or not expected.source.startswith("paper"):
        return None
    if expected.top5 != (measure == "top5"):
        return None
    source = expected.source.removeprefix("paper").lstrip(": ")
    return Published(expected.accuracy, None, expected.spread, source or "the paper")


def _is_of(entry: PaperValue, member: Member) -> bool:
    names = entry.model, entry.regime, entry.variant
    return names == (member.model, member.regime, member.variant)


@cache
def _expected(name: str):
    try:
        return load(name).expected
    except RecipeError:
        return None
