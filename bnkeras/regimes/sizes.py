"""How many values of a network a regime trains, by arithmetic. Does not import Keras."""

from typing import Any

from bnkeras.errors import RegimeError
from bnkeras.models.sizes import sizes
from bnkeras.regimes.names import REGIMES, REST, TRAIN, check_regime, random_regime, regimes_for


def trainable(network: str, regime: str, **arguments: Any) -> int:
    """Count the values of a network that a regime trains, without building it.

    Args:
        network: a name that `bnkeras.build` takes.
        regime: a name that `set_regime` takes.
        **arguments: those of the network's builder.

    Returns:
        What `bnkeras.parameter_counts` has as `trainable` once the regime is set.

    Raises:
        ModelError: no such network.
        RegimeError: no such regime, or the network has nothing that it speaks of: no
            shortcuts, or fewer than k weights to a unit.

    Example:
        >>> trainable("resnet_cifar", "random2", depth=14)
        1120
    """
    random = random_regime(check_regime(regime))
    found = sizes(network, **arguments)
    rules = dict(random.rules if random else REGIMES[regime])
    groups = {
        "features": found.features,
        "shortcut": found.shortcut,
        "output": found.output,
        "batchnorm": found.batchnorm,
    }
    missing = [group for group in rules if group != REST and not groups[group]]
    if missing:
        fitting = regimes_for([group for group, size in groups.items() if size])
        raise RegimeError(
            f"The regime {regime!r} has a rule for {', '.join(missing)} variables, and {network} "
            f"has none. Choose a regime without it: {', '.join(fitting)}."
        )
    total = sum(size for group, size in groups.items() if rules.get(group, rules[REST]) == TRAIN)
    if random is None:
        return total
    if random.k > found.least_weights:
        raise RegimeError(
            f"The regime {regime!r} trains {random.k} weights of every unit, and {network} has "
            f"one with {found.least_weights}; k is at most that."
        )
    return total + random.k * found.units
