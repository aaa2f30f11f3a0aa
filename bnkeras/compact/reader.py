"""Loading a compact export as a Keras model."""

import json
from pathlib import Path, PurePosixPath

import keras
import numpy as np

from bnkeras.compact.digests import file_digest, values_digest
from bnkeras.compact.manifest import Manifest, Provenance, read_manifest
from bnkeras.errors import BnkerasError, ExportError
from bnkeras.models.registry import build
from bnkeras.models.variables import grouped_variables
from bnkeras.regimes import set_regime
from bnkeras.seeding import GENERATOR_VERSION


def load_compact(path: str | Path) -> keras.Model:
    """Build the network of a compact export, with the weights it was saved with.

    The network comes from `bnkeras.build`; nothing of the export is executed. Its
    regime is set again, so it is ready to train on.

    Args:
        path: directory that `save_compact` wrote.

    Returns:
        The model, equal to the saved one bit for bit.

    Raises:
        InputError: there is no compact export at `path`.
        ExportError: the export is damaged, or regenerates to other values than it was
            saved with; the message names the file or the variable.

    Example:
        >>> model = bnkeras.load_compact("saved_models/mine")
        >>> model.predict(images)
    """
    path = Path(path)
    manifest = read_manifest(path)
    check_files(path, manifest)
    return rebuild(path, manifest)


def check_files(path: Path, manifest: Manifest) -> None:
    """Compare sizes and digests of all files with the manifest.

    Raises:
        ExportError: a file is missing, truncated or changed.
    """
    for name, record in manifest.files.items():
        file = _inside(path, name)
        if not file.is_file():
            raise ExportError(f"{file} is missing. Copy the export again or write it anew.")
        size = file.stat().st_size
        if size != record.bytes:
            raise ExportError(
                f"{file} has {size} bytes; it was written with {record.bytes}. The export was cut "
                f"short or changed: copy it again or write it anew."
            )
        if file_digest(file) != record.sha256:
            raise ExportError(
                f"{file} is damaged: its SHA-256 is not the one it was written with"
                f"{_changed_variables(path, manifest, name)}. Copy the export again or write it "
                f"anew."
            )


def rebuild(path: Path, manifest: Manifest) -> keras.Model:
    """Build the model that `manifest` describes and give it its values.

    Raises:
        ExportError: it cannot be built, or a variable differs from its digest.
    """
    if manifest.generator.version != GENERATOR_VERSION:
        raise ExportError(
            f"{path} was made with generator version {manifest.generator.version}; this version "
            f"of bnkeras has {GENERATOR_VERSION}. Install the version of bnkeras that wrote it: "
            f"{manifest.versions.get('bnkeras', 'unknown')}."
        )
    architecture = manifest.architecture
    try:
        model = build(architecture.name, **architecture.arguments)
    except BnkerasError as error:
        raise ExportError(f"{path}: the network cannot be built: {error}") from error
    variables = {entry.path: entry.variable for entry in grouped_variables(model)}
    _check_variables(path, manifest, variables)
    for row, values in stored_values(path, manifest):
        _check_digest(path, row, values)
        variables[row.path].assign(values)
    for row in manifest.of("seeded"):
        _check_digest(path, row, keras.ops.convert_to_numpy(variables[row.path]))
    if manifest.regime is not None:
        set_regime(model, manifest.regime)
    return model


def stored_values(path: Path, manifest: Manifest) -> list[tuple[Provenance, np.ndarray]]:
    """Return the stored variables' rows and values, read from the checkpoint's raw bytes."""
    rows = manifest.of("stored")
    count = sum(row.size for row in rows)
    file = _inside(path, manifest.stored.file)
    with file.open("rb") as stream:
        stream.seek(manifest.stored.offset)
        flat = np.frombuffer(stream.read(4 * count), "<f4")
    if flat.size != count:
        raise ExportError(f"{file} ends before the {count} stored values that it should hold.")
    ends = np.cumsum([row.size for row in rows])
    parts = np.split(flat, ends[:-1]) if rows else []
    return [(row, part.reshape(row.shape)) for row, part in zip(rows, parts, strict=True)]


def _inside(path: Path, name: str) -> Path:
    """Return the file `name` of the export; a name that leads out of it is refused."""
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        raise ExportError(f"{path}: the manifest names a file outside of the export: {name!r}.")
    return path / parts


def _check_variables(path: Path, manifest: Manifest, variables: dict) -> None:
    """Compare paths and shapes of the built network with the manifest's rows."""
    built = {name: tuple(variable.shape) for name, variable in variables.items()}
    recorded = {row.path: row.shape for row in manifest.variables}
    for name in built.keys() ^ recorded.keys():
        where = "the network has no" if name in recorded else "the export lacks the"
        raise ExportError(f"{path}: {where} variable {name!r}. The export is of another network.")
    for name, shape in built.items():
        if recorded[name] != shape:
            raise ExportError(
                f"{path}: the variable {name!r} has shape {recorded[name]} in the export and "
                f"{shape} in the network {json.dumps(manifest.architecture.arguments)}."
            )


def _check_digest(path: Path, row: Provenance, values: np.ndarray) -> None:
    if values_digest(values) == row.digest:
        return
    remedy = (
        f"The law {row.law!r} regenerated other values than it was saved with"
        if row.provenance == "seeded"
        else "The stored values were changed"
    )
    raise ExportError(
        f"{path}: the variable {row.path!r} has the digest {values_digest(values)}; the manifest "
        f"says {row.digest}. {remedy}, so the export cannot be trusted."
    )


def _changed_variables(path: Path, manifest: Manifest, name: str) -> str:
    if name != manifest.stored.file:
        return ""
    changed = [
        row.path
        for row, values in stored_values(path, manifest)
        if values_digest(values) != row.digest
    ]
    if not changed:
        return ""
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f", and the values of {changed[0]!r}{more} changed"
