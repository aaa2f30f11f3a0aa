"""Comparing the parts of an export: files, manifest, regenerated weights, graph."""

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from bnkeras.compact.manifest import Manifest, read_manifest
from bnkeras.compact.reader import check_files, rebuild
from bnkeras.errors import ExportError
from bnkeras.seeding import reference

CHECKS = ("manifest", "files", "variables", "graph")

_PROBE_IMAGES = 8
_MOST_PROBE_VALUES = 2**26
# What summing in another order may change, relative to the largest logit.
_ROUNDING = 1e-4


class Check(NamedTuple):
    """A check that passed: its name, one of `CHECKS`, what it found, and the figures of it."""

    name: str
    found: str
    figures: dict[str, Any]


def verify_compact(path: str | Path) -> dict[str, Any]:
    """Check that the files, the weights and the graph of an export agree.

    In order: the manifest; sizes and SHA-256 of all files; the digest of every
    variable of the rebuilt network; the logits of the SavedModel's signature, loaded
    by plain TensorFlow, against those of the rebuilt Keras network on a probe batch.
    The last one runs the graph, which `load_compact` does not: the graph of an export
    from an untrusted source can do whatever TensorFlow's operations can.

    Args:
        path: directory that `save_compact` wrote.

    Returns:
        A dict with `files`, `variables`, `probe_images` (what was compared) and
        `largest_difference` (of logits; 0.0 when they are the same bits).

    Raises:
        InputError: there is no compact export at `path`.
        ExportError: something does not agree; the message names it.

    Example:
        >>> verify_compact("saved_models/mine")["largest_difference"]
        0.0
    """
    figures = {}
    for check in run_checks(path):
        figures |= check.figures
    keys = ("files", "variables", "probe_images", "largest_difference")
    return {key: figures[key] for key in keys}


def run_checks(path: str | Path) -> Iterator[Check]:
    """Run the checks of `verify_compact` in the order of `CHECKS`, and yield each that passes.

    Raises:
        InputError, ExportError: as `verify_compact`, from the check that fails.
    """
    path = Path(path)
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
    model = rebuild(path, manifest)
    seeded, stored = len(manifest.of("seeded")), len(manifest.of("stored"))
    yield Check(
        "variables",
        f"{seeded} regenerated from seed {manifest.seed} and {stored} stored ones have the "
        f"recorded digests",
        {"variables": len(manifest.variables), "seeded": seeded, "stored": stored},
    )
    yield _check_graph(path, manifest, model)


def _check_graph(path: Path, manifest: Manifest, model: keras.Model) -> Check:
    probe = probe_batch(path, manifest.seed, tuple(model.input_shape[1:]))
    graph_logits = _served_logits(path, probe)
    logits = keras_logits(model, probe)
    if (graph_logits.shape, graph_logits.dtype) != (logits.shape, logits.dtype):
        raise ExportError(
            f"{path}: the graph's logits are {graph_logits.dtype} {graph_logits.shape}, the "
            f"rebuilt network's {logits.dtype} {logits.shape}. The graph does not belong to this "
            f"manifest."
        )
    # Bits first: the logits of a network that diverged are NaN, in both.
    same = np.array_equal(graph_logits.view(np.uint32), logits.view(np.uint32))
    difference = 0.0 if same else float(np.max(np.abs(graph_logits - logits)))
    scale = float(np.max(np.abs(logits)))
    if not (same or difference <= _ROUNDING * max(1.0, scale)):
        raise ExportError(
            f"{path}: the graph's logits differ from the rebuilt network's by {difference:.3g} "
            f"(largest logit {scale:.3g}). The graph does not belong to this manifest."
        )
    return Check(
        "graph",
        f"its logits of {len(probe)} probe images "
        + ("are the rebuilt network's, bit for bit" if same else f"are within {difference:.2g}"),
        {"probe_images": len(probe), "largest_difference": difference},
    )


def _served_logits(path: Path, images: np.ndarray) -> np.ndarray:
    """Return the logits that the export's signature computes, as plain TensorFlow loads it."""
    import tensorflow as tf

    try:
        served = tf.saved_model.load(str(path)).signatures["serving_default"]
        return served(image=tf.constant(images))["logits"].numpy()
    except Exception as error:  # a forged graph can make TensorFlow raise anything
        raise ExportError(f"{path}: TensorFlow cannot load or run the graph: {error}") from error


def keras_logits(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Return the logits of `model`, traced as the export is, so that the bits agree."""
    import tensorflow as tf

    function = tf.function(lambda images: model(images, training=False), autograph=False)
    return function(tf.constant(images)).numpy()


def probe_batch(path: Path, seed: int, image_shape: tuple[int, ...]) -> np.ndarray:
    """Return a few images of normal noise from the generator, float32."""
    shape = (_PROBE_IMAGES, *image_shape)
    if prod(shape) > _MOST_PROBE_VALUES:
        raise ExportError(f"{path}: images of shape {image_shape} are too large to probe with.")
    return reference.values("normal(1)", seed, "compact/probe", shape)
