"""Builders by name, and the record of how a network was built."""

import inspect
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from bnkeras.errors import ModelError, did_you_mean

if TYPE_CHECKING:
    import keras

BUILDERS = {
    "resnet_cifar": "bnkeras.models.resnet_cifar:resnet_cifar",
    "resnet_imagenet": "bnkeras.models.resnet_imagenet:resnet_imagenet",
    "vgg_cifar": "bnkeras.models.vgg_cifar:vgg_cifar",
    "mlp": "bnkeras.models.mlp:mlp",
    "tweet_lstm": "bnkeras.models.tweet_lstm:tweet_lstm",
}


@dataclass(frozen=True)
class Architecture:
    """What `build` was called with: enough to build the same network again.

    Attributes:
        name: a name of `BUILDERS`.
        arguments: those of the builder, its defaults included.
    """

    name: str
    arguments: dict[str, Any]


def build(name: str, **arguments: Any) -> "keras.Model":
    """Build a network whose weights come from a seed.

    Args:
        name: a name of `BUILDERS`, such as `"resnet_cifar"`.
        **arguments: those of the builder; all builders take `seed`, the laws
            `features`, `gamma` and `beta` (see `bnkeras.seeding.parse`), `norm` and `dtype`.

    Returns:
        A `keras.Model` from images [batch, height, width, channels], float, to logits
        [batch, classes]; `tweet_lstm` takes ids of words [batch, length], int32.

    Raises:
        ModelError: no builder has that name, or it does not take these arguments.
        SeedingError: the seed or a law is not valid.

    Example:
        >>> model = bnkeras.build("resnet_cifar", depth=14, seed=7)
        >>> model.output_shape
        (None, 10)
    """
    if not isinstance(name, str) or name not in BUILDERS:
        raise ModelError(
            f"No network {name!r}: choose one of {', '.join(BUILDERS)}."
            f"{did_you_mean(str(name), BUILDERS)}"
        )
    module, function = BUILDERS[name].split(":")
    builder = getattr(import_module(module), function)
    parameters = inspect.signature(builder).parameters
    # A NumPy scalar, out of a sweep, would not pass as an integer, nor into a manifest.
    arguments = {
        key: value.item() if isinstance(value, np.generic) else value
        for key, value in arguments.items()
    }
    for key in arguments:
        if key not in parameters:
            raise ModelError(
                f"{name} takes no argument {key!r}; it takes {', '.join(parameters)}."
                f"{did_you_mean(key, parameters)}"
            )
    try:
        bound = inspect.signature(builder).bind(**arguments)
    except TypeError as error:
        raise ModelError(f"{name}: {error}.") from error
    bound.apply_defaults()
    model = builder(*bound.args, **bound.kwargs)
    # The global policy may be another one when the network is built again.
    policy = import_module("keras").dtype_policies.get(bound.arguments["dtype"]).name
    # An instance of a frozen class: Keras' attribute tracking leaves it alone.
    model.bnkeras_architecture = Architecture(name, {**bound.arguments, "dtype": policy})
    return model


def architecture_of(model: "keras.Model") -> Architecture | None:
    """Return how `model` was built, or None for a network of another origin."""
    return getattr(model, "bnkeras_architecture", None)
