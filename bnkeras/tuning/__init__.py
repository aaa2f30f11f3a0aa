"""Keras Tuner over the settings of recipes: where γ and β start, and how they are trained.

    from bnkeras.tuning import Request, load_space, search

    request = Request("resnet14_bnonly", load_space("initialisation"), trials=20)
    best = search(request, "runs/tune/resnet14_bnonly")[0]
    request.found(best.settings)                         # the recipe, with what was found

What is searched stands in TOML files, `recipes/spaces/`. `HyperModel` is the same space for a
tuner of your own. Importing this package imports Keras Tuner only when one of these is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bnkeras.tuning.hypermodel import HyperModel
    from bnkeras.tuning.parameters import settings_of
    from bnkeras.tuning.request import Request
    from bnkeras.tuning.searching import search
    from bnkeras.tuning.shipped import load_space, names
    from bnkeras.tuning.trials import Trial
    from bnkeras.tuning.tuner import RecipeTuner, Watcher

__all__ = [
    "HyperModel",
    "RecipeTuner",
    "Request",
    "Trial",
    "Watcher",
    "load_space",
    "names",
    "search",
    "settings_of",
]

_MODULES = {
    "HyperModel": "hypermodel",
    "RecipeTuner": "tuner",
    "Request": "request",
    "Trial": "trials",
    "Watcher": "tuner",
    "load_space": "shipped",
    "names": "shipped",
    "search": "searching",
    "settings_of": "parameters",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
