"""The types of settings: each carries its rule in words, for the error messages."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    Strict,
    WrapValidator,
)
from pydantic_core import CoreSchema, core_schema

from bnkeras.models.resnet_sizes import blocks_per_group, stem_channels


@dataclass(frozen=True)
class Rule:
    """What a value must be, in words that go on after "must be"."""

    text: str


@dataclass(frozen=True)
class OneOf:
    """A text out of `choices`, which are looked up when a value is validated."""

    choices: Callable[[], Iterable[str]]

    @property
    def text(self) -> str:
        """Return the rule in words."""
        return one_of(self.choices())

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validate by the rule; its words are put together from the field's metadata."""

        def check(value: str) -> str:
            if value not in self.choices():
                raise AssertionError
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))


def one_of(choices: Iterable[str]) -> str:
    """Return the rule for a value that is one of `choices`."""
    return "one of " + ", ".join(f'"{choice}"' for choice in choices)


def _check_law(text: str) -> str:
    from bnkeras.seeding.laws import parse

    # The recipe keeps the text. Our errors are ValueErrors, which pydantic collects.
    parse(text)
    return text


def _check_depth(depth: int) -> int:
    blocks_per_group(depth)
    return depth


def _check_width(value: Any, handler: Callable[[Any], float]) -> float:
    handler(value)
    stem_channels(value)
    # 1 stays 1: the network of width 1 is not another one than that of width 1.0.
    return value


def _increasing(values: tuple[int, ...]) -> tuple[int, ...]:
    if any(later <= earlier for earlier, later in pairwise(values)):
        raise AssertionError
    return values


Text = Annotated[str, Field(min_length=1), Rule("text that is not empty")]
Flag = Annotated[bool, Rule("true or false")]
Count = Annotated[int, Field(ge=1), Rule("an integer ≥ 1")]
Amount = Annotated[int, Field(ge=0), Rule("an integer ≥ 0")]
Percent = Annotated[int, Field(ge=0, le=50), Rule("an integer, 0 to 50")]
Seed = Annotated[int, Field(ge=0, lt=2**64), Rule("an integer, 0 to 2^64 − 1")]
Positive = Annotated[float, Field(gt=0), Rule("a number > 0")]
NotNegative = Annotated[float, Field(ge=0), Rule("a number ≥ 0")]
Fraction = Annotated[float, Field(ge=0, lt=1), Rule("a number ≥ 0 and < 1")]
Factor = Annotated[float, Field(gt=0, le=1), Rule("a number > 0 and ≤ 1")]
Accuracy = Annotated[float, Field(ge=0, le=100), Rule("a percentage, 0 to 100")]
Depth = Annotated[int, AfterValidator(_check_depth), Rule("an integer 6n + 2 with n ≥ 1")]
Width = Annotated[
    float,
    Field(gt=0),
    WrapValidator(_check_width),
    PlainSerializer(lambda value: value),
    Rule("a number > 0"),
]
Law = Annotated[str, AfterValidator(_check_law), Rule("an initialisation law in quotes")]
# TOML has lists; tuples are what is hashable and can't change.
Units = Annotated[
    tuple[Count, ...],
    Strict(False),
    Field(min_length=1),
    Rule("a list of one or more integers ≥ 1"),
]
Shape = Annotated[
    tuple[Count, Count, Count],
    Strict(False),
    Rule("a list [height, width, channels] of integers ≥ 1"),
]
Milestones = Annotated[
    tuple[Count, ...],
    Strict(False),
    AfterValidator(_increasing),
    Rule("a list of epochs ≥ 1, each greater than the one before"),
]
