"""A word to those on whose processor TensorFlow leaves its faster kernels off."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bnkeras.recipe import Recipe


def hint(recipe: "Recipe") -> str | None:
    """Return how a training would be faster here, if it would and nobody has decided it."""
    has_convolutions = hasattr(recipe.model, "depth")  # the perceptron and the LSTM have none
    if not has_convolutions or not _is_left_off():
        return None
    return (
        "faster here: with TF_ENABLE_ONEDNN_OPTS=1 in front of the command, convolutions take "
        "about half the time (docs/scaling.md)"
    )


def _is_left_off() -> bool:
    """Whether TensorFlow has left oneDNN off by itself, as it does on x86 without VNNI and AMX."""
    import tensorflow as tf

    try:
        from tensorflow.python.util import _pywrap_util_port as build
    except ImportError:  # there is no public name for it
        return False
    decided = "TF_ENABLE_ONEDNN_OPTS" in os.environ or tf.config.list_physical_devices("GPU")
    return not decided and build.IsX86Available() and not build.IsMklEnabled()
