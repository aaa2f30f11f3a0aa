"""The networks of the papers, and the parameter counts that the papers print."""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal, NamedTuple

from bnkeras.errors import ModelError, did_you_mean

Verdict = Literal["equal", "other rounding", "different"]


class PaperNetwork(NamedTuple):
    """A network of a paper.

    Args:
        name: as in the names of recipes.
        family: the title of the networks that it belongs to.
        source: the paper.
        network: the name for `bnkeras.build`.
        arguments: those for `bnkeras.build`.
        printed: what the paper prints, by the keys of `counts`; where it prints only the
            sum of two, they are joined by " + ".
    """

    name: str
    family: str
    source: str
    network: str
    arguments: dict[str, Any]
    printed: dict[str, str]


def _frankle(family: str, name: str, network: str, printed: str, **arguments: Any) -> PaperNetwork:
    """Return a row of the tables of Frankle et al.: total, BatchNorm, output, shortcut."""
    keys = ("total", "batchnorm", "output", "shortcut")
    columns = dict(zip(keys, printed.split(), strict=False))  # VGG has no shortcuts
    source = "Frankle, Schwab, Morcos 2021, arXiv 2003.00152"
    return PaperNetwork(name, family, source, network, arguments, columns)


def _torri(name: str, network: str, printed: dict[str, str], **arguments: Any) -> PaperNetwork:
    family = "Perceptron for CIFAR-10, LSTM for tweets"
    return PaperNetwork(name, family, "Torri 2022", network, arguments, printed)


_BY_DEPTH = {
    14: "175K 1.12K 650 2.56K",
    32: "467K 2.46K 650 2.56K",
    56: "856K 4.26K 650 2.56K",
    110: "1.73M 8.29K 650 2.56K",
    218: "3.48M 16.4K 650 2.56K",
    434: "6.98M 32.5K 650 2.56K",
    866: "14.0M 64.7K 650 2.56K",
}
_BY_WIDTH = {
    1: "175K 1.12K 650 2.56K",
    2: "696K 2.24K 1.29K 10.2K",
    4: "2.78M 4.48K 2.57K 41.0K",
    8: "11.1M 8.96K 5.13K 164K",
    16: "44.3M 17.9K 10.3K 655K",
    32: "177M 35.8K 20.5K 2.62M",
}
_IMAGENET = {
    18: "11.7M 9.6K 513K 172K",
    34: "21.8M 17.0K 513K 172K",
    50: "25.6M 53.1K 2.05M 2.77M",
    101: "44.6M 105K 2.05M 2.77M",
    200: "64.7M 176K 2.05M 2.77M",
}
_VGG = {
    11: "9.23M 5.5K 5.13K",
    13: "9.42M 5.89K 5.13K",
    16: "14.73M 8.45K 5.13K",
    19: "20.04M 11.01K 5.13K",
}

PAPER_NETWORKS = (
    *(
        _frankle(
            "ResNets for CIFAR-10, by depth", f"resnet{depth}", "resnet_cifar", printed, depth=depth
        )
        for depth, printed in _BY_DEPTH.items()
    ),
    *(
        _frankle(
            "ResNets for CIFAR-10, by width",
            f"wrn14x{width}",
            "resnet_cifar",
            printed,
            depth=14,
            width=width,
        )
        for width, printed in _BY_WIDTH.items()
    ),
    *(
        _frankle("ResNets for ImageNet", f"resnet{depth}", "resnet_imagenet", printed, depth=depth)
        for depth, printed in _IMAGENET.items()
    ),
    *(
        _frankle("VGG for CIFAR-10", f"vgg{depth}", "vgg_cifar", printed, depth=depth)
        for depth, printed in _VGG.items()
    ),
    _torri("mlp", "mlp", {"total": "3.8M", "batchnorm + output": "6.2K"}),
    # The vocabulary of 78,804 training tweets, for the paper doesn't state the size of its own.
    _torri("tweets_lstm", "tweet_lstm", {"batchnorm": "604"}, vocabulary_size=23_893),
)

# The total that the paper prints of its tweet LSTM, and the vocabulary sizes that give it.
TWEETS_TOTAL, TWEETS_VOCABULARY = "5.5M", range(26_644, 27_144)

# Where the paper prints another figure than the exact count rounded: the count, and why.
OTHER_ROUNDING = {
    ("wrn14x2", "total"): (696_618, "as if cut off after the third digit"),
    ("resnet101", "total"): (44_549_160, "as if rounded twice, by way of 44.55M"),
}


def find(name: str) -> PaperNetwork:
    """Return the network of that name, such as `resnet110`.

    Raises:
        ModelError: the papers have no network of that name.

    Example:
        >>> find("wrn14x2").arguments
        {'depth': 14, 'width': 2}
    """
    networks = {network.name: network for network in PAPER_NETWORKS}
    if name not in networks:
        raise ModelError(
            f"No network of the papers is called {name!r}: choose one of {', '.join(networks)}."
            f"{did_you_mean(name, networks)}"
        )
    return networks[name]


def verdicts(network: PaperNetwork, counted: Mapping[str, int]) -> dict[str, Verdict]:
    """Compare counts with what the paper prints of a network.

    Returns:
        By the keys of `network.printed`: `equal` after rounding to the digits that are
        printed; `other rounding` for the exact counts of `OTHER_ROUNDING`; `different`.

    Example:
        >>> verdicts(find("wrn14x2"), counts("resnet_cifar", depth=14, width=2))
        {'total': 'other rounding', 'batchnorm': 'equal', 'output': 'equal', 'shortcut': 'equal'}
    """
    found: dict[str, Verdict] = {}
    for key, printed in network.printed.items():
        count = value(counted, key)
        if _rounded(count, printed) == printed:
            found[key] = "equal"
        elif OTHER_ROUNDING.get((network.name, key), (None,))[0] == count:
            found[key] = "other rounding"
        else:
            found[key] = "different"
    return found


def value(counted: Mapping[str, int], key: str) -> int:
    """Return the count of a key of `PaperNetwork.printed`, which may be a sum."""
    return sum(counted[part] for part in key.split(" + "))


def _rounded(count: int, printed: str) -> str:
    """Write `count` with the unit and the decimals of `printed`."""
    digits = printed.rstrip("KM")
    letter = printed[len(digits) :]
    unit = {"": 1, "K": 1_000, "M": 1_000_000}[letter]
    return f"{(Decimal(count) / unit).quantize(Decimal(digits), ROUND_HALF_UP)}{letter}"
