"""What writing an export of one network and of several tasks have in common."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from bnkeras.compact.digests import file_digest
from bnkeras.compact.external import FOLDER, write_external
from bnkeras.compact.manifest.records import ExternalFile, FileRecord, GeneratorRecord, TensorRecord
from bnkeras.compact.provenance import Sources, StoredVariable
from bnkeras.errors import ExportError
from bnkeras.seeding import GENERATOR, GENERATOR_VERSION

if TYPE_CHECKING:
    import tensorflow as tf

    from bnkeras.compact.graph.files import ExternalWeights


@contextmanager
def scratch_in(folder: Path) -> Iterator[Path]:
    """Give a folder that goes afterwards, for files that are copied into the export."""
    scratch = folder / "scratch"
    scratch.mkdir()
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch)


def external_weights(
    sources: Sources, target: Path, scratch: Path, copy: bool, origin: str | None
) -> "tuple[ExternalFile | None, ExternalWeights | None]":
    """Write the external values beside the export `target`, or, to `copy` them, into it.

    Raises:
        ExportError: the export would be where they belong, or the origin is no text.
    """
    if not sources.external:
        return None, None
    import tensorflow as tf

    from bnkeras.compact.graph.files import ExternalWeights

    if not copy and target.name == FOLDER:
        raise ExportError(
            f"{target} is where external weights of exports beside it belong. Choose another name."
        )
    if not isinstance(origin, str | None):
        raise ExportError(f"external_origin is a text; received {origin!r}.")
    folder = scratch if copy else target.parent / FOLDER
    file = write_external(folder, [v.numpy() for v in sources.external])
    size = file.stat().st_size
    record = ExternalFile(file=file.name, bytes=size, sha256=file.stem, origin=origin)
    # An asset is copied into the export.
    asset = tf.saved_model.Asset(str(file if copy else _pointer(scratch, record)))
    return record, ExternalWeights(sources.external, record, file, asset)


def save_module(module: "tf.Module", signatures: dict[str, Callable], folder: Path) -> None:
    """Write a SavedModel.

    Raises:
        ExportError: the network reads what is no variable of its own.
    """
    import tensorflow as tf

    from bnkeras.compact.graph.trimming import trim

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
    trim(folder)


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


def described(spec: "tf.TensorSpec", name: str) -> TensorRecord:
    """Return the record of an input or an output."""
    shape = None if spec.shape.rank is None else tuple(spec.shape)
    return TensorRecord(name=name, dtype=spec.dtype.name, shape=shape)


def described_front(front: "tf.Module | None") -> TensorRecord | None:
    """Return the record of what a front takes."""
    return None if front is None else described(front.spec, front.spec.name)


def stored_bytes(stored: list[StoredVariable]) -> bytes:
    """Return stored values as a file holds them."""
    return b"".join(_little(entry.values()).tobytes() for entry in stored)


def _little(values: np.ndarray) -> np.ndarray:
    return values.astype(values.dtype.newbyteorder("<"))


def generator_record() -> GeneratorRecord:
    """Return the generator of this version."""
    return GeneratorRecord(name=GENERATOR, version=GENERATOR_VERSION)


def file_records(folder: Path) -> dict[str, FileRecord]:
    """Return size and SHA-256 of each file in `folder`, by its path in it."""
    return {
        file.relative_to(folder).as_posix(): FileRecord(
            bytes=file.stat().st_size, sha256=file_digest(file)
        )
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def versions() -> dict[str, str]:
    """Return the versions of the packages that write an export."""
    import tensorflow as tf

    from bnkeras._version import __version__

    return {
        "bnkeras": __version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
    }
