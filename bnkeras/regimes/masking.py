"""The masks of a random-k regime: which layers of a network have them, and putting them on."""

from typing import TYPE_CHECKING

from bnkeras.errors import RegimeError
from bnkeras.regimes.names import RandomRegime

if TYPE_CHECKING:
    import keras

    from bnkeras.layers.masked import Mask

    Masks = dict[keras.layers.Layer, Mask]


def masks_of(model: "keras.Model") -> "Masks":
    """Return the masks that the layers of `model` have now."""
    from bnkeras.layers.masked import Masked
    from bnkeras.models.variables import layers_of

    return {layer: layer.kernel_mask for layer in layers_of(model) if isinstance(layer, Masked)}


def plan_masks(model: "keras.Model", regime: RandomRegime) -> "Masks":
    """Return the masks that `regime` means for `model`: for all kernels but the output layer's.

    Raises:
        RegimeError: no layer to mask, a type of layer that cannot be masked, or one with
            fewer than k values a unit.
    """
    from bnkeras.layers.kernels import kernels, layouts
    from bnkeras.layers.masked import Mask, maskable
    from bnkeras.models.variables import (
        grouped_variables,
        layers_of,
        output_layers,
        root_seed,
    )

    outputs = output_layers(model)
    with_kernels = [
        layer
        for layer in layers_of(model)
        if kernels(layer) and not any(layer is output for output in outputs)
    ]
    if not with_kernels:
        none = "none but its output layer. Choose the regime 'output'." if outputs else "none."
        raise RegimeError(
            f"The regime '{regime}' trains weights of convolution, dense and recurrent layers, and "
            f"{model.name!r} has {none}"
        )
    for layer in with_kernels:
        if not maskable(layer):
            raise RegimeError(
                f"The regime '{regime}' trains single weights of Keras' convolution, dense and "
                f"recurrent layers, and layers derived from these, without constraints or LoRA. "
                f"{layer.name!r} in {model.name!r} is a {type(layer).__name__} for which that "
                f"cannot be done. Choose another regime, or a table of rules."
            )
    fan_in = {
        layer: sum(layout.fan_in * layout.gates for layout in layouts(layer).values())
        for layer in with_kernels
    }
    smallest = min(fan_in, key=fan_in.get)
    if regime.k > fan_in[smallest]:
        raise RegimeError(
            f"The regime '{regime}' trains {regime.k} weights of each unit, and a unit of "
            f"{smallest.name!r} in {model.name!r} has a fan-in of {fan_in[smallest]}. The largest "
            f"k for this network is {fan_in[smallest]}."
        )
    seed = root_seed(model) or 0
    paths = {id(entry.variable): entry.path for entry in grouped_variables(model)}
    return {
        layer: Mask(regime.k, regime.spread, seed, paths[id(kernels(layer)[0])].rpartition("/")[0])
        for layer in with_kernels
    }


def same_masks(one: "Masks", other: "Masks") -> bool:
    """Whether the same layers have masks with the same choice.

    Their paths may differ: Keras names layers within layers anew when it loads a model.
    """
    return one.keys() == other.keys() and all(
        (mask.k, mask.spread, mask.seed) == (other[layer].k, other[layer].spread, other[layer].seed)
        for layer, mask in one.items()
    )


def change_masks(model: "keras.Model", masks: "Masks") -> None:
    """Take the masks of `model` off, and put others on."""
    import keras

    from bnkeras.layers.masked import Masked, MaskedLoop, become_masked, mask_layer, unmask
    from bnkeras.models.variables import layers_of

    layers = list(layers_of(model))
    for layer in layers:
        if isinstance(layer, Masked | MaskedLoop):
            unmask(layer)
    for layer, mask in masks.items():
        mask_layer(layer, mask)
    for layer in layers:
        if isinstance(layer, keras.layers.RNN) and masks_of(layer):
            become_masked(layer)
        if isinstance(layer, keras.Model):
            # What was traced before reads the kernels as they were.
            layer.train_function = layer.test_function = layer.predict_function = None
