"""Models of another origin than `bnkeras.build`, as a configuration of Keras."""

import json
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from textwrap import shorten
from typing import Any

import keras

from bnkeras.compact.manifest import ConfigRecord, ForeignRecord, Provenance
from bnkeras.errors import ExportError
from bnkeras.models.blocks import deep_graph

# The modules whose classes and functions a configuration may name: what networks are made
# of. Others of Keras read and write files, and fetch them.
_CLASSES = re.compile(
    r"keras(\.(constraints|dtype_policies|initializers|layers|regularizers))?"
    r"|keras\.src\.(applications|layers|models|ops)\..+"
)
_FUNCTIONS = re.compile(r"builtins|keras\.activations")
_RUN_CODE = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
_VALUES = {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__slice__", "__ellipsis__"}
# What a layer makes of its arguments besides weights, such as the constants of a
# normalization, has no row that bounds it. No network of this size is known.
_LARGEST = 2**24

# A chain of more layers takes so many frames that Python could run out of its stack.
_DEEPEST = 1000

# Layers make their weights through one method, which is another while a model is built.
_building = threading.Lock()


def record_of(model: keras.Model) -> ConfigRecord | ForeignRecord:
    """Return how `model` can be built again, or why it can't."""
    try:
        with warnings.catch_warnings():
            # A lambda is warned of; here it is a reason.
            warnings.simplefilter("ignore")
            config = keras.saving.serialize_keras_object(model)
        config = json.loads(json.dumps(_without_compilation(config), allow_nan=False))
        _check(config)
    except Exception as error:  # a get_config of somebody's can raise anything
        return ForeignRecord(name=model.name, reason=shorten(str(error), 300))
    return ConfigRecord(name=model.name, config=config)


def build_from(config: dict[str, Any], rows: Sequence[Provenance]) -> keras.Model:
    """Build the model of a configuration, with no more weights than `rows` has.

    Raises:
        ExportError: the configuration names what no network consists of, or makes a
            variable that no row stands for.
        Exception: whatever Keras raises where it cannot be built.
    """
    _check(config)
    with _only(rows), deep_graph(min(len(rows), _DEEPEST)):
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
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


def _check(value: Any, key: str = "") -> None:
    """Raise ExportError if a configuration holds what no network needs."""
    if isinstance(value, list):
        for item in value:
            _check(item, key)
    elif isinstance(value, dict):
        if "class_name" in value:
            _check_class(value)
        for name, item in value.items():
            _check(item, name)
    elif isinstance(value, int) and abs(value) > _LARGEST and "seed" not in key:
        raise ExportError(f"The configuration has a {key!r} of {value}, above {_LARGEST}.")


def _check_class(config: dict[str, Any]) -> None:
    """Raise ExportError if a configuration names a class or a function that is not known."""
    name, module = config["class_name"], str(config.get("module"))
    if "compile_config" in config or name in _RUN_CODE:
        raise ExportError(f"The configuration holds {name!r}, which can run any code.")
    if name in _VALUES:
        return
    if name == "function":
        name = registered = config.get("config")
        known = _FUNCTIONS.fullmatch(module)
    else:
        registered = config.get("registered_name")
        known = _CLASSES.fullmatch(module)
    # What is registered in this process is what Keras takes, whatever the module says.
    if keras.saving.get_registered_object(registered) is None and not known:
        raise ExportError(
            f"The configuration holds {name!r} of {module!r}, which is neither of Keras' networks "
            f"nor registered in this process. Import its module, where "
            f"@keras.saving.register_keras_serializable() stands on it."
        )


@contextmanager
def _only(rows: Sequence[Provenance]) -> Iterator[None]:
    """Let layers of this thread make only variables of the rows' shapes.

    All together they have at most twice the values of the rows: `Bidirectional` builds its
    layer, makes two others like it, and drops the first.
    """
    shapes = {row.shape for row in rows}
    left = 2 * sum(row.size for row in rows)
    add_weight = keras.layers.Layer.add_weight
    thread = threading.get_ident()

    def bounded(layer, *args, shape=None, **kwargs):
        nonlocal left
        if threading.get_ident() == thread:
            wanted = (args[0] if args else shape) or ()
            key = (wanted,) if isinstance(wanted, int) else tuple(wanted)
            if key not in shapes or prod(key) > left:
                raise ExportError(f"{layer.name!r} has a variable of shape {key} without a row.")
            left -= prod(key)
        return add_weight(layer, *args, shape=shape, **kwargs)

    with _building:
        keras.layers.Layer.add_weight = bounded
        try:
            yield
        finally:
            keras.layers.Layer.add_weight = add_weight
