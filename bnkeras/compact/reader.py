"""Loading a compact export as a Keras model."""

from pathlib import Path, PureWindowsPath

import keras
import numpy as np

from bnkeras.compact.digests import file_digest, values_digest
from bnkeras.compact.manifest import Manifest, Provenance, read_manifest
from bnkeras.errors import ExportError, RegimeError
from bnkeras.models.registry import build
from bnkeras.models.variables import grouped_variables, seeded_laws
from bnkeras.regimes import set_regime
from bnkeras.seeding import GENERATOR, GENERATOR_VERSION
from bnkeras.seeding.initializer import expecting

# A seed costs no bytes: a small file could ask for any amount of memory. 8 GiB of
# weights are far above every network of this package.
_MOST_VALUES = 2**31


def load_compact(path: str | Path) -> keras.Model:
    """Build the network of a compact export, with the weights it was saved with.

    The network comes from `bnkeras.build`; nothing of the export is executed. Its
    regime is set again, so it is ready to train on; after a selection made by hand
    everything trains.

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
        try:
            size, digest = file.stat().st_size, file_digest(file)
        except OSError as error:
            raise ExportError(f"{file} cannot be read: {error}") from error
        if size != record.bytes:
            raise ExportError(
                f"{file} has {size} bytes; it was written with {record.bytes}. The export was cut "
                f"short or changed: copy it again or write it anew."
            )
        if digest != record.sha256:
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
    generator = manifest.generator
    if (generator.name, generator.version) != (GENERATOR, GENERATOR_VERSION):
        raise ExportError(
            f"{path} was made with the generator {generator.name!r} version {generator.version}; "
            f"this version of bnkeras has {GENERATOR!r} version {GENERATOR_VERSION}. Install the "
            f"version of bnkeras that wrote it: {manifest.versions.get('bnkeras', 'unknown')}."
        )
    model = _build(path, manifest)
    variables = {entry.path: entry.variable for entry in grouped_variables(model)}
    _check_variables(path, manifest, variables)
    _check_laws(path, manifest, model)
    for row, values in stored_values(path, manifest):
        _check_digest(path, row, values)
        variables[row.path].assign(values)
    for row in manifest.of("seeded"):
        _check_digest(path, row, variables[row.path].numpy())
    if manifest.regime is not None:
        try:
            set_regime(model, manifest.regime)
        except RegimeError as error:
            raise ExportError(f"{path}: {error}") from error
    return model


def stored_values(path: Path, manifest: Manifest) -> list[tuple[Provenance, np.ndarray]]:
    """Return the stored variables' rows and values, read from the checkpoint's raw bytes."""
    rows = manifest.of("stored")
    count = sum(row.size for row in rows)
    file = _inside(path, manifest.stored.file)
    if file.stat().st_size < manifest.stored.offset + 4 * count:
        raise ExportError(f"{file} ends before the {count} stored values that it should hold.")
    flat = np.fromfile(file, "<f4", count, offset=manifest.stored.offset)
    ends = np.cumsum([row.size for row in rows])
    parts = np.split(flat, ends[:-1]) if rows else []
    return [(row, part.reshape(row.shape)) for row, part in zip(rows, parts, strict=True)]


def _inside(path: Path, name: str) -> Path:
    """Return the file `name` of the export; a name that leads out of it is refused."""
    # The Windows rules know every way out that the others know.
    parts = PureWindowsPath(name)
    if parts.anchor or ".." in parts.parts:
        raise ExportError(f"{path}: the manifest names a file outside of the export: {name!r}.")
    return path / name


def _build(path: Path, manifest: Manifest) -> keras.Model:
    """Build the network, which takes no more memory than the manifest's rows say."""
    count = sum(row.size for row in manifest.variables)
    if count > _MOST_VALUES:
        raise ExportError(
            f"{path} claims a network of {count} values; an export has at most {_MOST_VALUES}."
        )
    architecture = manifest.architecture
    try:
        with expecting({row.path: row.shape for row in manifest.variables}):
            return build(architecture.name, **architecture.arguments)
    except Exception as error:  # forged arguments can make Keras raise anything
        raise ExportError(f"{path}: the network cannot be built: {error}") from error


def _check_variables(path: Path, manifest: Manifest, variables: dict) -> None:
    """Compare paths and shapes of the built network with the manifest's rows."""
    built = {name: tuple(variable.shape) for name, variable in variables.items()}
    recorded = {row.path: row.shape for row in manifest.variables}
    for name in sorted(built.keys() ^ recorded.keys()):
        where = "the network has no" if name in recorded else "the export lacks the"
        raise ExportError(f"{path}: {where} variable {name!r}. The export is of another network.")
    for name, shape in built.items():
        if recorded[name] != shape:
            raise ExportError(
                f"{path}: the variable {name!r} has shape {recorded[name]} in the export and "
                f"{shape} in the network {manifest.architecture.arguments}."
            )


def _check_laws(path: Path, manifest: Manifest, model: keras.Model) -> None:
    """Compare the laws of the seeded rows, which others may regenerate from, with the network's."""
    laws = seeded_laws(model, manifest.seed)
    for row in manifest.of("seeded"):
        if row.law != str(laws.get(row.path)):
            raise ExportError(
                f"{path}: the manifest says that the law of the variable {row.path!r} is "
                f"{row.law}; in the network it is {laws.get(row.path)}."
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
