"""The layers of this package in terms of Keras' own, as configurations.

A configuration is what `keras.saving.serialize_keras_object` gives: nested dicts and
lists. What has a counterpart of the same variables gets its name; where none exists, a
small functional model of the same name takes its place.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from bnkeras.layers import (
    LSTM,
    Affine,
    BatchNormalization,
    Embedding,
    GroupNormalization,
    LastStep,
)
from bnkeras.layers.masked import Masked, MaskedLoop
from bnkeras.seeding import Law, parse
from bnkeras.seeding.initializer import Seeded

Config = dict[str, Any]


def in_stock_layers(config: Any) -> Any:
    """Return `config` with Keras' own layers in place of those of this package.

    | of this package | of Keras |
    |---|---|
    | `BatchNormalization`, `LSTM`, masked layers | the same without what we add |
    | `GroupNormalization` | the same; of the words of a sequence `LayerNormalization`, \
with several groups between two `Reshape` |
    | `Affine` | `EinsumDense`, whose kernel is γ and whose bias is β |
    | `Embedding` | `Embedding`, times 0 where the id is 0 |
    | `LastStep` | `keras.ops.take_along_axis` |
    | `Seeded` | an initializer of the same distribution |

    Classes of others stay, and so does an `Embedding` with `mask_zero`, whose mask a
    functional model would drop. `classes_beside_keras` names them.
    """
    if isinstance(config, list):
        return [in_stock_layers(item) for item in config]
    if not isinstance(config, dict):
        return config
    config = {key: in_stock_layers(value) for key, value in config.items()}
    registered = keras.saving.get_registered_object(config.get("registered_name"))
    if not isinstance(registered, type):
        return config
    if issubclass(registered, Masked | MaskedLoop):
        return in_stock_layers(_unmasked(config, registered))
    if issubclass(registered, Seeded):
        return config | _seeded(config)
    replace = _REPLACEMENTS.get(registered)
    return config if replace is None else config | replace(config)


def classes_beside_keras(config: Any) -> set[str]:
    """Return the classes that a configuration takes from elsewhere, as `module.name`.

    Functions are called as they are registered: `package>name`.

    Example:
        >>> classes_beside_keras(keras.saving.serialize_keras_object(model))
        {'mine.Swish'}
    """
    if isinstance(config, list):
        return set().union(*map(classes_beside_keras, config))
    if not isinstance(config, dict):
        return set()
    found = classes_beside_keras(list(config.values()))
    if "class_name" in config and "module" in config:
        # Keras leaves out the module of what the main script defines.
        module, name = config["module"] or "__main__", config["class_name"]
        if name == "function":
            name = str(config["config"])
        if ">" in name:
            found.add(name)
        elif module.partition(".")[0] not in ("keras", "builtins"):
            found.add(f"{module}.{name}")
    return found


def _unmasked(config: Config, masked: type[keras.layers.Layer]) -> Config:
    """Return the configuration of the layer that `masked` is made of."""
    base = masked.__bases__[1]
    arguments = {key: value for key, value in config["config"].items() if key != "kernel_mask"}
    own = base.__module__.startswith("keras.")
    return config | {
        "module": "keras.layers" if own else base.__module__,
        "class_name": base.__name__,
        "registered_name": None if own else keras.saving.get_registered_name(base),
        "config": arguments,
    }


def _same(config: Config) -> Config:
    """Return the layer of Keras that has the same name and the same arguments."""
    return {"module": "keras.layers", "registered_name": None}


def _group_normalization(config: Config) -> Config:
    arguments, shape = dict(config["config"]), config["build_config"]["input_shape"]
    per_position, groups = arguments.pop("per_position"), arguments["groups"]
    if not per_position or len(shape) == 2:
        return _same(config) | {"config": arguments}
    if groups == 1:
        del arguments["groups"]
        return _same(config) | {"class_name": "LayerNormalization", "config": arguments}
    free = [-1 if size is None else size for size in shape[1:]]
    if free.count(-1) > 1 or not (arguments["scale"] and arguments["center"]):
        return {}
    name, channels = arguments["name"], shape[-1]
    inputs = _input(shape, _compute_dtype(arguments))
    by_group = keras.layers.Reshape((-1, groups, channels // groups), name="by_group")(inputs)
    normalized = keras.layers.LayerNormalization(
        epsilon=arguments["epsilon"], center=False, scale=False, dtype="float32", name="normalize"
    )(by_group)
    flat = keras.layers.Reshape(free, name="flat")(normalized)
    affine = keras.layers.EinsumDense.from_config(_per_channel(arguments, channels, "float32"))
    outputs = ops.cast(affine(flat), inputs.dtype)
    return _functional(name, inputs, outputs)


def _affine(config: Config) -> Config:
    arguments, channels = config["config"], config["build_config"]["input_shape"][-1]
    per_channel = _per_channel(arguments, channels, arguments["dtype"])
    return _same(config) | {"class_name": "EinsumDense", "config": per_channel}


def _embedding(config: Config) -> Config:
    arguments = config["config"]
    if arguments["mask_zero"]:
        return {}
    ids = _input(config["build_config"]["input_shape"], "int32")
    vectors = keras.layers.Embedding.from_config(arguments)(ids)
    words = ops.cast(ops.not_equal(ids, 0), vectors.dtype)
    return _functional(arguments["name"], ids, vectors * ops.expand_dims(words, -1))


def _last_step(config: Config) -> Config:
    nodes = config.get("inbound_nodes")
    if not nodes:
        return {}
    calls = [[*node["args"], *node["kwargs"].values()][:2] for node in nodes]
    sequences, ids = (_input(t["config"]["shape"], t["config"]["dtype"]) for t in calls[0])
    length = ops.sum(ops.cast(ops.not_equal(ids, 0), "int32"), axis=1)
    last = ops.reshape(ops.maximum(length - 1, 0), (-1, 1, 1))
    outputs = ops.squeeze(ops.take_along_axis(sequences, last, axis=1), 1)
    return _functional(config["config"]["name"], [sequences, ids], outputs) | {
        "inbound_nodes": [{"args": [call], "kwargs": {}} for call in calls]
    }


def _seeded(config: Config) -> Config:
    initializer = _of_distribution(parse(config["config"]["law"]))
    return keras.saving.serialize_keras_object(initializer)


def _of_distribution(law: Law) -> keras.initializers.Initializer:
    """Return Keras' initializer of the distribution of `law`; of its variance for `binary`."""
    initializers = keras.initializers
    match law.name, law.arguments:
        case "constant", (value,):
            return initializers.Constant(value)
        case "normal", (std,):
            return initializers.RandomNormal(0.0, std)
        case "uniform", (low, high):
            return initializers.RandomUniform(low, high)
        case "output_bias", (fan_in,):
            return initializers.RandomUniform(-1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))
        case "orthogonal", gain:
            return initializers.Orthogonal(*gain)
        case "he_uniform", _:
            return initializers.HeUniform()
    return initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal")


def _per_channel(arguments: Config, channels: int, dtype: Any) -> Config:
    """Return the arguments of an `EinsumDense` that scales and shifts each channel."""
    return {
        "name": arguments["name"],
        "dtype": dtype,
        "equation": "...c,c->...c",
        "output_shape": channels,
        "bias_axes": "c",
        "kernel_initializer": arguments["gamma_initializer"],
        "bias_initializer": arguments["beta_initializer"],
    }


def _compute_dtype(arguments: Config) -> str:
    return keras.saving.deserialize_keras_object(arguments["dtype"]).compute_dtype


def _input(shape: list[int | None], dtype: str) -> keras.KerasTensor:
    return keras.Input(batch_shape=(None, *shape[1:]), dtype=dtype)


def _functional(name: str, inputs: Any, outputs: keras.KerasTensor) -> Config:
    return keras.saving.serialize_keras_object(keras.Model(inputs, outputs, name=name))


_REPLACEMENTS: dict[type, Callable[[Config], Config]] = {
    Affine: _affine,
    BatchNormalization: _same,
    Embedding: _embedding,
    GroupNormalization: _group_normalization,
    LSTM: _same,
    LastStep: _last_step,
}
