"""Writing a compact export."""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bnkeras.compact.digests import file_digest, values_digest
from bnkeras.compact.manifest import (
    FORMAT_VERSION,
    MANIFEST,
    ArchitectureRecord,
    FileRecord,
    GeneratorRecord,
    Manifest,
    Provenance,
    StoredFile,
)
from bnkeras.errors import ExportError
from bnkeras.models.registry import architecture_of
from bnkeras.models.variables import Group, grouped_variables
from bnkeras.regimes import regime_of
from bnkeras.seeding import GENERATOR, GENERATOR_VERSION, Law, reference
from bnkeras.seeding.initializer import Seeded

# Below this, the operations that regenerate a variable take more bytes than its values.
_SMALLEST_SEEDED = 256


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
        path: directory to write; an export that is there already is replaced.
        class_names: names of the classes, kept in the manifest.
        preprocessing: how images become inputs, kept in the manifest.
        training: recipe and metrics, kept in the manifest.

    Returns:
        The path of the export.

    Raises:
        ExportError: the model is not of `bnkeras.build`, or `path` holds something else.

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
    path = Path(path)
    _check_target(path)
    seed = architecture.arguments["seed"]
    rows, seeded, stored = _classify(model, seed)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        data_file = _write_saved_model(model, seeded, stored, seed, partial)
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            generator=GeneratorRecord(name=GENERATOR, version=GENERATOR_VERSION),
            seed=seed,
            architecture=ArchitectureRecord(
                name=architecture.name, arguments=_jsonable(architecture.arguments)
            ),
            regime=regime_of(model),
            class_names=None if class_names is None else tuple(class_names),
            preprocessing=preprocessing,
            training=training,
            versions=_versions(),
            files=_file_records(partial),
            stored=StoredFile(
                file=data_file.relative_to(partial).as_posix(), offset=_offset(data_file, stored)
            ),
            variables=tuple(rows),
        )
        manifest.write(partial)
        _move_into_place(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return path


def _classify(model: keras.Model, seed: int):
    """Divide the variables into seeded and stored ones, and describe each in a row."""
    from bnkeras.compact.graph import SeededVariable

    laws = _seeded_laws(model, seed)
    rows, seeded, stored = [], [], []
    for path, group, variable in grouped_variables(model):
        values = variable.numpy()
        if values.dtype != np.float32:
            raise ExportError(f"{path}: a compact export holds float32; received {values.dtype}.")
        law = laws.get(path)
        # Nothing is called seeded unless it regenerates to the same bits.
        if (
            law is not None
            and group is not Group.BATCHNORM
            and values.size >= _SMALLEST_SEEDED
            and law.reproducible
            and np.array_equal(
                reference.values(law, seed, path, values.shape).view(np.uint32),
                values.view(np.uint32),
            )
        ):
            provenance = "seeded"
            seeded.append(SeededVariable(path, law, variable))
        else:
            provenance, law = "stored", None
            stored.append(variable)
        text = None if law is None else str(law)
        rows.append(
            Provenance(path, values.shape, "float32", provenance, text, values_digest(values))
        )
    return rows, seeded, stored


def _seeded_laws(model: keras.Model, seed: int) -> dict[str, Law]:
    """Return the law of every variable whose layer holds a `Seeded` initializer for it."""
    laws = {}
    for layer in model._flatten_layers(include_self=False, recursive=True):
        for variable in layer._trainable_variables:
            initializer = getattr(layer, f"{variable.name}_initializer", None)
            if (
                isinstance(initializer, Seeded)
                and initializer.seed == seed
                and initializer.path == variable.path
            ):
                laws[variable.path] = initializer.law
    return laws


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


def _check_target(path: Path) -> None:
    if path.exists() and not (path / MANIFEST).is_file() and not _is_empty(path):
        raise ExportError(
            f"{path} exists and is no compact export, so it is not replaced. Choose another path "
            f"or remove it."
        )


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _move_into_place(partial: Path, path: Path) -> None:
    """Rename the finished export to its place; one that was there goes only then."""
    if not path.exists():
        partial.rename(path)
        return
    previous = path.with_name(f".{path.name}.previous-{os.getpid()}")
    path.rename(previous)
    partial.rename(path)
    shutil.rmtree(previous)


def _jsonable(arguments: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(arguments, default=list))


def _versions() -> dict[str, str]:
    import tensorflow as tf

    from bnkeras._version import __version__

    return {
        "bnkeras": __version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
    }
