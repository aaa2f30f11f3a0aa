"""The types of settings that only recipes have, and the general ones."""

from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainSerializer, Strict, WrapValidator

from bnkeras.models.resnet_sizes import blocks_per_group, imagenet_blocks, stem_channels
from bnkeras.models.vgg_sizes import vgg_plan
from bnkeras.pipelines import DATASETS, get_spec
from bnkeras.regimes import REGIMES, check_regime
from bnkeras.settings.types import (
    Accuracy,
    Amount,
    Count,
    Factor,
    Flag,
    Fraction,
    NotNegative,
    Percent,
    Positive,
    Rule,
    Seed,
    Text,
    Texts,
    checked,
    one_of,
)

__all__ = [
    "Accuracy",
    "Amount",
    "CifarDepth",
    "CifarWidth",
    "Count",
    "CropAspect",
    "CropScale",
    "Dataset",
    "Factor",
    "Flag",
    "Fraction",
    "ImagenetDepth",
    "Law",
    "Milestones",
    "NotNegative",
    "Percent",
    "Positive",
    "Regime",
    "Seed",
    "Shape",
    "Text",
    "Texts",
    "Units",
    "VggDepth",
    "Width",
]

# The dataset of a recipe whose data a program hands to `bnkeras.training.run`.
GIVEN = "given"


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


CifarDepth = Annotated[int, checked(blocks_per_group), Rule("an integer 6n + 2 with n ≥ 1")]
ImagenetDepth = Annotated[int, checked(imagenet_blocks), Rule("18, 34, 50, 101 or 200")]
VggDepth = Annotated[int, checked(vgg_plan), Rule("11, 13, 16 or 19")]
Regime = Annotated[
    str, AfterValidator(check_regime), Rule(f'{one_of(REGIMES)}, or random<k> such as "random2"')
]
Dataset = Annotated[
    str,
    checked(_check_dataset),
    Rule(f'{one_of(DATASETS)}, "folder/NAME", "tfds/NAME" or "{GIVEN}"'),
]
_AS_WRITTEN = PlainSerializer(lambda value: value)
_A_WIDTH = Rule("a number > 0")
CifarWidth = Annotated[float, Field(gt=0), _width(16), _AS_WRITTEN, _A_WIDTH]
Width = Annotated[float, Field(gt=0), _width(64), _AS_WRITTEN, _A_WIDTH]
Law = Annotated[str, checked(_check_law), Rule("an initialisation law in quotes")]
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
