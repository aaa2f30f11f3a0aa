"""Train only the BatchNorm scale and shift of randomly initialised Keras networks.

    model = bnkeras.build("resnet_cifar", depth=14, seed=7)
    bnkeras.set_regime(model, "bnonly")
    ...                                              # train as any Keras model
    bnkeras.save_compact(model, "saved_models/mine") # seed + BatchNorm weights
    model = bnkeras.load_compact("saved_models/mine")

Importing the package imports neither Keras nor TensorFlow; the first use of a name
below does.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bnkeras._version import __version__

if TYPE_CHECKING:
    from bnkeras.compact.reader import load_compact as load_compact
    from bnkeras.compact.slim.slimming import slim as slim
    from bnkeras.compact.stock.expand import expand_compact as expand_compact
    from bnkeras.compact.tasks.adding import add_task as add_task
    from bnkeras.compact.verify import verify_compact as verify_compact
    from bnkeras.compact.writer import save_compact as save_compact
    from bnkeras.models.registry import build as build
    from bnkeras.models.reseeding import reseed as reseed
    from bnkeras.models.variables import parameter_counts as parameter_counts
    from bnkeras.regimes import regime_of as regime_of
    from bnkeras.regimes import set_regime as set_regime

_PUBLIC = {
    "add_task": "bnkeras.compact.tasks.adding",
    "build": "bnkeras.models.registry",
    "expand_compact": "bnkeras.compact.stock.expand",
    "load_compact": "bnkeras.compact.reader",
    "parameter_counts": "bnkeras.models.variables",
    "regime_of": "bnkeras.regimes",
    "reseed": "bnkeras.models.reseeding",
    "save_compact": "bnkeras.compact.writer",
    "set_regime": "bnkeras.regimes",
    "slim": "bnkeras.compact.slim.slimming",
    "verify_compact": "bnkeras.compact.verify",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'bnkeras' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_PUBLIC[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
