"""Small CIFAR ResNets of a given number of parameters: the control in which everything trains.

Where γ and β alone train, a large network learns with few values. How well does a small
network learn that has only so many, and trains them all? Frankle et al. 2021 compare ResNets
of 1/8 to 1/2 of the width, which end 5 to 10 points higher.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from bnkeras.errors import ModelError
from bnkeras.models.sizes import counts

WIDTHS = (1 / 8, 3 / 16, 1 / 4, 5 / 16, 3 / 8, 7 / 16, 1 / 2)

# The depths are 6n + 2, and every 6 layers more have the same number of parameters.
_SHALLOWEST, _STEP = 8, 6


class SmallNetwork(NamedTuple):
    """A CIFAR ResNet near a budget of parameters.

    Args:
        depth: for `bnkeras.build("resnet_cifar", ...)`.
        width: likewise; a multiple of 1/16.
        total: its number of parameters.
        difference: how many more these are than the budget.
    """

    depth: int
    width: float
    total: int
    difference: int


def nearest(
    budget: int,
    count: int = 5,
    *,
    classes: int = 10,
    input_shape: Sequence[int | None] = (32, 32, 3),
) -> list[SmallNetwork]:
    """Return the CIFAR ResNets whose total number of parameters is nearest to `budget`.

    Args:
        budget: number of parameters, such as that of γ and β in a larger network.
        count: how many networks to return.
        classes: number of logits.
        input_shape: (height, width, channels) of an image.

    Returns:
        Networks of any depth and of the widths in `WIDTHS`, the nearest first; of two
        equally near the smaller one, then the shallower. All are larger than a budget
        below that of the `smallest`.

    Raises:
        ModelError: `budget` is no whole number above 0.

    Source: Frankle et al. 2021, the comparison with small networks.

    Example:
        >>> nearest(8288, count=1)  # as many as γ and β of ResNet-110
        [SmallNetwork(depth=8, width=0.3125, total=8005, difference=-283)]
    """
    _check(budget)
    settings = {"classes": classes, "input_shape": input_shape}
    found = [one for width in WIDTHS for one in _of_width(width, budget, count, settings)]
    return sorted(found, key=_rank)[:count]


def nearest_by_width(
    budget: int,
    *,
    classes: int = 10,
    input_shape: Sequence[int | None] = (32, 32, 3),
) -> list[SmallNetwork]:
    """Return, for each width, the network that is nearest to `budget`; the nearest first.

    Narrow ones are deep and wide ones shallow, so they also compare depth with width. A
    width that has no network so small is there with its smallest. Arguments and errors
    are those of `nearest`.

    Example:
        >>> [(one.depth, one.width) for one in nearest_by_width(8288)[:3]]
        [(8, 0.3125), (32, 0.125), (20, 0.1875)]
    """
    _check(budget)
    settings = {"classes": classes, "input_shape": input_shape}
    return sorted((_of_width(width, budget, 1, settings)[0] for width in WIDTHS), key=_rank)


def smallest(
    *, classes: int = 10, input_shape: Sequence[int | None] = (32, 32, 3)
) -> tuple[int, float, int]:
    """Return depth, width and total number of parameters of the smallest of these networks.

    Example:
        >>> smallest()
        (8, 0.125, 1420)
    """
    depth, width = _SHALLOWEST, WIDTHS[0]
    settings = {"classes": classes, "input_shape": input_shape}
    return depth, width, _total(depth, width, settings)


def _of_width(
    width: float, budget: int, count: int, settings: dict[str, Any]
) -> list[SmallNetwork]:
    """Return the `count` networks of one width that are nearest to `budget`."""
    first = _total(_SHALLOWEST, width, settings)
    growth = _total(_SHALLOWEST + _STEP, width, settings) - first
    below = max(0, (budget - first) // growth)
    found = []
    for index in range(max(0, below - count + 1), below + count + 1):
        total = first + index * growth
        found.append(SmallNetwork(_SHALLOWEST + index * _STEP, width, total, total - budget))
    return sorted(found, key=_rank)[:count]


def _rank(network: SmallNetwork) -> tuple[int, int, int]:
    return abs(network.difference), network.total, network.depth


def _total(depth: int, width: float, settings: dict[str, Any]) -> int:
    return counts("resnet_cifar", depth=depth, width=width, **settings)["total"]


def _check(budget: int) -> None:
    if not isinstance(budget, int) or isinstance(budget, bool) or budget < 1:
        raise ModelError(f"A budget is a whole number of parameters above 0; received {budget!r}.")
