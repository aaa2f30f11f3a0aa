"""What each variable of a network is for, and how many values there are of each kind."""

from collections.abc import Iterator
from enum import StrEnum
from math import prod
from typing import NamedTuple

import keras

from bnkeras.seeding import Law
from bnkeras.seeding.initializer import Seeded


class Group(StrEnum):
    """The part a variable plays; each belongs to exactly one group."""

    BATCHNORM = "batchnorm"
    OUTPUT = "output"
    SHORTCUT = "shortcut"
    FEATURES = "features"
    STATISTICS = "statistics"


class GroupedVariable(NamedTuple):
    """A variable with its stable path and its group."""

    path: str
    group: Group
    variable: keras.Variable


def grouped_variables(model: keras.Model) -> list[GroupedVariable]:
    """Return every variable of `model` once, with its group, in the order of the layers.

    | group | variables |
    |---|---|
    | `batchnorm` | γ and β of the BatchNorm layers |
    | `output` | kernel and bias of the last layer with a kernel |
    | `shortcut` | kernels of the 1×1 convolutions on shortcuts (`shortcut` in the layer's name) |
    | `features` | all other weights |
    | `statistics` | what no gradient reaches: moving means and variances, random states |

    Example:
        >>> grouped_variables(bnkeras.build("mlp"))[0][:2]
        ('hidden1_dense/kernel', <Group.FEATURES: 'features'>)
    """
    layers = list(_layers(model))
    with_kernel = [layer for layer in layers if getattr(layer, "kernel", None) is not None]
    output = with_kernel[-1] if with_kernel else None
    found: dict[int, GroupedVariable] = {}
    for layer in layers:
        for variable in layer._trainable_variables:
            found.setdefault(
                id(variable), GroupedVariable(variable.path, _group(layer, output), variable)
            )
        for variable in layer._non_trainable_variables:
            found.setdefault(
                id(variable), GroupedVariable(variable.path, Group.STATISTICS, variable)
            )
    for variable in model.variables:
        found.setdefault(id(variable), GroupedVariable(variable.path, Group.STATISTICS, variable))
    return list(found.values())


def parameter_counts(model: keras.Model) -> dict[str, int]:
    """Count the parameters of `model` by what they are for.

    Returns:
        A dict with the keys `total` (γ and β included, moving statistics not),
        `batchnorm` (γ and β), `output` (kernel and bias of the output layer),
        `shortcut` (kernels of shortcut convolutions) and `trainable` (what the
        regime trains). Source: Frankle et al. 2021, table 2.

    Example:
        >>> parameter_counts(bnkeras.build("resnet_cifar", depth=14))["batchnorm"]
        1120
    """
    counts = dict.fromkeys(("total", "batchnorm", "output", "shortcut", "trainable"), 0)
    for _, group, variable in grouped_variables(model):
        if group is Group.STATISTICS:
            continue
        size = prod(variable.shape)
        counts["total"] += size
        counts["trainable"] += size if variable.trainable else 0
        if group.value in counts:
            counts[group.value] += size
    return counts


def seeded_laws(model: keras.Model, seed: int) -> dict[str, Law]:
    """Return the law of every variable whose layer holds a `Seeded` initializer for it."""
    laws = {}
    for layer in _layers(model):
        for variable in layer._trainable_variables:
            initializer = getattr(layer, f"{variable.name}_initializer", None)
            if (
                isinstance(initializer, Seeded)
                and initializer.seed == seed
                and initializer.path == variable.path
            ):
                laws[variable.path] = initializer.law
    return laws


def is_batch_norm(layer: keras.layers.Layer) -> bool:
    """Whether `layer` normalizes over the batch: ours or Keras' own."""
    return isinstance(layer, keras.layers.BatchNormalization)


def _group(layer: keras.layers.Layer, output: keras.layers.Layer | None) -> Group:
    if is_batch_norm(layer):
        return Group.BATCHNORM
    if layer is output:
        return Group.OUTPUT
    return Group.SHORTCUT if "shortcut" in layer.name else Group.FEATURES


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    return model._flatten_layers(include_self=False, recursive=True)
