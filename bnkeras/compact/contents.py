"""The files of a compact export, compared with its manifest, and the values in them."""

from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from bnkeras.compact.digests import file_digest, values_digest
from bnkeras.compact.external import find_external
from bnkeras.compact.manifest.network import Manifest
from bnkeras.compact.manifest.records import Provenance
from bnkeras.compact.manifest.tasks import TaskManifest
from bnkeras.errors import ExportError
from bnkeras.seeding import GENERATOR, GENERATOR_VERSION

# A seed costs no bytes: a small file could ask for any amount of memory. 8 GiB of
# weights are far above every network of this package.
_MOST_VALUES = 2**31


def check_files(path: Path, manifest: Manifest | TaskManifest) -> None:
    """Compare sizes and digests of all files with the manifest.

    Raises:
        ExportError: a file is missing, truncated or changed.
    """
    for name, record in manifest.files.items():
        file = _inside(path, name)
        try:
            if not file.is_file():
                raise ExportError(f"{file} is missing. Copy the export again or write it anew.")
            # Before its content, of which there could be any amount.
            if (size := file.stat().st_size) != record.bytes:
                raise ExportError(
                    f"{file} has {size} bytes; it was written with {record.bytes}. The export was "
                    f"cut short or changed: copy it again or write it anew."
                )
            digest = file_digest(file)
        except OSError as error:
            raise ExportError(f"{file} cannot be read: {error}") from error
        if digest != record.sha256:
            raise ExportError(
                f"{file} is damaged: its SHA-256 is not the one it was written with"
                f"{_changed_variables(path, manifest, name)}. Copy the export again or write it "
                f"anew."
            )


def check_claims(path: Path, manifest: Manifest, external: Iterable[str | Path]) -> Path | None:
    """Compare what `manifest` needs with what is there; return the file of external values.

    Raises:
        ExportError: it needs another generator, more values than an export has or than are in
            its file, or external weights that are not found.
    """
    generator = manifest.generator
    if (generator.name, generator.version) != (GENERATOR, GENERATOR_VERSION):
        raise ExportError(
            f"{path} was made with the generator {generator.name!r} version {generator.version}; "
            f"this version of bnkeras has {GENERATOR!r} version {GENERATOR_VERSION}. Install the "
            f"version of bnkeras that wrote it: {manifest.versions.get('bnkeras', 'unknown')}."
        )
    _check_room(path, manifest)
    return manifest.external and find_external(path, manifest.external, external)


def kept_values(
    path: Path, manifest: Manifest, external: Path | None
) -> Iterator[tuple[Provenance, np.ndarray]]:
    """Yield the rows and values of all variables that are in files."""
    yield from stored_values(path, manifest)
    if external is not None:
        yield from _values(external, 0, manifest.of("external"))


def stored_values(path: Path, manifest: Manifest) -> Iterator[tuple[Provenance, np.ndarray]]:
    """Yield the stored variables' rows and values, read from the checkpoint's raw bytes."""
    _check_room(path, manifest)
    file = _inside(path, manifest.stored.file)
    return _values(file, manifest.stored.offset, manifest.stored_rows)


def _check_room(path: Path, manifest: Manifest) -> None:
    """Raise ExportError if the rows claim more than an export has, or than its file."""
    count = sum(prod(manifest.full_shape(row)) for row in manifest.variables)
    if count > _MOST_VALUES:
        raise ExportError(
            f"{path} claims a network of {count} values; an export has at most {_MOST_VALUES}."
        )
    file, rows = _inside(path, manifest.stored.file), manifest.of("stored")
    if file.stat().st_size < manifest.stored.offset + sum(row.bytes for row in rows):
        count = sum(row.size for row in rows)
        raise ExportError(f"{file} ends before the {count} stored values that it should hold.")


def _values(
    file: Path, offset: int, rows: list[Provenance]
) -> Iterator[tuple[Provenance, np.ndarray]]:
    with file.open("rb") as stream:
        stream.seek(offset)
        for row in rows:
            values = np.fromfile(stream, np.dtype(row.dtype).newbyteorder("<"), row.size)
            try:
                yield row, values.reshape(row.shape)
            except ValueError as error:
                raise ExportError(
                    f"{file} does not hold {row.path!r} of shape {row.shape}: {error}."
                ) from error


def _inside(path: Path, name: str) -> Path:
    """Return the file `name` of the export; a name that leads out of it is refused."""
    # The Windows rules know every way out that the others know.
    parts = PureWindowsPath(name)
    if parts.anchor or ".." in parts.parts:
        raise ExportError(f"{path}: the manifest names a file outside of the export: {name!r}.")
    if PurePosixPath(name).as_posix() != name:
        raise ExportError(f"{path}: the manifest names a file by a roundabout way: {name!r}.")
    return path / name


def check_digest(path: Path, row: Provenance, values: np.ndarray) -> None:
    """Raise ExportError unless `values` have the digest of their row."""
    # Tasks keep the first digits of a digest.
    digest = values_digest(values)[: len(row.digest)]
    if digest == row.digest:
        return
    remedy = (
        f"The law {row.law!r} regenerated other values than it was saved with, and not by rounding"
        if row.provenance == "seeded"
        else "The stored values were changed"
    )
    raise ExportError(
        f"{path}: the variable {row.path!r} has the digest {digest}; the manifest says "
        f"{row.digest}. {remedy}, so the export cannot be trusted."
    )


def _changed_variables(path: Path, manifest: Manifest | TaskManifest, name: str) -> str:
    if isinstance(manifest, TaskManifest):
        owners = [task.name for task in manifest.tasks if task.file == name]
        return _changed_variables(path, manifest.task(owners[0]), name) if owners else ""
    if name != manifest.stored.file:
        return ""
    changed = [
        row.path
        for row, values in stored_values(path, manifest)
        if values_digest(values)[: len(row.digest)] != row.digest
    ]
    if not changed:
        return ""
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f", and the values of {changed[0]!r}{more} changed"
