"""Comparing the parts of an export: files, manifest, regenerated weights, graph."""

from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from bnkeras.compact.external import in_place
from bnkeras.compact.interface import Interface
from bnkeras.compact.manifest import (
    ArchitectureRecord,
    ForeignRecord,
    Manifest,
    TensorRecord,
    read_manifest,
)
from bnkeras.compact.reader import check_files, check_values, rebuild
from bnkeras.errors import ExportError
from bnkeras.models.variables import layers_of
from bnkeras.seeding import reference

CHECKS = ("manifest", "files", "variables", "graph")

_PROBES = 8
_MOST_PROBE_VALUES = 2**26
# Where the size of an input is free: pixels of an image, steps of a sequence.
_PROBE_PIXELS = 96
_PROBE_STEPS = 16
# What summing in another order may change, relative to the largest output.
_ROUNDING = 1e-4


class Check(NamedTuple):
    """A check that passed: its name, one of `CHECKS`, what it found, and the figures of it."""

    name: str
    found: str
    figures: dict[str, Any]


def verify_compact(
    path: str | Path, external: Iterable[str | Path] = (), *, into: keras.Model | None = None
) -> dict[str, Any]:
    """Check that the files, the weights and the graph of an export agree.

    In order: the manifest; sizes and SHA-256 of all files; the digest of every
    variable of the rebuilt network; the outputs of the SavedModel, loaded by plain
    TensorFlow, against those of the rebuilt Keras network on a probe batch, through
    the signature that takes the network's own inputs. The last one runs the graph,
    which `load_compact` does not: the graph of an export from an untrusted source can
    do whatever TensorFlow's operations can.

    Args:
        path: directory that `save_compact` wrote.
        external: as for `load_compact`. The graph itself finds external weights only in
            the export and in the folder `external` beside it; where they are elsewhere, it
            is run from a temporary folder in which they are in place.
        into: as for `load_compact`.

    Returns:
        A dict with `files`, `variables`, `probes` (what was compared) and
        `largest_difference` (of outputs; 0.0 when they are the same bits, None where there
        is no network to compare with: a model without a configuration, and no `into`).

    Raises:
        InputError: there is no compact export at `path`.
        ExportError: something does not agree; the message names it.

    Example:
        >>> verify_compact("saved_models/mine")["largest_difference"]
        0.0
    """
    figures = {}
    for check in run_checks(path, external, into):
        figures |= check.figures
    return {key: figures[key] for key in ("files", "variables", "probes", "largest_difference")}


def run_checks(
    path: str | Path, external: Iterable[str | Path] = (), into: keras.Model | None = None
) -> Iterator[Check]:
    """Run the checks of `verify_compact` in the order of `CHECKS`, and yield each that passes.

    Raises:
        InputError, ExportError: as `verify_compact`, from the check that fails.
    """
    path = Path(path)
    external = tuple(external)
    manifest = read_manifest(path)
    yield Check(
        "manifest",
        f"format version {manifest.format_version}, its SHA-256 is right",
        {"format_version": manifest.format_version},
    )
    check_files(path, manifest)
    size = sum(record.bytes for record in manifest.files.values())
    yield Check(
        "files",
        f"{len(manifest.files)} files of {size:,} bytes have the recorded sizes and SHA-256",
        {"files": len(manifest.files), "bytes": size},
    )
    model = None
    if into is None and isinstance(manifest.architecture, ForeignRecord):
        check_values(path, manifest, external)
    else:
        model = rebuild(path, manifest, external, into)
    kinds = {"seeded": f"regenerated from seed {manifest.seed}", "stored": "stored"}
    kinds["external"] = "external"
    count = {kind: len(manifest.of(kind)) for kind in kinds}
    found = " and ".join(f"{count[kind]} {text}" for kind, text in kinds.items() if count[kind])
    yield Check(
        "variables",
        f"{found} ones have the recorded digests",
        {"variables": len(manifest.variables), **count},
    )
    if model is None:
        yield _run_graph(path, manifest, external)
    else:
        yield _check_graph(path, manifest, external, model)


def _run_graph(path: Path, manifest: Manifest, external: Iterable[str | Path]) -> Check:
    """Run the graph where there is no network to compare it with."""
    probes = probe_batch(path, manifest.seed or 0, manifest.inputs, vocabulary=2)
    _served(path, manifest, external, probes)
    return Check(
        "graph",
        f"it runs on {_PROBES} probe inputs; its outputs were compared with nothing, as the "
        f"network cannot be rebuilt",
        {"probes": _PROBES, "largest_difference": None},
    )


def _check_graph(
    path: Path, manifest: Manifest, external: Iterable[str | Path], model: keras.Model
) -> Check:
    built = isinstance(manifest.architecture, ArchitectureRecord)
    interface = Interface(model, classifier=built)
    probes = probe_batch(path, manifest.seed or 0, interface.inputs, _vocabulary(model))
    served = _served(path, manifest, external, probes)
    rebuilt = _run(interface.call, probes)
    if served.keys() != rebuilt.keys():
        raise ExportError(
            f"{path}: the graph's outputs are {', '.join(served)}, the rebuilt network's "
            f"{', '.join(rebuilt)}. The graph does not belong to this manifest."
        )
    differences = [_difference(path, name, served[name], rebuilt[name]) for name in rebuilt]
    difference = max(differences)
    what = "logits" if built else "outputs"
    images = "images" if len(interface.inputs[0].shape) == 4 else "inputs"
    return Check(
        "graph",
        f"its {what} of {_PROBES} probe {images} "
        + (
            "are the rebuilt network's, bit for bit"
            if difference == 0
            else f"are within {difference:.2g}"
        ),
        {"probes": _PROBES, "largest_difference": difference},
    )


def _difference(path: Path, name: str, graph: np.ndarray, network: np.ndarray) -> float:
    """Return by how much an output differs, 0.0 for the same bits; raise if by too much."""
    if (graph.shape, graph.dtype) != (network.shape, network.dtype):
        raise ExportError(
            f"{path}: the graph's {name} are {graph.dtype} {graph.shape}, the rebuilt network's "
            f"{network.dtype} {network.shape}. The graph does not belong to this manifest."
        )
    # Bits first: the logits of a network that diverged are NaN, in both.
    if graph.tobytes() == network.tobytes():
        return 0.0
    if graph.dtype.kind in "OSU":
        raise ExportError(f"{path}: the graph's {name} differ from the rebuilt network's.")
    graph, network = graph.astype(np.float64), network.astype(np.float64)
    difference, scale = float(np.max(np.abs(graph - network))), float(np.max(np.abs(network)))
    if not difference <= _ROUNDING * max(1.0, scale):
        raise ExportError(
            f"{path}: the graph's {name} differ from the rebuilt network's by {difference:.3g} "
            f"(the largest is {scale:.3g}). The graph does not belong to this manifest."
        )
    return difference


def _served(
    path: Path,
    manifest: Manifest,
    external: Iterable[str | Path],
    inputs: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Return what the export computes of the network's inputs, as plain TensorFlow loads it."""
    import tensorflow as tf

    signature = "network" if manifest.front else "serving_default"
    with in_place(path, manifest, external) as export:
        try:
            served = tf.saved_model.load(str(export)).signatures[signature]
            outputs = served(**{name: tf.constant(values) for name, values in inputs.items()})
            return {name: value.numpy() for name, value in sorted(outputs.items())}
        except Exception as error:  # a forged graph can make TensorFlow raise anything
            raise ExportError(
                f"{path}: TensorFlow cannot load or run the graph: {error}"
            ) from error


def _run(call, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the outputs of `call`, traced as the export is, so that the bits agree."""
    import tensorflow as tf

    outputs = tf.function(call, autograph=False)(
        {name: tf.constant(values) for name, values in inputs.items()}
    )
    return {name: value.numpy() for name, value in sorted(outputs.items())}


def keras_logits(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Return the logits of `model`, traced as the export is, so that the bits agree."""
    import tensorflow as tf

    function = tf.function(lambda images: model(images, training=False), autograph=False)
    return function(tf.constant(images)).numpy()


def probe_batch(
    path: Path, seed: int, inputs: tuple[TensorRecord, ...], vocabulary: int
) -> dict[str, np.ndarray]:
    """Return a few inputs from the generator, by name: normal noise, and ids below `vocabulary`.

    Rows of ids end in more and more zeros, as sequences that are padded do.
    """
    return {
        record.name: _probe(path, seed, record, vocabulary, f"compact/probe{index or ''}")
        for index, record in enumerate(inputs)
    }


def _vocabulary(model: keras.Model) -> int:
    """Return the number of ids that all embeddings of `model` have."""
    embeddings = (layer for layer in layers_of(model) if isinstance(layer, keras.layers.Embedding))
    return min((layer.input_dim for layer in embeddings), default=2)


def _probe(path: Path, seed: int, record: TensorRecord, vocabulary: int, stream: str) -> np.ndarray:
    if record.shape is None:
        raise ExportError(f"{path}: the input {record.name!r} has no shape to probe with.")
    free = _PROBE_PIXELS if len(record.shape) >= 4 else _PROBE_STEPS
    rows = record.shape[0] or _PROBES
    shape = (rows, *(free if size is None else size for size in record.shape[1:]))
    if prod(shape) > _MOST_PROBE_VALUES:
        raise ExportError(f"{path}: inputs of shape {shape[1:]} are too large to probe with.")
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
