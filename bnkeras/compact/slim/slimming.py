"""Slim networks: without the channels whose |γ| is small."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import keras

from bnkeras.compact.manifest.slim import Slimmed, SlimNorm, SlimRecord, cuts, slimmed_from, tail
from bnkeras.compact.preparing import architecture_record
from bnkeras.compact.slim.network import shrink
from bnkeras.compact.slim.search import NormFacts, find
from bnkeras.compact.slim.values import SeededCut, cut
from bnkeras.errors import ModelError
from bnkeras.models.registry import architecture_of
from bnkeras.models.variables import grouped_variables, layers_of, parameter_counts
from bnkeras.models.work import work


@dataclass(frozen=True)
class Costs:
    """What a network takes.

    Args:
        parameters: all of them; moving statistics are none.
        batchnorm: γ and β.
        multiply_adds: products of one forward pass of one example in kernels, see
            `bnkeras.models.work`; None where the size of the input is open.
    """

    parameters: int
    batchnorm: int
    multiply_adds: int | None


@dataclass(frozen=True)
class SlimReport:
    """What slimming took from a network.

    Args:
        threshold: |γ| below which a channel could go.
        norms: the facts of each batch norm, in the order of the graph.
        plan: what the norms lose that lose something.
        before: what the full network takes.
        after: what the slim one takes.
    """

    threshold: float
    norms: tuple[NormFacts, ...]
    plan: tuple[SlimNorm, ...]
    before: Costs
    after: Costs


def slim(model: keras.Model, threshold: float = 0.01) -> tuple[keras.Model, SlimReport]:
    """Return a network without the channels of `model` whose |γ| is below `threshold`.

    Such a channel is taken for constant, as if its γ were 0. It goes where it leads to
    convolutions and dense layers alone, and comes from one, see
    `bnkeras.compact.slim.search.find`: of a residual network those inside of a block. Where
    the constant is 0 behind the activation (β ≤ 0 before a ReLU) nothing takes its place.
    The other constants of a norm, if there are two or more, become one spare channel that
    is 1, with the kernels that follow

        W'[..., spare, u] = Σ_c constant[c] · W[..., c, u]

    So the slim network computes what the full one with these γ set to 0 does, at padded
    borders, too, but for the rounding of sums. A norm keeps one channel at least.

    Args:
        model: a built functional or sequential model. Nested models, and layers that are
            masked by a random-k regime, stay whole.
        threshold: a number from 0 on; 0 removes nothing.

    Returns:
        The slim network, with layers of the same classes and names, the values of `model`
        and what trains of it; the plan that `shrink` makes it by; the report.

    Raises:
        ModelError: the model is not functional, not built, or slim already; a layer cannot
            be made again from its configuration; the threshold is no number from 0 on.

    Example:
        >>> small, report = slim(model, threshold=0.05)
        >>> report.before.parameters, report.after.parameters
        (175258, 141322)
    """
    _check(model, threshold)
    plan, facts = find(model, threshold)
    small = shrink(model, plan)
    _fill(small, model, plan)
    if plan:
        record = SlimRecord(threshold=threshold, norms=tuple(plan))
        small.bnkeras_slim = Slimmed(*architecture_record(model), record)
    elif (built := architecture_of(model)) is not None:
        small.bnkeras_architecture = built
    return small, SlimReport(threshold, tuple(facts), tuple(plan), costs(model), costs(small))


def costs(model: keras.Model) -> Costs:
    """Return what `model` takes."""
    counts = parameter_counts(model)
    products = [layer.multiply_adds for layer in work(model)]
    total = None if None in products else sum(products)
    return Costs(counts["total"], counts["batchnorm"], total)


def _check(model: keras.Model, threshold: float) -> None:
    number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    if not number or not isfinite(threshold) or threshold < 0:
        raise ModelError(f"A threshold of |γ| is a number from 0 on; received {threshold!r}.")
    if not hasattr(getattr(model, "_functional", model), "operations"):
        raise ModelError(
            f"Slimming follows the graph of a functional or sequential model that is built; "
            f"{model.name!r} is a {type(model).__name__} without one. Make it a functional model: "
            f"keras.Model(inputs, outputs)."
        )
    slots = (getattr(layer, "kernel_initializer", None) for layer in layers_of(model))
    if slimmed_from(model) or any(isinstance(slot, SeededCut) for slot in slots):
        raise ModelError(
            f"{model.name!r} is slim already. Slim the network that it was made of, with another "
            f"threshold."
        )


def _fill(small: keras.Model, model: keras.Model, plan: Sequence[SlimNorm]) -> None:
    """Give the slim network the values of the full one, and let the same train."""
    of_variable = cuts(plan)
    pairs = zip(grouped_variables(model), grouped_variables(small), strict=True)
    for (path, _, variable), (_, _, slimmed) in pairs:
        values = variable.numpy()
        lost = of_variable.get(tail(path))
        slimmed.assign(values if lost is None else cut(values, lost))
        slimmed.trainable = variable.trainable
    for layer in layers_of(small):
        # Such as Normalization, which makes constants of its weights.
        if layer.weights and hasattr(layer, "finalize_state"):
            layer.finalize_state()
