"""The types of settings: each carries its rule in words, for the error messages."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainSerializer, Strict, WrapValidator

from bnkeras.models.resnet_sizes import blocks_per_group, imagenet_blocks, stem_channels
from bnkeras.models.vgg_sizes import vgg_plan
from bnkeras.pipelines import DATASETS, get_spec
from bnkeras.regimes import REGIMES, check_regime

# The dataset of a recipe whose data a program hands to `bnkeras.training.run`.
GIVEN = "given"


@dataclass(frozen=True)
class Rule:
    """What a value must be, in words that go on after "must be"."""

    text: str


def one_of(choices: Iterable[str]) -> str:
    """Return the rule for a value that is one of `choices`."""
    return "one of " + ", ".join(f'"{choice}"' for choice in choices)


def _check_law(text: str) -> None:
    from bnkeras.seeding.laws import parse

    parse(text)


def _check_dataset(name: str) -> None:
    if name != GIVEN:
        get_spec(name)


def _ascending(values: tuple[float, float]) -> tuple[float, float]:
    if values[0] > values[1]:
        raise AssertionError
    return values


def _checked(check: Callable[[Any], object]) -> AfterValidator:
    """Return a validator that keeps a value which `check` lets pass."""

    def validate(value: Any) -> Any:
        # Our errors are ValueErrors, which pydantic collects.
        check(value)
        return value

    return AfterValidator(validate)


def _width(base: int) -> WrapValidator:
    """Return the validator of the width of a network whose stem has `base` channels."""

    def validate(value: Any, handler: Callable[[Any], float]) -> float:
        handler(value)
        stem_channels(value, base)
        # 1 stays 1: the network of width 1 is not another one than that of width 1.0.
        return value

    return WrapValidator(validate)


def _increasing(values: tuple[int, ...]) -> tuple[int, ...]:
    if any(later <= earlier for earlier, later in pairwise(values)):
        raise AssertionError
    return values


Text = Annotated[str, Field(min_length=1), Rule("text that is not empty")]
Texts = Annotated[tuple[Text, ...], Strict(False), Rule("a list of texts")]
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
CifarDepth = Annotated[int, _checked(blocks_per_group), Rule("an integer 6n + 2 with n ≥ 1")]
ImagenetDepth = Annotated[int, _checked(imagenet_blocks), Rule("18, 34, 50, 101 or 200")]
VggDepth = Annotated[int, _checked(vgg_plan), Rule("11, 13, 16 or 19")]
Regime = Annotated[
    str, AfterValidator(check_regime), Rule(f'{one_of(REGIMES)}, or random<k> such as "random2"')
]
Dataset = Annotated[
    str,
    _checked(_check_dataset),
    Rule(f'{one_of(DATASETS)}, "folder/NAME", "tfds/NAME" or "{GIVEN}"'),
]
_AS_WRITTEN = PlainSerializer(lambda value: value)
_A_WIDTH = Rule("a number > 0")
CifarWidth = Annotated[float, Field(gt=0), _width(16), _AS_WRITTEN, _A_WIDTH]
Width = Annotated[float, Field(gt=0), _width(64), _AS_WRITTEN, _A_WIDTH]
Law = Annotated[str, _checked(_check_law), Rule("an initialisation law in quotes")]
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
CropScale = Annotated[
    tuple[Factor, Factor],
    Strict(False),
    AfterValidator(_ascending),
    Rule("a list of two numbers > 0 and ≤ 1, the smaller first"),
]
CropAspect = Annotated[
    tuple[Positive, Positive],
    Strict(False),
    AfterValidator(_ascending),
    Rule("a list of two numbers > 0, the smaller first"),
]
Milestones = Annotated[
    tuple[Count, ...],
    Strict(False),
    AfterValidator(_increasing),
    Rule("a list of epochs ≥ 1, each greater than the one before"),
]
