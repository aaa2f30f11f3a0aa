"""The file of values that come neither from the seed nor from training."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bnkeras.compact.digests import file_digest
from bnkeras.compact.manifest.network import Manifest
from bnkeras.compact.manifest.records import ASSETS, ExternalFile, external_name
from bnkeras.compact.replacing import remove_leftovers
from bnkeras.errors import ExportError

# The folder beside exports whose files they share.
FOLDER = "external"


def write_external(folder: Path, values: Sequence[np.ndarray]) -> Path:
    """Write `values` one after another to a file called by its SHA-256, unless it is there."""
    digest = hashlib.sha256()
    for content in _contents(values):
        digest.update(content)
    file = folder / external_name(digest.hexdigest())
    if file.is_file() and file_digest(file) == digest.hexdigest():
        return file
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(file)
    partial = file.with_name(f".{file.name}.partial-{os.getpid()}")
    try:
        with partial.open("wb") as stream:
            stream.writelines(_contents(values))
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return file


def find_external(export: Path, record: ExternalFile, places: Iterable[str | Path]) -> Path:
    """Return where the file of the external values is, its SHA-256 checked.

    Args:
        export: the export that needs it.
        record: what its manifest says of the file.
        places: files and folders to look in, before the assets of the export and the
            folder `external` beside it.

    Raises:
        ExportError: it is in none of them; the message says what is.
    """
    looked = []
    for file in external_places(export, record, places):
        fault = _fault(file, record)
        if fault is None:
            return file
        looked.append(f"{file} {fault}")
    origin = f" ({record.origin})" if record.origin else ""
    raise ExportError(
        f"{export} needs {record.file}{origin}: {record.bytes} bytes of external weights with the "
        f"SHA-256 of its name. Looked for: {'; '.join(looked)}. Put the file into one of these "
        f"folders, or say where it is: load_compact(path, external=[...])."
    )


def external_places(
    export: Path, record: ExternalFile, places: Iterable[str | Path] = ()
) -> Iterator[Path]:
    """Yield where the file is looked for, in order."""
    for place in map(Path, places):
        yield place / record.file if place.is_dir() else place
    yield from _places_of_graph(export, record)
    # The graph cannot follow a link.
    if export.resolve().parent != Path(os.path.abspath(export)).parent:
        yield export.resolve().parent / FOLDER / record.file


@contextmanager
def in_place(export: Path, manifest: Manifest, places: Iterable[str | Path]) -> Iterator[Path]:
    """Give the export where its graph finds the external values.

    That is the export itself, or, where `find_external` finds them and the graph does
    not, a temporary folder with links to the files of both.
    """
    record = manifest.external
    if record is None or any(
        _fault(file, record) is None for file in _places_of_graph(export, record)
    ):
        yield export
        return
    files = {name: export / name for name in manifest.files}
    files[f"{ASSETS}/{record.file}"] = find_external(export, record, places)
    with tempfile.TemporaryDirectory(prefix="bnkeras-") as folder:
        for name, file in files.items():
            link = Path(folder) / "export" / name
            link.parent.mkdir(parents=True, exist_ok=True)
            try:
                link.symlink_to(file.resolve())
            except OSError:  # a system, or a user, without links
                shutil.copyfile(file, link)
        yield Path(folder) / "export"


def _places_of_graph(export: Path, record: ExternalFile) -> Iterator[Path]:
    yield export / ASSETS / record.file
    yield Path(os.path.abspath(export)).parent / FOLDER / record.file


def _fault(file: Path, record: ExternalFile) -> str | None:
    try:
        if not file.is_file():
            return "is not there"
        if (size := file.stat().st_size) != record.bytes:
            return f"has {size} bytes"
        if (digest := file_digest(file)) != record.sha256:
            return f"has the SHA-256 {digest}"
    except OSError as error:
        return f"cannot be read ({error})"
    return None


def _contents(values: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    return (np.ascontiguousarray(value, "<f4") for value in values)
