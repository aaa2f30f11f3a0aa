"""A batch to try a network on: inputs from the generator, and what came of them."""

import base64
from collections.abc import Callable, Iterable
from math import isfinite, prod
from typing import Any

import keras
import numpy as np

from bnkeras.compact.interface import Interface
from bnkeras.compact.manifest.records import ProbeRecord, TensorRecord
from bnkeras.errors import ExportError
from bnkeras.models.variables import layers_of
from bnkeras.seeding import reference

PROBES = 8

_MOST_VALUES = 2**26
# Where the size of an input is free: pixels of an image, steps of a sequence.
_PIXELS = 96
_STEPS = 16
# Of each output that is kept in a manifest.
_KEPT = 32
# What other operations for the same formula may change, relative to the largest output.
_ROUNDING = 1e-4
# Of layers that compute in bfloat16 or float16, with 8 and 11 bits.
HALF_ROUNDING = 5e-2


def vocabulary_of(model: keras.Model) -> int:
    """Return the number of ids that all embeddings of `model` have."""
    embeddings = (layer for layer in layers_of(model) if isinstance(layer, keras.layers.Embedding))
    return min((layer.input_dim for layer in embeddings), default=2)


def rounding_of(model: keras.Model) -> float:
    """Return what other operations may change of the outputs, as a share of the largest."""
    half = any(layer.compute_dtype in ("bfloat16", "float16") for layer in layers_of(model))
    return HALF_ROUNDING if half else _ROUNDING


def probe_batch(
    seed: int | None, inputs: Iterable[TensorRecord], vocabulary: int
) -> dict[str, np.ndarray]:
    """Return a few inputs from the generator, by name: normal noise, and ids below `vocabulary`.

    Rows of ids end in more and more zeros, as sequences that are padded do.

    Raises:
        ExportError: an input has no shape, or too large a one.
    """
    return {
        record.name: _inputs(seed or 0, record, vocabulary, f"compact/probe{index or ''}")
        for index, record in enumerate(inputs)
    }


def probe(
    interface: Interface,
    vocabulary: int,
    seed: int | None,
    values: list[tuple[keras.Variable, Any]],
) -> ProbeRecord:
    """Run a network on its probe batch.

    Args:
        interface: the network.
        vocabulary: see `vocabulary_of`.
        seed: that of the batch.
        values: what an export stores in place of the values of these variables, where that
            is not the same.
    """
    batch = probe_batch(seed, interface.inputs, vocabulary)
    # In a scope random layers leave their states to the graph, which has these as constants.
    with keras.StatelessScope():
        outputs = _outputs(interface.call, batch)
    change = None
    if values:
        before = outputs
        with keras.StatelessScope(state_mapping=values):
            outputs = _outputs(interface.call, batch)
        change = max((_change(outputs[name], before[name]) for name in before), default=0.0)
        # Of outputs that are not finite nothing can be said, and JSON has no word for it.
        change = change if isfinite(change) else None
    kept = {name: _encoded(value) for name, value in outputs.items()}
    return ProbeRecord(vocabulary=vocabulary, outputs=kept, change=change)


def largest_change(before: keras.Model, after: keras.Model) -> float:
    """Return how far the outputs of two networks are apart on a probe batch.

    Both take the same inputs and have the same outputs. The difference is a share of the
    largest value of the first one's.

    Raises:
        ExportError: the inputs are not known, or too large.
    """
    interfaces = [Interface(model, classifier=False) for model in (before, after)]
    batch = probe_batch(None, interfaces[0].inputs, vocabulary_of(before))
    first, second = (list(_outputs(one.call, batch).values()) for one in interfaces)
    return max(map(_change, second, first), default=0.0)


def kept_outputs(record: ProbeRecord) -> dict[str, np.ndarray]:
    """Return the values that `record` kept, flat float32, by the name of the output.

    Raises:
        ValueError: they are not in base64.
    """
    return {
        name: np.frombuffer(base64.b64decode(text, validate=True), "<f4")
        for name, text in record.outputs.items()
    }


def as_kept(values: np.ndarray) -> np.ndarray:
    """Return the part of an output that a record keeps."""
    return np.ravel(values)[:_KEPT].astype(np.float32)


def _outputs(call: Callable, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the outputs of real numbers; the softmax of logits says nothing more than these."""
    outputs = call({name: keras.ops.convert_to_tensor(value) for name, value in batch.items()})
    arrays = {name: np.asarray(value) for name, value in outputs.items()}
    if "logits" in arrays:
        arrays.pop("probabilities", None)
    return {
        name: value.astype(np.float32)
        for name, value in arrays.items()
        if keras.backend.is_float_dtype(str(value.dtype))
    }


def _change(after: np.ndarray, before: np.ndarray) -> float:
    scale = float(np.max(np.abs(before), initial=0))
    return float(np.max(np.abs(after - before), initial=0)) / scale if scale else 0.0


def _encoded(values: np.ndarray) -> str:
    return base64.b64encode(as_kept(values).astype("<f4").tobytes()).decode()


def _inputs(seed: int, record: TensorRecord, vocabulary: int, stream: str) -> np.ndarray:
    if not record.shape:
        raise ExportError(f"The input {record.name!r} has no batch to probe with.")
    free = _PIXELS if len(record.shape) >= 4 else _STEPS
    rows = record.shape[0] or PROBES
    shape = (rows, *(free if size is None else size for size in record.shape[1:]))
    if prod(shape) > _MOST_VALUES:
        raise ExportError(f"Inputs of shape {shape[1:]} are too large to probe with.")
    if record.dtype.startswith("float") or record.dtype == "bfloat16":
        return reference.values("normal(1)", seed, stream, shape).astype(record.dtype)
    words = reference.words(seed, stream, prod(shape)).reshape(shape)
    if record.dtype == "string":
        return words.astype(str)
    if record.dtype == "bool":
        return words % 2 == 0
    if len(shape) >= 4:
        return (words % 256).astype(record.dtype)  # pixels
    ids = np.minimum(1 + words % np.uint32(max(1, vocabulary - 1)), np.uint32(vocabulary - 1))
    if len(shape) == 2:
        lengths = np.maximum(1, shape[1] - np.arange(rows))
        ids[np.arange(shape[1]) >= lengths[:, None]] = 0
    return ids.astype(record.dtype)
