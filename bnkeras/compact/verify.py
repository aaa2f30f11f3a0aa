"""Comparing the parts of an export: files, manifest, regenerated weights, graph."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from bnkeras.compact.manifest import read_manifest
from bnkeras.compact.reader import check_files, rebuild
from bnkeras.errors import ExportError
from bnkeras.seeding import reference

_PROBE_IMAGES = 8
# What summing in another order may change, relative to the largest logit.
_ROUNDING = 1e-4


def verify_compact(path: str | Path) -> dict[str, Any]:
    """Check that the files, the weights and the graph of an export agree.

    In order: sizes and SHA-256 of all files; the digest of every variable of the
    rebuilt network; the logits of the SavedModel's signature, loaded by plain
    TensorFlow, against those of the rebuilt Keras network on a probe batch.

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
    import tensorflow as tf

    path = Path(path)
    manifest = read_manifest(path)
    check_files(path, manifest)
    model = rebuild(path, manifest)
    probe = probe_batch(manifest.seed, tuple(model.input_shape[1:]))
    try:
        served = tf.saved_model.load(str(path)).signatures["serving_default"]
        graph_logits = served(image=probe)["logits"].numpy()
    except (tf.errors.OpError, OSError, ValueError, KeyError) as error:
        raise ExportError(f"{path}: TensorFlow cannot load or run the graph: {error}") from error
    logits = np.asarray(keras_logits(model, probe))
    difference = float(np.max(np.abs(graph_logits - logits), initial=0.0))
    scale = float(np.max(np.abs(logits), initial=1.0))
    if not difference <= _ROUNDING * scale:
        raise ExportError(
            f"{path}: the graph's logits differ from the rebuilt network's by {difference:.3g} "
            f"(largest logit {scale:.3g}). The graph does not belong to this manifest."
        )
    return {
        "files": len(manifest.files),
        "variables": len(manifest.variables),
        "probe_images": len(probe),
        "largest_difference": difference,
    }


def keras_logits(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Return the logits of `model`, traced as the export is, so that the bits agree."""
    import tensorflow as tf

    function = tf.function(lambda images: model(images, training=False), autograph=False)
    return function(tf.constant(images)).numpy()


def probe_batch(seed: int, image_shape: tuple[int, ...]) -> np.ndarray:
    """Return a few images of normal noise from the generator, float32."""
    shape = (_PROBE_IMAGES, *(32 if size is None else size for size in image_shape))
    return reference.values("normal(1)", seed, "compact/probe", shape)
