"""The types of settings: each carries its rule in words, for the error messages."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, Strict


@dataclass(frozen=True)
class Rule:
    """What a value must be, in words that go on after "must be"."""

    text: str


def one_of(choices: Iterable[str]) -> str:
    """Return the rule for a value that is one of `choices`."""
    return "one of " + ", ".join(f'"{choice}"' for choice in choices)


def checked(check: Callable[[Any], object]) -> AfterValidator:
    """Return a validator that keeps a value which `check` lets pass."""

    def validate(value: Any) -> Any:
        # Our errors are ValueErrors, which pydantic collects.
        check(value)
        return value

    return AfterValidator(validate)


Text = Annotated[str, Field(min_length=1), Rule("text that is not empty")]
Texts = Annotated[tuple[Text, ...], Strict(False), Rule("a list of texts")]
Some = Annotated[
    tuple[Text, ...], Strict(False), Field(min_length=1), Rule("a list of one or more texts")
]
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
