"""Seeded weights for a network that `bnkeras.build` did not make."""

from math import prod, sqrt

import keras
import numpy as np

from bnkeras.errors import ModelError, SeedingError
from bnkeras.layers.kernels import Layout, layouts
from bnkeras.layers.masked import Masked
from bnkeras.models.registry import architecture_of
from bnkeras.models.variables import initializer_slot, is_batch_norm, is_norm, layers_of
from bnkeras.seeding import Law, parse
from bnkeras.seeding.initializer import Seeded


def reseed(
    model: keras.Model,
    seed: int,
    features: str = "he_normal",
    gamma: str = "uniform(0, 1)",
    beta: str = "constant(0)",
) -> keras.Model:
    """Give all weights of a Keras model the values of a seed, as `bnkeras.build` does.

    | variable | law |
    |---|---|
    | kernel | `features`, with the inputs that are summed into one output as its fan-in |
    | γ, β of a norm layer | `gamma`, `beta` |
    | embeddings | normal(1), as in PyTorch |
    | anything else with an initializer that is constant: a bias | that constant |
    | other vectors, other weights | constant(0), `features` |

    Each value is a function of the seed and of the variable's path, so give layers
    names: those that Keras makes up count the layers of the process. The layer holds
    the `Seeded` initializer from then on, so that a compact export stores the seed in
    place of the values, and a `.keras` file keeps it where the layer saves its
    initializers. `bnkeras.models.variables.seeded_laws` tells which variables have a
    law. One whose layer has no initializer for it keeps its values and is stored; the
    bias of an LSTM with `unit_forget_bias` is set to 0 and 1 and stored. Moving means
    become 0, moving variances 1.

    Args:
        model: a built model of any origin but `bnkeras.build`.
        seed: root seed, 0 ≤ seed < 2^64.
        features: initialisation law of kernels.
        gamma: law of the scales of norm layers.
        beta: law of the shifts of norm layers.

    Returns:
        The model.

    Raises:
        ModelError: the model is of `bnkeras.build`, is not built or has masked layers.
        SeedingError: the seed or a law is not valid, or two variables have the same path.
            The model is as it was before.

    Example:
        >>> model = bnkeras.reseed(keras.applications.ResNet50(weights=None), seed=7)
        >>> bnkeras.save_compact(bnkeras.set_regime(model, "bnonly"), "saved_models/resnet50")
    """
    _check_model(model)
    laws = {"features": parse(features), "gamma": parse(gamma), "beta": parse(beta)}
    planned: dict[str, tuple[keras.layers.Layer, keras.Variable, Seeded]] = {}
    known = set()
    for layer in layers_of(model):
        kernels = layouts(layer)
        for variable in layer._trainable_variables:
            law = _law(layer, variable, kernels.get(variable.name), laws)
            if law is None or id(variable) in known:
                continue
            known.add(id(variable))
            if variable.path in planned:
                raise SeedingError(
                    f"Two variables of {model.name!r} have the path {variable.path!r}, and equal "
                    f"paths mean equal values. Give the layers different names."
                )
            initializer = Seeded(law, seed, variable.path)
            law.resolve(tuple(variable.shape))
            planned[variable.path] = (layer, variable, initializer)
    for layer, variable, initializer in planned.values():
        variable.assign(initializer(variable.shape, variable.dtype))
        if slot := initializer_slot(layer, variable):
            setattr(layer, slot, initializer)
    for layer in layers_of(model):
        if is_batch_norm(layer):
            layer.moving_mean.assign(keras.ops.zeros_like(layer.moving_mean))
            layer.moving_variance.assign(keras.ops.ones_like(layer.moving_variance))
        if _has_forget_bias(layer):
            layer.bias.assign(np.repeat(np.float32([0, 1, 0, 0]), layer.units))
    return model


def _check_model(model: keras.Model) -> None:
    if architecture_of(model) is not None:
        raise ModelError(
            f"{model.name!r} was made by bnkeras.build with weights from a seed. Build it again, "
            f"with seed=… and the laws features, gamma and beta."
        )
    if not model.variables:
        raise ModelError(
            f"Weights are seeded when there are some, and {model.name!r} has none yet. Call it on "
            f"a batch, or model.build, first."
        )
    if any(isinstance(layer, Masked) for layer in layers_of(model)):
        raise ModelError(
            f"The kernels of {model.name!r} are masked by a random-k regime. Seed it first and "
            f'set the regime after; set_regime(model, "all") takes the masks off.'
        )


def _law(
    layer: keras.layers.Layer,
    variable: keras.Variable,
    layout: Layout | None,
    laws: dict[str, Law],
) -> Law | None:
    """Return the law of a variable of `layer`; None if it keeps its values."""
    if is_norm(layer):
        return laws["beta" if variable.name == "beta" else "gamma"]
    slot = initializer_slot(layer, variable)
    if slot is None or (_has_forget_bias(layer) and variable.name == "bias"):
        return None
    if layout is not None:
        return _with_fan_in(laws["features"], layout, variable.path)
    if isinstance(layer, keras.layers.Embedding):
        return parse("normal(1)")
    match getattr(layer, slot):
        case keras.initializers.Zeros():
            return parse("constant(0)")
        case keras.initializers.Ones():
            return parse("constant(1)")
        case keras.initializers.Constant(value=float() | int() as value):
            return parse(f"constant({value!r})")
        case Seeded(law=Law(name="constant") as law):
            return law
    return laws["features"] if len(variable.shape) > 1 else parse("constant(0)")


def _with_fan_in(law: Law, layout: Layout, path: str) -> Law:
    """Return `law` for a kernel whose fan-in is not the product of all its axes but the last."""
    scales = law.name in ("he_normal", "he_uniform", "binary", "orthogonal")
    if not scales or layout.fan_in == prod(layout.shape[:-1]):
        return law
    if law.name == "he_normal":
        return parse(f"normal({sqrt(2.0 / layout.fan_in)!r})")
    if law.name == "he_uniform":
        limit = sqrt(6.0 / layout.fan_in)
        return parse(f"uniform({-limit!r}, {limit!r})")
    raise SeedingError(
        f"The law {law} knows kernels whose last axis alone counts units, and {path!r} of shape "
        f"{layout.shape} is none: its units have a fan-in of {layout.fan_in}. Choose he_normal, "
        f"he_uniform, normal(std) or uniform(low, high)."
    )


def _has_forget_bias(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.LSTMCell) and layer.use_bias and layer.unit_forget_bias
