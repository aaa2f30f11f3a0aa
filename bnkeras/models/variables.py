"""What each variable of a network is for, and how many values there are of each kind."""

from collections.abc import Iterator
from enum import StrEnum
from math import prod
from typing import NamedTuple

import keras

from bnkeras.layers import Affine
from bnkeras.layers.kernels import DEPTHWISE, RANDOM_KERNEL, kernels
from bnkeras.models.registry import architecture_of
from bnkeras.seeding import Law
from bnkeras.seeding.initializer import Seeded

_NORMS = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.RMSNormalization,
    Affine,
)


class Group(StrEnum):
    """The part a variable plays; each belongs to exactly one group."""

    BATCHNORM = "batchnorm"
    OUTPUT = "output"
    SHORTCUT = "shortcut"
    FEATURES = "features"
    RANDOM = "random"
    STATISTICS = "statistics"


class GroupedVariable(NamedTuple):
    """A variable with its stable path and its group.

    The path is Keras' own, or that of the variable's `Seeded` initializer: Keras renames
    the variables of layers within layers when it loads a model.
    """

    path: str
    group: Group
    variable: keras.Variable


def grouped_variables(model: keras.Model) -> list[GroupedVariable]:
    """Return every variable of `model` once, with its group, in the order of the layers.

    | group | variables |
    |---|---|
    | `batchnorm` | γ and β of the norm layers: batch, group, layer, instance, RMS |
    | `output` | kernel and bias of the output layer, see `output_layers` |
    | `shortcut` | kernels of the 1×1 convolutions on shortcuts (`shortcut` in the layer's name) |
    | `features` | all other weights |
    | `random` | the values of masked kernels that train, see `bnkeras.layers.masked` |
    | `statistics` | what no gradient reaches: moving means and variances, random states |

    Example:
        >>> grouped_variables(bnkeras.build("mlp"))[0][:2]
        ('hidden1_dense/kernel', <Group.FEATURES: 'features'>)
    """
    outputs = output_layers(model)
    found: dict[int, GroupedVariable] = {}
    for layer in layers_of(model):
        group = _group(layer, outputs)
        for variable in layer._trainable_variables:
            own = Group.RANDOM if variable.name == RANDOM_KERNEL else group
            found.setdefault(id(variable), GroupedVariable(variable.path, own, variable))
        for variable in layer._non_trainable_variables:
            found.setdefault(
                id(variable), GroupedVariable(variable.path, Group.STATISTICS, variable)
            )
    for variable in model.variables:
        found.setdefault(id(variable), GroupedVariable(variable.path, Group.STATISTICS, variable))
    taken = {entry.path for entry in found.values()}
    for variable, initializer in _seeded(model):
        # Taken where the layer is a copy of another, with the initializer of that.
        if initializer.path not in taken:
            taken.add(initializer.path)
            found[id(variable)] = found[id(variable)]._replace(path=initializer.path)
    return list(found.values())


def layers_of(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yield `model` and all layers in it, those within layers too, in their order."""
    seen, waiting = set(), [model]
    while waiting:
        layer = waiting.pop()
        if id(layer) not in seen:
            seen.add(id(layer))
            yield layer
            waiting.extend(reversed(layer._layers))


def output_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the last layer with a kernel on the way to each output of `model`.

    In a model whose graph Keras does not know, a subclassed one, that is the last layer
    with a kernel that it defines.
    """
    graph = getattr(model, "_functional", model)  # of a sequential model
    if not hasattr(graph, "operations"):
        if kernels(model):
            return [model]
        parts = (output_layers(layer) for layer in reversed(model._layers))
        return next(filter(None, parts), [])
    found = {}
    for output in graph.outputs:
        leading = _leading_to(output)
        parts = (
            output_layers(operation)
            for operation in reversed(graph.operations)
            if id(operation) in leading and isinstance(operation, keras.layers.Layer)
        )
        found |= {id(layer): layer for layer in next(filter(None, parts), [])}
    return list(found.values())


def parameter_counts(model: keras.Model) -> dict[str, int]:
    """Count the parameters of `model` by what they are for.

    Returns:
        A dict with the keys `total` (γ and β included, moving statistics not),
        `batchnorm` (γ and β), `output` (kernel and bias of the output layer),
        `shortcut` (kernels of shortcut convolutions) and `trainable` (what the
        regime trains). The values of masked kernels that train are counted in
        `trainable`, and in `total` once, as values of the kernels. Source: Frankle et
        al. 2021, table 2.

    Example:
        >>> parameter_counts(bnkeras.build("resnet_cifar", depth=14))["batchnorm"]
        1120
    """
    counts = dict.fromkeys(("total", "batchnorm", "output", "shortcut", "trainable"), 0)
    for _, group, variable in grouped_variables(model):
        if group is Group.STATISTICS:
            continue
        size = prod(variable.shape)
        counts["total"] += size if group is not Group.RANDOM else 0
        counts["trainable"] += size if variable.trainable else 0
        if group.value in counts:
            counts[group.value] += size
    return counts


def seeded_laws(model: keras.Model, seed: int) -> dict[str, Law]:
    """Return the law of every variable whose layer holds a `Seeded` initializer for it."""
    paths = {id(entry.variable): entry.path for entry in grouped_variables(model)}
    return {
        initializer.path: initializer.law
        for variable, initializer in _seeded(model)
        if initializer.seed == seed and initializer.path == paths[id(variable)]
    }


def root_seed(model: keras.Model) -> int | None:
    """Return the seed that the weights of `model` come from, None if there is not just one.

    It is that of `bnkeras.build`, or the one that all its `Seeded` initializers have.
    """
    architecture = architecture_of(model)
    if architecture is not None:
        return architecture.arguments["seed"]
    seeds = {initializer.seed for _, initializer in _seeded(model)}
    return seeds.pop() if len(seeds) == 1 else None


def initializer_slot(layer: keras.layers.Layer, variable: keras.Variable) -> str | None:
    """Return the attribute of `layer` that holds the initializer of its `variable`.

    Keras calls it after the variable: `kernel_initializer`, but `recurrent_initializer`
    for `recurrent_kernel`, and `depthwise_initializer` for a depthwise `kernel`.
    """
    name = variable.name.removesuffix("_kernel")
    if name == "kernel" and isinstance(layer, DEPTHWISE):
        name = "depthwise"
    slot = f"{name}_initializer"
    return slot if hasattr(layer, slot) else None


def is_norm(layer: keras.layers.Layer) -> bool:
    """Whether `layer` has a γ or β that the group `batchnorm` takes."""
    return isinstance(layer, _NORMS)


def is_batch_norm(layer: keras.layers.Layer) -> bool:
    """Whether `layer` normalizes over the batch, with moving statistics: ours or Keras' own."""
    return isinstance(layer, keras.layers.BatchNormalization)


def _group(layer: keras.layers.Layer, outputs: list[keras.layers.Layer]) -> Group:
    if is_norm(layer):
        return Group.BATCHNORM
    if any(layer is output for output in outputs):
        return Group.OUTPUT
    return Group.SHORTCUT if "shortcut" in layer.name else Group.FEATURES


def _seeded(model: keras.Model) -> Iterator[tuple[keras.Variable, Seeded]]:
    for layer in layers_of(model):
        for variable in layer._trainable_variables:
            initializer = getattr(layer, initializer_slot(layer, variable) or "", None)
            if isinstance(initializer, Seeded):
                yield variable, initializer


def _leading_to(output: keras.KerasTensor) -> set[int]:
    """Return the ids of the operations that `output` is computed by."""
    seen, found, waiting = set(), set(), [output]
    while waiting:
        operation, index, _ = waiting.pop()._keras_history
        if (id(operation), index) not in seen:
            seen.add((id(operation), index))
            found.add(id(operation))
            waiting.extend(operation._inbound_nodes[index].input_tensors)
    return found
