"""Models of another origin than `bnkeras.build`, as a configuration of Keras."""

import json
import warnings
from collections.abc import Sequence
from copy import deepcopy
from textwrap import shorten
from typing import Any

import keras

from bnkeras.compact.config.bounds import bounded
from bnkeras.compact.config.check import check_config
from bnkeras.compact.manifest.records import ConfigRecord, ForeignRecord, Provenance
from bnkeras.errors import ExportError
from bnkeras.models.blocks import deep_graph

# A chain of more layers takes so many frames that Python could run out of its stack.
_DEEPEST = 1000


def record_of(model: keras.Model) -> ConfigRecord | ForeignRecord:
    """Return how `model` can be built again, or why it can't."""
    try:
        with warnings.catch_warnings():
            # A lambda is warned of; here it is a reason.
            warnings.simplefilter("ignore")
            config = keras.saving.serialize_keras_object(model)
        config = json.loads(json.dumps(_without_compilation(config), allow_nan=False))
        check_config(config)
    except Exception as error:  # a get_config of somebody's can raise anything
        return ForeignRecord(name=model.name, reason=shorten(str(error), 300))
    return ConfigRecord(name=model.name, config=config)


def build_from(config: dict[str, Any], rows: Sequence[Provenance]) -> keras.Model:
    """Build the model of a configuration, with no more weights than `rows` has.

    Raises:
        ExportError: the configuration names what no network consists of, makes a variable
            that no row stands for, or takes far more steps to build than one of its size.
        Exception: whatever Keras raises where it cannot be built.
    """
    check_config(config)
    with bounded(rows, config), deep_graph(min(len(rows), _DEEPEST)):
        # Keras empties what it reads, and tasks share a configuration.
        model = keras.saving.deserialize_keras_object(deepcopy(config), safe_mode=True)
    if not isinstance(model, keras.Model):
        raise ExportError(f"The configuration is that of a {type(model).__name__}, not of a model.")
    return model


def _without_compilation(config: Any) -> Any:
    """Return `config` without the optimizers and losses that models in it are compiled with."""
    if isinstance(config, dict):
        return {
            key: _without_compilation(value)
            for key, value in config.items()
            if key != "compile_config"
        }
    if isinstance(config, list | tuple):
        return [_without_compilation(value) for value in config]
    return config
