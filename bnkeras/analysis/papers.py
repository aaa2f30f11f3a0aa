"""What the papers report of γ and of activations, beside which an analysis can be read."""

from collections.abc import Mapping
from typing import Any, NamedTuple

_SOURCE = "Frankle, Schwab, Morcos 2021, section 5"


class Reported(NamedTuple):
    """A figure of a paper.

    Args:
        figure: what it is of: `gamma_below_0.01`, `gamma_mean`, `gamma_std`, `mostly_zero`.
        network: the network, in words.
        value: as the paper prints it.
    """

    figure: str
    network: str
    value: str


# By network (name and arguments that tell it), then by regime.
_REPORTED: tuple[tuple[str, str, dict[str, Any], dict[str, dict[str, str]]], ...] = (
    (
        "ResNet-110",
        "resnet_cifar",
        {"depth": 110, "width": 1},
        {
            "bnonly": {"gamma_below_0.01": "27%", "gamma_mean": "0.20", "gamma_std": "0.48"},
            "all": {"gamma_below_0.01": "4%", "gamma_mean": "0.27", "gamma_std": "0.21"},
        },
    ),
    (
        "ResNet-101",
        "resnet_imagenet",
        {"depth": 101, "width": 1},
        {"bnonly": {"gamma_below_0.01": "33%"}, "all": {"gamma_below_0.01": "5%"}},
    ),
    (
        "ResNets for CIFAR-10",
        "resnet_cifar",
        {},
        {
            "bnonly": {"mostly_zero": "28 to 39%"},
            "all": {"mostly_zero": "at most 10%"},
        },
    ),
    (
        "ResNets for ImageNet",
        "resnet_imagenet",
        {},
        {
            "bnonly": {"mostly_zero": "28 to 39%"},
            "all": {"mostly_zero": "at most 2%"},
        },
    ),
    ("VGG", "vgg_cifar", {}, {"bnonly": {"gamma_below_0.01": "44 to 48%"}}),
)


def reported(
    network: str, arguments: Mapping[str, Any] | None, regime: str | None
) -> tuple[list[Reported], str]:
    """Return what the papers report of a network, or of ResNet-110 in its place, and a remark.

    Args:
        network: name of the network.
        arguments: those that it is built with; None where they are not known.
        regime: what trained.

    Example:
        >>> reported("resnet_cifar", {"depth": 110, "width": 1}, "bnonly")[0][0]
        Reported(figure='gamma_below_0.01', network='ResNet-110', value='27%')
    """
    trained = "all" if regime == "all" else "bnonly"
    found = [
        Reported(figure, title, value)
        for title, name, telling, by_regime in _REPORTED
        if name == network and _is_like(arguments, telling)
        for figure, value in by_regime.get(trained, {}).items()
    ]
    what = {"all": "all parameters trained", "bnonly": "γ and β alone trained"}[trained]
    if regime in ("all", "bnonly") and any(row.figure == "gamma_below_0.01" for row in found):
        return found, f"The paper's are of the same network, with {what} ({_SOURCE})."
    _, _, _, first = _REPORTED[0]
    others = [Reported(*row) for row in found if row.figure == "mostly_zero"]
    rows = [Reported(figure, "ResNet-110", value) for figure, value in first[trained].items()]
    return rows + others, (
        f"The paper reports no γ of this network; those beside it are of ResNet-110 on CIFAR-10, "
        f"with {what} ({_SOURCE})."
    )


def _is_like(arguments: Mapping[str, Any] | None, telling: Mapping[str, Any]) -> bool:
    # What an older export does not say is as by default.
    standing = {"norm": "batch", "width": 1, **(arguments or {})}
    return standing["norm"] == "batch" and all(
        standing.get(key) == value for key, value in telling.items()
    )
