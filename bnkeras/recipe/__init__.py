"""Recipes: TOML in, one typed, validated, frozen `Recipe` out.

    import bnkeras.recipe

    bnkeras.recipe.names()                                   # what is shipped
    recipe = bnkeras.recipe.load("resnet14_bnonly", ["train.epochs=20"])
    recipe.train.epochs, recipe.model.build_arguments()

A recipe's name is `<model>_<regime>`: the composition of `recipes/models/<model>.toml`
and `recipes/regimes/<regime>.toml`. Or it is that of a file of `recipes/tuned/`, a
composition with other settings. A path to a file of your own loads as well, and such a
file may say `extends = "resnet14_bnonly"` or name another file.

Importing this package imports neither Keras nor TensorFlow; pydantic comes with the
first recipe that is loaded.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bnkeras.recipe._parts import Entry, catalogue, models, names, regimes

if TYPE_CHECKING:
    from bnkeras.recipe._data import DEFAULT_IMAGE_SIZE, unused_settings
    from bnkeras.recipe._load import faults_of, from_settings, load
    from bnkeras.recipe._recipe import WITHOUT_EFFECT, Recipe
    from bnkeras.recipe._schema import StrategySettings
    from bnkeras.recipe._shorten import shortened
    from bnkeras.recipe._types import GIVEN

__all__ = [
    "DEFAULT_IMAGE_SIZE",
    "GIVEN",
    "WITHOUT_EFFECT",
    "Entry",
    "Recipe",
    "StrategySettings",
    "catalogue",
    "faults_of",
    "from_settings",
    "load",
    "models",
    "names",
    "regimes",
    "shortened",
    "unused_settings",
]

_NEEDS_PYDANTIC = {
    "DEFAULT_IMAGE_SIZE": "_data",
    "GIVEN": "_types",
    "Recipe": "_recipe",
    "WITHOUT_EFFECT": "_recipe",
    "StrategySettings": "_schema",
    "faults_of": "_load",
    "from_settings": "_load",
    "load": "_load",
    "shortened": "_shorten",
    "unused_settings": "_data",
}


def __getattr__(name: str) -> Any:
    if name not in _NEEDS_PYDANTIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_NEEDS_PYDANTIC[name]}"), name)
