"""Writing a compact export."""

import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bnkeras.compact.digests import file_digest, values_digest
from bnkeras.compact.laws import seeded_laws
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
    _check_target(target)
    rows, seeded, stored = _classify(model, seed)
    with _replacing(target) as partial:
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


def _classify(model: keras.Model, seed: int):
    """Divide the variables into seeded and stored ones, and describe each in a row."""
    from bnkeras.compact.graph import SeededVariable

    laws = seeded_laws(model, seed)
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


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give a folder to write in; when all went well, it becomes `path`, and else it goes."""
    import tensorflow as tf

    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        _remove_leftovers(path)
        partial.mkdir(parents=True)
        yield partial
        _move_into_place(partial, path)
    except (OSError, tf.errors.OpError) as error:
        raise ExportError(f"The export {path} cannot be written: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _move_into_place(partial: Path, path: Path) -> None:
    """Rename the finished export to its place; one that was there goes only then."""
    if not path.exists():
        partial.rename(path)
        return
    previous = path.with_name(f".{path.name}.previous-{os.getpid()}")
    path.rename(previous)
    try:
        partial.rename(path)
    except BaseException:
        previous.rename(path)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def _remove_leftovers(path: Path) -> None:
    """Remove the unfinished folders that killed processes left beside `path`."""
    for folder in path.parent.glob(f".{glob.escape(path.name)}.partial-*"):
        owner = folder.name.rpartition("-")[2]
        if owner.isdecimal() and not _alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(process: int) -> bool:
    """Whether a process runs on this machine; where that cannot be asked, yes."""
    if process == os.getpid():
        return False  # an earlier one of the same number
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


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
