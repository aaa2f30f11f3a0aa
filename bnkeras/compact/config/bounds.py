"""Building a model of somebody else's configuration with bounds on memory and time."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import keras

from bnkeras.compact.config.check import LARGEST
from bnkeras.compact.manifest.records import Provenance
from bnkeras.errors import ExportError

# Steps are calls of layers, and symbolic tensors that are made. Keras' own models take less than
# one for each object of their configuration; a small model takes a few more.
_STEPS = 1000
_STEPS_PER_OBJECT = 20
# A minute's worth.
_MOST_STEPS = 200_000

# Through these Keras makes variables, calls layers and makes symbolic tensors and constants.
_METHODS = (
    (keras.layers.Layer, "add_weight"),
    (keras.Operation, "__call__"),
    (keras.KerasTensor, "__init__"),
    (keras.layers.Normalization, "build"),
)
# They are others while a model is built.
_building = threading.Lock()


@contextmanager
def bounded(rows: Sequence[Provenance], config: Any) -> Iterator[None]:
    """Let what is built in this thread take no more than an export of `rows` needs.

    - Layers make only variables of the rows' shapes, and of all together at most twice the
      values: `Bidirectional` builds its layer, makes two others like it, and drops the first.
      They are zeros, for the rows say what comes into them; an initializer of the
      configuration could take hours.
    - Keras calls layers and makes symbolic tensors a bounded number of times. Nested models
      of which each calls the one inside it twice would take a time that doubles with each,
      and layers that are listed from the last to the first, the square of their number.
    - `Normalization` makes constants of at most 2^24 values.

    Args:
        rows: what the export has of each variable.
        config: the configuration, checked.

    Raises:
        ExportError: inside, where a bound is passed.
    """
    thread = threading.get_ident()
    shapes = {row.shape for row in rows}
    values = 2 * sum(row.size for row in rows)
    allowed = min(_MOST_STEPS, _STEPS + _needed(config))
    steps = 0
    originals = {name: getattr(kind, name) for kind, name in _METHODS}

    def count() -> None:
        nonlocal steps
        if threading.get_ident() == thread:
            steps += 1
            if steps > allowed:
                raise ExportError(
                    f"The configuration takes too many steps to build: more than {allowed}, "
                    f"which are plenty for one of its size."
                )

    def add_weight(layer, shape=None, initializer=None, *args, **kwargs):
        nonlocal values
        if threading.get_ident() == thread:
            key = (shape,) if isinstance(shape, int) else tuple(shape or ())
            if key not in shapes or prod(key) > values:
                raise ExportError(f"{layer.name!r} has a variable of shape {key} without a row.")
            values -= prod(key)
            initializer = "zeros"
        return originals["add_weight"](layer, shape, initializer, *args, **kwargs)

    def call(operation, *args, **kwargs):
        count()
        return originals["__call__"](operation, *args, **kwargs)

    def tensor(self, *args, **kwargs):
        count()
        originals["__init__"](self, *args, **kwargs)

    def build(layer, input_shape):
        kept = [input_shape[axis] or 1 for axis in layer.axis] if input_shape else []
        if prod(kept) > LARGEST and threading.get_ident() == thread:
            raise ExportError(f"{layer.name!r} has constants of shape {kept}, above {LARGEST}.")
        originals["build"](layer, input_shape)

    with _building:
        for (kind, name), method in zip(_METHODS, (add_weight, call, tensor, build), strict=True):
            setattr(kind, name, method)
        try:
            yield
        finally:
            for kind, name in _METHODS:
                setattr(kind, name, originals[name])


def _needed(config: Any) -> int:
    """Return how many steps a configuration may take for what is in it."""
    if isinstance(config, list):
        return sum(map(_needed, config))
    if not isinstance(config, dict):
        return 0
    own = _STEPS_PER_OBJECT if "class_name" in config else 0
    if config.get("class_name") == "Sequential":
        # Keras builds it anew with each layer that it adds.
        own += len(config["config"]["layers"]) ** 2
    return own + sum(map(_needed, config.values()))
