"""Writing a compact export."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from bnkeras.compact.digests import file_digest
from bnkeras.compact.external import FOLDER, write_external
from bnkeras.compact.interface import Interface
from bnkeras.compact.keras_config import record_of
from bnkeras.compact.manifest import (
    FORMAT_VERSION,
    ArchitectureRecord,
    ConfigRecord,
    ExternalFile,
    FileRecord,
    ForeignRecord,
    GeneratorRecord,
    Manifest,
    StoredFile,
    TensorRecord,
)
from bnkeras.compact.provenance import Sources, classify
from bnkeras.compact.replacing import check_target, replacing
from bnkeras.errors import ExportError
from bnkeras.models.registry import architecture_of
from bnkeras.models.variables import root_seed
from bnkeras.regimes import regime_of
from bnkeras.seeding import GENERATOR, GENERATOR_VERSION, Law

if TYPE_CHECKING:
    import tensorflow as tf

    from bnkeras.compact.graph import ExternalWeights


def save_compact(
    model: keras.Model,
    path: str | Path,
    *,
    front: "tf.Module | None" = None,
    external: Sequence[str] = (),
    copy_external: bool = False,
    external_origin: str | None = None,
    class_names: Sequence[str] | None = None,
    preprocessing: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
) -> Path:
    """Write `model` as a SavedModel of its seed and of the values that training changed.

    Weights that still have the values their seed gives are regenerated when the
    SavedModel is loaded, by the graph itself: plain TensorFlow suffices, and so does
    TensorFlow Serving. Everything else is stored: γ, β, the moving statistics and
    whatever was trained. Frozen weights of another origin, such as GloVe vectors or a
    pretrained backbone, can stay outside: see `external`.

    The signature `serving_default` takes the network's inputs by name (`image` and
    `tokens` for those of `bnkeras.build`), preprocessed as in training. It returns
    `logits` and `probabilities`, float32 [batch, classes], for a network of
    `bnkeras.build`, and for any other model its outputs by name. With a `front`,
    `serving_default` takes what that takes, and the signature `network` the
    network's inputs.

    Args:
        model: a built network, of `bnkeras.build` or any Keras model (see
            `bnkeras.reseed`). One whose configuration cannot be read loads only into a
            model: see `load_compact`.
        path: directory to write, with its parents; an export that is there already is
            replaced.
        front: what makes inputs of raw data, in the graph: called on a tensor of
            `front.spec`, a named `tf.TensorSpec`, it gives the network's inputs. Its
            tables and the files that it reads are saved.
        external: patterns of the paths of frozen variables, as `fnmatch` knows them, whose
            values go to a file of their own; `"*"` is all that is frozen, no norm, and
            not seeded. Exports in one folder share such a file, in `external/` beside
            them; without it none of them loads.
        copy_external: whether the file goes into the export instead.
        external_origin: what the external values are, kept in the manifest.
        class_names: names of the classes, in the order of the logits, kept in the
            manifest.
        preprocessing: how data become inputs, kept in the manifest: what JSON can say.
        training: recipe and metrics, kept in the manifest: what JSON can say.

    Returns:
        The path of the export.

    Raises:
        ExportError: the model is not built, or has variables or inputs that an export
            cannot hold; a pattern of `external` matches nothing, or a variable that
            trains; the front does not fit; `path` holds something else or cannot be
            written; or a value for the manifest is not what JSON can say. An export that
            was at `path` is still there.

    Example:
        >>> bnkeras.save_compact(model, "saved_models/mine")
        >>> served = tf.saved_model.load("saved_models/mine").signatures["serving_default"]
        >>> served(image=images)["logits"]
    """
    if not model.built:
        raise ExportError(f"{model.name!r} has no weights yet. Call it on a batch first.")
    architecture, seed = _architecture(model)
    record = {
        "class_names": _class_names(model, class_names),
        "preprocessing": _jsonable("preprocessing", preprocessing),
        "training": _jsonable("training", training),
    }
    interface = Interface(model, classifier=isinstance(architecture, ArchitectureRecord))
    _check_front(front)
    # What a link points to is replaced, not the link.
    target = Path(path).resolve()
    check_target(target)
    rows, sources = classify(model, seed, external)
    if sources.external and not copy_external and target.name == FOLDER:
        raise ExportError(
            f"{target} is where external weights of exports beside it belong. Choose another name."
        )
    with replacing(target) as partial:
        scratch = partial / "scratch"
        scratch.mkdir()
        shared = None if copy_external else target.parent / FOLDER
        kept, weights = _external(sources, shared, scratch, external_origin)
        outputs = _write_saved_model(interface, sources, weights, front, partial)
        shutil.rmtree(scratch)
        data_file = partial / "variables" / "variables.data-00000-of-00001"
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            generator=GeneratorRecord(name=GENERATOR, version=GENERATOR_VERSION),
            seed=seed,
            architecture=architecture,
            regime=regime_of(model),
            inputs=interface.inputs,
            outputs=outputs,
            front=front and _record(front.spec.name, front.spec),
            **record,
            versions=_versions(),
            files=_file_records(partial),
            stored=StoredFile(
                file=data_file.relative_to(partial).as_posix(),
                offset=_offset(data_file, sources.stored),
            ),
            external=kept,
            variables=tuple(rows),
        )
        manifest.write(partial)
    return Path(path)


def _check_front(front: "tf.Module | None") -> None:
    import tensorflow as tf

    spec = getattr(front, "spec", None)
    named = isinstance(spec, tf.TensorSpec) and spec.name is not None
    if front is not None and not (named and isinstance(front, tf.Module) and callable(front)):
        raise ExportError(
            f"A front is a tf.Module with a `spec`, a named tf.TensorSpec; received {front!r}."
        )


def _architecture(
    model: keras.Model,
) -> tuple[ArchitectureRecord | ConfigRecord | ForeignRecord, int | None]:
    """Return how to build the network again, and its root seed."""
    built = architecture_of(model)
    if built is None:
        return record_of(model), root_seed(model)
    arguments = _jsonable("arguments of the network", built.arguments)
    return ArchitectureRecord(name=built.name, arguments=arguments), arguments["seed"]


def _external(
    sources: Sources, shared: Path | None, scratch: Path, origin: str | None
) -> "tuple[ExternalFile | None, ExternalWeights | None]":
    """Write the external values to the folder `shared`, or, without one, into the export."""
    if not sources.external:
        return None, None
    import tensorflow as tf

    from bnkeras.compact.graph import ExternalWeights

    file = write_external(shared or scratch, [v.numpy() for v in sources.external])
    size = file.stat().st_size
    record = ExternalFile(file=file.name, bytes=size, sha256=file.stem, origin=origin)
    # An asset is copied into the export.
    asset = tf.saved_model.Asset(str(_pointer(scratch, record) if shared else file))
    return record, ExternalWeights(sources.external, record, file, asset)


def _write_saved_model(
    interface: Interface,
    sources: Sources,
    external: "ExternalWeights | None",
    front: "tf.Module | None",
    folder: Path,
) -> tuple[TensorRecord, ...]:
    """Write the SavedModel and return its outputs."""
    import tensorflow as tf

    from bnkeras.compact.graph import CompactModule

    module = CompactModule(interface, sources, external, front)
    signatures = module.signatures()
    try:
        tf.saved_model.save(
            module,
            str(folder),
            signatures=signatures,
            options=tf.saved_model.SaveOptions(save_debug_info=False),
        )
    except AssertionError as error:
        raise ExportError(
            "The network reads something that is no variable of its own, such as the table of a "
            "StringLookup layer. Tables belong in a front."
        ) from error
    outputs = signatures["serving_default"].structured_outputs
    return tuple(_record(name, spec) for name, spec in outputs.items())


def _pointer(folder: Path, record: ExternalFile) -> Path:
    """Write the asset that stands in the export for a file outside of it."""
    file = folder / "external.txt"
    file.write_text(
        f"The frozen weights of this export lie in a file of {record.bytes} bytes,\n"
        f"{record.file}: float32, little endian. Its name is its SHA-256.\n"
        f"It belongs into the folder {FOLDER!r} beside the export, or into this one.\n"
        + (f"They are: {record.origin}\n" if record.origin else ""),
        encoding="utf-8",
    )
    return file


def _record(name: str, spec: "tf.TensorSpec") -> TensorRecord:
    shape = None if spec.shape.rank is None else tuple(spec.shape)
    return TensorRecord(name=name, dtype=spec.dtype.name, shape=shape)


def _offset(data_file: Path, stored: list[keras.Variable]) -> int:
    """Return where the stored values begin in the checkpoint's data file, which is raw bytes."""
    flat = b"".join(
        np.asarray(v.numpy(), v.numpy().dtype.newbyteorder("<")).tobytes() for v in stored
    )
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
    shape = getattr(model, "output_shape", None)
    if isinstance(shape, tuple) and isinstance(shape[-1], int) and len(names) > shape[-1]:
        raise ExportError(
            f"class_names has {len(names)} names, and {model.name!r} has {shape[-1]} logits."
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
