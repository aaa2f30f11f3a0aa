"""The order of regimes by accuracy: that of the runs, and what the papers say of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bnkeras.studies.arrangement import model_title
from bnkeras.studies.measures import Measures
from bnkeras.studies.outcomes import Group, Summary


class Statement(NamedTuple):
    """That one regime is more accurate than another.

    Args:
        networks: names of builders.
        higher: the regime with the higher accuracy.
        lower: the other.
        by: what the paper says of the difference.
    """

    networks: tuple[str, ...]
    higher: str
    lower: str
    by: str


_CIFAR, _IMAGENET = ("resnet_cifar",), ("resnet_imagenet",)
_FIGURE_2 = "Frankle et al. 2021, Figure 2"
_FIGURE_12 = "Frankle et al. 2021, Figure 12"
_VGG = "Frankle et al. 2021, Figure 8"

# Only pairs of which the papers give numbers or that their figures keep apart everywhere.
STATEMENTS = (
    Statement((*_CIFAR, *_IMAGENET), "all", "bnoutput", _FIGURE_2),
    Statement(_CIFAR, "bnoutput", "bnonly", _FIGURE_2),
    Statement(_IMAGENET, "bnoutput", "bnonly", f"about 25 points of top-5 ({_FIGURE_2})"),
    Statement(_CIFAR, "bnonly", "random2", f"17 to 21 points ({_FIGURE_2})"),
    Statement(_IMAGENET, "bnonly", "random2", f"17 to 32 against under 4, top-5 ({_FIGURE_2})"),
    Statement(_IMAGENET, "bnonly", "output", f"32 against 2.7, ResNet-200 top-5 ({_FIGURE_2})"),
    Statement(_CIFAR, "bnshortcutoutput", "bnonly", f"63 against 48, ResNet-14 ({_FIGURE_12})"),
    Statement(
        (*_CIFAR, *_IMAGENET),
        "bnshortcutoutput",
        "shortcutoutput",
        f"63 against 49, ResNet-14; 72 against 35, ResNet-101 top-5 ({_FIGURE_12})",
    ),
    Statement(("vgg_cifar",), "all", "bnonly", f"92 to 93 against 57 to 61 ({_VGG})"),
    Statement(("vgg_cifar",), "bnonly", "output", f"57 and 61 against 41 and 27 ({_VGG})"),
    Statement(("mlp",), "all", "bnoutput", "54 against about 45 (Torri 2022)"),
    Statement(("tweet_lstm",), "all", "bnonly", "78 against 67, with GloVe 74 (Torri 2022)"),
)


@dataclass(frozen=True)
class Compared:
    """A statement of a paper, and what the runs have of it.

    Attributes:
        statement: what the paper says.
        place: network and variant, in words.
        higher: what the runs reach with the regime that the paper has higher.
        lower: and with the other.
        names: the two in words.
    """

    statement: Statement
    place: str
    higher: Summary
    lower: Summary
    names: tuple[str, str]

    @property
    def difference(self) -> float:
        """By how many points the first is above the second in the runs."""
        return self.higher.mean - self.lower.mean

    @property
    def agrees(self) -> bool:
        """Whether the order of the means is that of the paper."""
        return self.difference > 0


def ranking(groups: Sequence[Group], measures: Measures) -> dict[str, list[tuple[str, Summary]]]:
    """Return what trains by mean accuracy, the highest first, for each network and variant.

    Only those of which two or more have finished runs.
    """
    found: dict[str, list[tuple[str, Summary]]] = {}
    for group in groups:
        summary = measures.summary(group, "accuracy")
        if summary is not None:
            found.setdefault(_place(group), []).append((group.member.series, summary))
    return {
        place: sorted(reached, key=lambda pair: -pair[1].mean)
        for place, reached in found.items()
        if len(reached) > 1
    }


def compared(groups: Sequence[Group], measures: Measures) -> list[Compared]:
    """Return the statements of the papers that the finished runs speak of."""
    by_place: dict[str, dict[str, Group]] = {}
    for group in groups:
        if group.finished:
            by_place.setdefault(_place(group), {}).setdefault(group.member.regime, group)
    found = []
    for statement in STATEMENTS:
        for place, regimes in by_place.items():
            pair = regimes.get(statement.higher), regimes.get(statement.lower)
            if None in pair or pair[0].member.recipe.model.network not in statement.networks:
                continue
            higher, lower = (measures.summary(group, "accuracy") for group in pair)
            names = pair[0].member.series, pair[1].member.series
            found.append(Compared(statement, place, higher, lower, names))
    return found


def _place(group: Group) -> str:
    member = group.member
    variant = f", {member.variant}" if member.variant else ""
    return f"{model_title(member.model, member.regime)}{variant}"
