"""What a Keras configuration of somebody else may hold."""

import re
from typing import Any

import keras

from bnkeras.errors import ExportError

# The modules whose classes and functions a configuration may name: what networks are made
# of. Others of Keras read and write files, and fetch them.
_CLASSES = re.compile(
    r"keras(\.(constraints|dtype_policies|initializers|layers|regularizers))?"
    r"|keras\.src\.(applications|layers|models|ops)\..+"
)
_FUNCTIONS = re.compile(r"builtins|keras\.activations")
_RUN_CODE = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
_ARRAYS = {"__tensor__", "__numpy__"}
_VALUES = _ARRAYS | {"__keras_tensor__", "__bytes__", "__slice__", "__ellipsis__"}
# A text type of NumPy says how many bytes each value takes.
_NUMBERS = re.compile(r"bool|u?int\d\d?|b?float\d\d?")
# What a layer makes of its arguments besides weights has no row that bounds it. No network of
# this size is known.
LARGEST = 2**24


def check_config(config: Any, key: str = "") -> None:
    """Check a configuration, or what it has under `key`, before Keras builds anything of it.

    Raises:
        ExportError: it holds what no network needs: code, files, other modules, numbers
            above 2^24 but seeds, or a layer that is called on constants.
    """
    if isinstance(config, list):
        for item in config:
            check_config(item, key)
    elif isinstance(config, dict):
        if "class_name" in config:
            _check_class(config)
        for node in config.get("inbound_nodes", ()):
            _check_node(config, node)
        for name, item in config.items():
            check_config(item, name)
    elif isinstance(config, int) and abs(config) > LARGEST and "seed" not in key:
        raise ExportError(f"The configuration has a {key!r} of {config}, above {LARGEST}.")


def _check_class(config: dict[str, Any]) -> None:
    """Raise ExportError if a configuration names a class or a function that is not known."""
    name, module = config["class_name"], str(config.get("module"))
    if "compile_config" in config or name in _RUN_CODE:
        raise ExportError(f"The configuration holds {name!r}, which can run any code.")
    if name in _ARRAYS:
        dtype = str(config["config"]["dtype"])
        if not _NUMBERS.fullmatch(dtype):
            raise ExportError(f"The configuration holds values of the type {dtype!r}: no numbers.")
    if name in _VALUES:
        return
    if name == "function":
        name = registered = config.get("config")
        known = _FUNCTIONS.fullmatch(module)
    else:
        registered = config.get("registered_name")
        known = _CLASSES.fullmatch(module)
    # Keras joins module and name by a dot, and looks for what comes of it.
    is_name = isinstance(name, str) and name.isidentifier() and not name.startswith("__")
    # What is registered in this process is what Keras takes, whatever the module says.
    if keras.saving.get_registered_object(registered) is None and not (known and is_name):
        raise ExportError(
            f"The configuration holds {name!r} of {module!r}, which is neither of Keras' networks "
            f"nor registered in this process. Import its module, where "
            f"@keras.saving.register_keras_serializable() stands on it."
        )


def _check_node(config: dict[str, Any], node: Any) -> None:
    """Raise ExportError if a layer of a functional model is called on no tensor of it.

    Keras would compute that, of any size, where it else only infers shapes.
    """
    if not (isinstance(node, dict) and _has_tensor([node.get("args"), node.get("kwargs")])):
        raise ExportError(f"The configuration calls {config.get('name')!r} on no tensor of it.")


def _has_tensor(value: Any) -> bool:
    if isinstance(value, dict):
        if "class_name" in value and "config" in value:
            return value["class_name"] == "__keras_tensor__"
        value = list(value.values())
    return isinstance(value, list) and any(map(_has_tensor, value))
