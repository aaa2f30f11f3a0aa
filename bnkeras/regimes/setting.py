"""Setting the regime of a model, and reading it off."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bnkeras.errors import RegimeError
from bnkeras.regimes.masking import change_masks, masks_of, plan_masks, same_masks
from bnkeras.regimes.names import REGIMES, RandomRegime, check_regime, random_regime
from bnkeras.regimes.rules import Selection, read_rules, select_by_name, select_by_table

if TYPE_CHECKING:
    import keras


def set_regime(
    model: "keras.Model", regime: str | Mapping[str, str] | Sequence[tuple[str, str]]
) -> "keras.Model":
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
    | `random<k>` | k weights of each unit, see below | section 4 |
    | `random<k>spread` | as many, chosen over the whole layer | |
    | `random<k>output`, `random<k>spreadoutput` | these and the output layer | section 4 |

    The output layer is the last one with a kernel on the way to an output of the model; of
    a subclassed model, whose graph Keras does not know, the last one that it defines.

    A regime of one's own is a table of rules (pattern, "train" or "freeze"), as pairs
    or as a dict. A pattern is a group (`batchnorm`, `output`, `shortcut`, `features`;
    see `bnkeras.models.variables`), or else is compared with the path of the variable,
    where `*` stands for any characters. The first rule that matches a variable decides;
    every variable has to be matched, and every rule has to decide on one.

    Variables are frozen, never layers: a Keras BatchNorm layer with
    `trainable = False` also stops using batch statistics, which none of the
    papers' controls do. The selection is lost by `clone_model` and by a `.keras`
    round trip, so set it last, before `compile`.

    In `random2`, two weights of each convolution channel, of each unit of a dense layer
    and of each unit of a recurrent layer train, in a variable `random_kernel` with just
    these values; the output layer, biases, embeddings, γ and β do not. The layers are
    changed in place into those of `bnkeras.layers.masked`. Their kernels stay as they
    are until another regime is set: then the layers are changed back, with what was
    trained written into the kernels. Which weights train is a function of the network's
    seed (`root_seed`, 0 where it has none), the path of the layer and k; docs/generator.md
    has it. A function that the user traced before has to be traced again. A `.keras` file
    keeps masks, but not those of layers that a subclassed model makes: build that, set
    the regime, and call `load_weights`.

    Args:
        model: a built Keras model.
        regime: one of the names above, or a table of rules.

    Returns:
        The model to train: `model` itself.

    Raises:
        RegimeError: no such regime; a model that is not built yet; a rule that matches
            no variable of it, or a variable that no rule matches; a k above the fan-in of
            a layer; or an optimizer that is built for another selection. The model is as
            it was before.

    Example:
        >>> model = set_regime(bnkeras.build("resnet_cifar", depth=14), "bnonly")
        >>> sum(v.shape[0] for v in model.trainable_variables)
        1120
        >>> set_regime(model, [("batchnorm", "train"), ("stem_*", "train"), ("*", "freeze")])
    """
    random = random_regime(regime)
    if random is None and not isinstance(regime, str):
        selection = select_by_table(model, read_rules(regime))
    else:
        selection = _select(model, check_regime(regime))
    masks = {} if random is None else plan_masks(model, random)
    kept = same_masks(masks, masks_of(model))
    optimizer = getattr(model, "optimizer", None)
    trains_now = kept and _trains_exactly(model, selection)
    if optimizer is not None and optimizer.built and not trains_now:
        raise RegimeError(
            f"The regime is set before the optimizer is built, and the optimizer of "
            f"{model.name!r} is built for another selection. Call model.compile with a new "
            f"optimizer, and then set the regime {regime!r}."
        )
    if not kept:
        change_masks(model, masks)
    # A layer frozen as a whole would normalize with moving statistics. One by one: Keras
    # on TensorFlow drops `model.trainable = True` where the model itself was not frozen.
    for layer in model._flatten_layers():
        layer.trainable = True
    for variable, trains in selection:
        variable.trainable = trains
    return model


def regime_of(model: "keras.Model") -> str | None:
    """Return the name of the first regime that trains exactly what `model` trains now.

    None stands for a selection that has no name, and for a model with a BatchNorm layer
    that is frozen as a whole: it normalizes with moving statistics, as in no regime.
    """
    from bnkeras.models.variables import is_batch_norm

    if any(is_batch_norm(layer) and not layer.trainable for layer in model._flatten_layers()):
        return None
    masks = masks_of(model)
    if masks:
        mask = next(iter(masks.values()))
        randoms = [RandomRegime(mask.k, mask.spread, output) for output in (False, True)]
        names = [str(random) for random in randoms if _has_masks(model, masks, random)]
    else:
        names = list(REGIMES)
    for name in names:
        try:
            selection = _select(model, name)
        except RegimeError:
            continue
        if _trains_exactly(model, selection):
            return name
    return None


def _select(model: "keras.Model", name: str) -> Selection:
    """Return what trains of the variables that `model` has without masks."""
    random = random_regime(name)
    return select_by_name(model, name, REGIMES[name] if random is None else random.rules)


def _has_masks(model: "keras.Model", masks: dict, random: RandomRegime) -> bool:
    try:
        return same_masks(masks, plan_masks(model, random))
    except RegimeError:
        return False


def _trains_exactly(model: "keras.Model", selection: Selection) -> bool:
    """Whether the selection and all values in masks train, and nothing else."""
    wanted = {id(variable) for variable, trains in selection if trains}
    wanted |= {id(layer.random_kernel) for layer in masks_of(model)}
    return wanted == {id(variable) for variable in model.trainable_variables}
