"""Which variables train: the papers' regimes as rule tables over variable groups."""

from typing import TYPE_CHECKING

from bnkeras.errors import RegimeError, did_you_mean

if TYPE_CHECKING:
    import keras

_TRAIN, _FREEZE = True, False
_REST = "*"

# First match wins, and the last rule takes the rest, so every variable falls under
# exactly one rule. Statistics are under none: no gradient reaches them.
REGIMES: dict[str, tuple[tuple[str, bool], ...]] = {
    "all": ((_REST, _TRAIN),),
    "bnonly": (("batchnorm", _TRAIN), (_REST, _FREEZE)),
    "bnoutput": (("batchnorm", _TRAIN), ("output", _TRAIN), (_REST, _FREEZE)),
    "output": (("output", _TRAIN), (_REST, _FREEZE)),
    "bnshortcutoutput": (
        ("batchnorm", _TRAIN),
        ("shortcut", _TRAIN),
        ("output", _TRAIN),
        (_REST, _FREEZE),
    ),
    "shortcutoutput": (("shortcut", _TRAIN), ("output", _TRAIN), (_REST, _FREEZE)),
    "frozenbn": (("batchnorm", _FREEZE), (_REST, _TRAIN)),
}


def set_regime(model: "keras.Model", name: str) -> "keras.Model":
    """Select the variables that train, and return the model to train.

    | regime | trains | Frankle et al. 2021 |
    |---|---|---|
    | `all` | everything | all parameters |
    | `bnonly` | γ and β | BatchNorm only |
    | `bnoutput` | γ, β and the output layer | section 4 |
    | `output` | the output layer | section 4 |
    | `bnshortcutoutput` | γ, β, shortcut convolutions, output layer | appendix |
    | `shortcutoutput` | shortcut convolutions and output layer | appendix |
    | `frozenbn` | everything but γ and β | section 3 |

    Variables are frozen, never layers: a Keras BatchNorm layer with
    `trainable = False` also stops using batch statistics, which none of the
    papers' controls do. The selection is lost by `clone_model` and by a `.keras`
    round trip, so set it last, before `compile`.

    Args:
        model: a built Keras model.
        name: one of the regimes above.

    Returns:
        The model to train: `model` itself.

    Raises:
        RegimeError: no such regime; a model that is not built yet; a rule that matches
            no variable of it; or an optimizer that is built for another selection.

    Example:
        >>> model = set_regime(bnkeras.build("resnet_cifar", depth=14), "bnonly")
        >>> sum(v.shape[0] for v in model.trainable_variables)
        1120
    """
    rules = _rules(name)
    selection = _select(model, name, rules)
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and optimizer.built and not _trains_exactly(model, selection):
        raise RegimeError(
            f"The regime is set before the optimizer is built, and the optimizer of "
            f"{model.name!r} is built for another selection. Call model.compile with a new "
            f"optimizer, and then set the regime {name!r}."
        )
    # A layer frozen as a whole would normalize with moving statistics. One by one: Keras
    # on TensorFlow drops `model.trainable = True` where the model itself was not frozen.
    for layer in model._flatten_layers():
        layer.trainable = True
    for variable, trains in selection:
        variable.trainable = trains
    return model


def regime_of(model: "keras.Model") -> str | None:
    """Return the first regime of `REGIMES` that trains exactly what `model` trains now.

    None stands for a selection made by hand, and for a model with a BatchNorm layer
    that is frozen as a whole: it normalizes with moving statistics, as in no regime.
    """
    from bnkeras.models.variables import is_batch_norm

    if any(is_batch_norm(layer) and not layer.trainable for layer in model._flatten_layers()):
        return None
    for name, rules in REGIMES.items():
        try:
            selection = _select(model, name, rules)
        except RegimeError:
            continue
        if _trains_exactly(model, selection):
            return name
    return None


def _trains_exactly(model: "keras.Model", selection: list[tuple["keras.Variable", bool]]) -> bool:
    trained = {id(variable) for variable in model.trainable_variables}
    return trained == {id(variable) for variable, trains in selection if trains}


def _rules(name: str) -> tuple[tuple[str, bool], ...]:
    if not isinstance(name, str) or name not in REGIMES:
        raise RegimeError(
            f"No regime {name!r}: choose one of {', '.join(REGIMES)}."
            f"{did_you_mean(str(name), REGIMES)}"
        )
    return REGIMES[name]


def _select(
    model: "keras.Model", name: str, rules: tuple[tuple[str, bool], ...]
) -> list[tuple["keras.Variable", bool]]:
    """Return (variable, trains) for all variables but the statistics."""
    from bnkeras.models.variables import Group, grouped_variables

    table = dict(rules)
    unmatched = set(table) - {_REST}
    selection = []
    for _, group, variable in grouped_variables(model):
        if group is Group.STATISTICS:
            continue
        rule = group.value if group.value in table else _REST
        unmatched.discard(rule)
        selection.append((variable, table[rule]))
    if not selection:
        raise RegimeError(
            f"A regime selects among the variables of a built model, and {model.name!r} has none "
            f"yet. Call it on a batch, or model.build, first."
        )
    if unmatched:
        raise RegimeError(
            f"The regime {name!r} has a rule for {', '.join(sorted(unmatched))} variables, and "
            f"{model.name!r} has none. Choose a regime without it: "
            f"{', '.join(other for other in REGIMES if not unmatched & set(dict(REGIMES[other])))}."
        )
    return selection
