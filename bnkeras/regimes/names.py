"""The regimes by name: fixed rule tables, and the family of random-k baselines."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from bnkeras.errors import RegimeError, did_you_mean

TRAIN, FREEZE = "train", "freeze"
REST = "*"

Rules = tuple[tuple[str, str], ...]

# First match wins, and the last rule takes the rest, so every variable falls under
# exactly one rule. Statistics are under none: no gradient reaches them.
REGIMES: dict[str, Rules] = {
    "all": ((REST, TRAIN),),
    "bnonly": (("batchnorm", TRAIN), (REST, FREEZE)),
    "bnoutput": (("batchnorm", TRAIN), ("output", TRAIN), (REST, FREEZE)),
    "output": (("output", TRAIN), (REST, FREEZE)),
    "bnshortcutoutput": (
        ("batchnorm", TRAIN),
        ("shortcut", TRAIN),
        ("output", TRAIN),
        (REST, FREEZE),
    ),
    "shortcutoutput": (("shortcut", TRAIN), ("output", TRAIN), (REST, FREEZE)),
    "frozenbn": (("batchnorm", FREEZE), (REST, TRAIN)),
}

_RANDOM = re.compile(r"random([1-9][0-9]{0,8})(spread)?(output)?")


@dataclass(frozen=True)
class RandomRegime:
    """The baseline of random-k: `k` values of each unit's kernel train in place of γ and β.

    Args:
        k: values per convolution output channel or unit, above 0.
        spread: whether the same number is chosen over the whole layer instead.
        output: whether the output layer trains as well.
    """

    k: int
    spread: bool = False
    output: bool = False

    def __str__(self) -> str:
        """Return the name of the regime, such as `random2spreadoutput`."""
        return f"random{self.k}{'spread' * self.spread}{'output' * self.output}"

    @property
    def rules(self) -> Rules:
        """What trains besides the chosen values."""
        return ((("output", TRAIN),) if self.output else ()) + ((REST, FREEZE),)


def check_regime(name: str) -> str:
    """Return `name` if a regime has that name.

    Raises:
        RegimeError: none has; the message lists the choices.

    Example:
        >>> check_regime("random2spread")
        'random2spread'
    """
    if random_regime(name) is None and (not isinstance(name, str) or name not in REGIMES):
        digits = re.search(r"[1-9][0-9]*", str(name))
        k = digits[0] if digits else 2
        variants = [f"random{k}{variant}" for variant in ("", "spread", "output", "spreadoutput")]
        raise RegimeError(
            f"No regime {name!r}: choose one of {', '.join(REGIMES)}, or random<k>, "
            f"random<k>spread, random<k>output, random<k>spreadoutput, where k is a whole number "
            f"above 0, such as random2.{did_you_mean(str(name), [*REGIMES, *variants])}"
        )
    return name


def random_regime(name: str) -> RandomRegime | None:
    """Return the random-k regime called `name`; None where that is no name of one."""
    match = _RANDOM.fullmatch(name) if isinstance(name, str) else None
    return match and RandomRegime(int(match[1]), bool(match[2]), bool(match[3]))


def regimes_for(groups: Collection[str]) -> list[str]:
    """Return the names in `REGIMES` that fit a network with variables of just these `groups`."""
    return [
        name
        for name, rules in REGIMES.items()
        if all(pattern == REST or pattern in groups for pattern, _ in rules)
    ]
