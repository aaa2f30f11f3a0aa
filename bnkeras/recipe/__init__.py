"""Recipes: TOML in, one typed, validated, frozen `Recipe` out.

    import bnkeras.recipe

    bnkeras.recipe.names()                                   # what is shipped
    recipe = bnkeras.recipe.load("resnet14_bnonly", ["train.epochs=20"])
    recipe.train.epochs, recipe.model.build_arguments()

A recipe's name is `<model>_<regime>`: the composition of `recipes/models/<model>.toml`
and `recipes/regimes/<regime>.toml`. A path to a file of your own loads as well, and
such a file may say `extends = "resnet14_bnonly"` or name another file.

Importing this package imports neither Keras nor TensorFlow; pydantic comes with the
first recipe that is loaded.
"""

from typing import TYPE_CHECKING

from bnkeras.recipe._parts import Entry, catalogue, models, names, regimes

if TYPE_CHECKING:
    from bnkeras.recipe._load import load
    from bnkeras.recipe._recipe import Recipe

__all__ = ["Entry", "Recipe", "catalogue", "load", "models", "names", "regimes"]


def __getattr__(name: str):
    if name == "load":
        from bnkeras.recipe._load import load

        return load
    if name == "Recipe":
        from bnkeras.recipe._recipe import Recipe

        return Recipe
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
