"""Writing a compact export."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bnkeras.compact.digests import file_digest
from bnkeras.compact.manifest import (
    FORMAT_VERSION,
    ArchitectureRecord,
    FileRecord,
    GeneratorRecord,
    Manifest,
    StoredFile,
)
from bnkeras.compact.provenance import classify
from bnkeras.compact.replacing import check_target, replacing
from bnkeras.errors import ExportError
from bnkeras.models.registry import architecture_of
from bnkeras.regimes import regime_of
from bnkeras.seeding import GENERATOR, GENERATOR_VERSION, Law


def save_compact(
    model: keras.Model,
    path: str | Path,
    *,
    class_names: Sequence[str] | None = None,
    preprocessing: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
) -> Path:
    """Write `model` as a SavedModel of its seed and of the values that training changed.

    Weights that still have the values their seed gives are regenerated when the
    SavedModel is loaded, by the graph itself: plain TensorFlow suffices, and so does
    TensorFlow Serving. Everything else is stored: γ, β, the moving statistics and
    whatever was trained.

    The signature `serving_default` takes `image`, float32 [batch, height, width,
    channels], preprocessed as in training, and returns `logits` and `probabilities`,
    float32 [batch, classes].

    Args:
        model: a network of `bnkeras.build`, trained or not.
        path: directory to write, with its parents; an export that is there already is
            replaced.
        class_names: names of the classes, in the order of the logits, kept in the
            manifest.
        preprocessing: how images become inputs, kept in the manifest: what JSON can say.
        training: recipe and metrics, kept in the manifest: what JSON can say.

    Returns:
        The path of the export.

    Raises:
        ExportError: the model is not of `bnkeras.build`; `path` holds something else or
            cannot be written; or a value for the manifest is not what JSON can say. An
            export that was at `path` is still there.

    Example:
        >>> bnkeras.save_compact(model, "saved_models/mine")
        >>> served = tf.saved_model.load("saved_models/mine").signatures["serving_default"]
        >>> served(image=images)["logits"]
    """
    architecture = architecture_of(model)
    if architecture is None:
        raise ExportError(
            f"A compact export needs to know how to build the network again; {model.name!r} was "
            f"not made by bnkeras.build. Build it there, or save it with model.save."
        )
    arguments = _jsonable("arguments of the network", architecture.arguments)
    seed = arguments["seed"]
    record = {
        "class_names": _class_names(model, class_names),
        "preprocessing": _jsonable("preprocessing", preprocessing),
        "training": _jsonable("training", training),
    }
    # What a link points to is replaced, not the link.
    target = Path(path).resolve()
    check_target(target)
    rows, seeded, stored = classify(model, seed)
    with replacing(target) as partial:
        data_file = _write_saved_model(model, seeded, stored, seed, partial)
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            generator=GeneratorRecord(name=GENERATOR, version=GENERATOR_VERSION),
            seed=seed,
            architecture=ArchitectureRecord(name=architecture.name, arguments=arguments),
            regime=regime_of(model),
            **record,
            versions=_versions(),
            files=_file_records(partial),
            stored=StoredFile(
                file=data_file.relative_to(partial).as_posix(), offset=_offset(data_file, stored)
            ),
            variables=tuple(rows),
        )
        manifest.write(partial)
    return Path(path)


def _write_saved_model(model, seeded, stored, seed: int, folder: Path) -> Path:
    """Write the SavedModel and return the file that holds the stored values."""
    import tensorflow as tf

    from bnkeras.compact.graph import CompactModule

    specification = [seed, [(w.path, str(w.law), tuple(w.variable.shape)) for w in seeded]]
    digest = hashlib.sha256(json.dumps(specification).encode()).hexdigest()
    module = CompactModule(model, seeded, stored, seed, scope=f"bn/{digest[:12]}")
    tf.saved_model.save(
        module,
        str(folder),
        signatures={"serving_default": module.serve},
        options=tf.saved_model.SaveOptions(save_debug_info=False),
    )
    return folder / "variables" / "variables.data-00000-of-00001"


def _offset(data_file: Path, stored: list[keras.Variable]) -> int:
    """Return where the stored values begin in the checkpoint's data file, which is raw bytes."""
    flat = b"".join(variable.numpy().astype("<f4").tobytes() for variable in stored)
    offset = data_file.read_bytes().find(flat)
    if offset < 0:
        raise ExportError(f"The stored values were not found in {data_file.name} as written.")
    return offset


def _file_records(folder: Path) -> dict[str, FileRecord]:
    return {
        file.relative_to(folder).as_posix(): FileRecord(
            bytes=file.stat().st_size, sha256=file_digest(file)
        )
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def _class_names(model: keras.Model, names: Sequence[str] | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ExportError(f"class_names is a list of texts; received {names!r}.")
    if len(names) > model.output_shape[-1]:
        raise ExportError(
            f"class_names has {len(names)} names, and {model.name!r} has "
            f"{model.output_shape[-1]} logits."
        )
    return tuple(str(name) for name in names)


def _jsonable(what: str, value: Any) -> Any:
    """Return `value` as JSON reads it back: NumPy's numbers as numbers, NaN and ∞ as null."""
    try:
        return json.loads(json.dumps(value, default=_plain), parse_constant=lambda _: None)
    except (TypeError, ValueError, RecursionError) as error:
        raise ExportError(f"The {what} cannot be written as JSON ({error}): {value!r}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Law | Path):
        return str(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} is none of its types")


def _versions() -> dict[str, str]:
    import tensorflow as tf

    from bnkeras._version import __version__

    return {
        "bnkeras": __version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
    }
