"""Where each record of a TFRecord file begins, so that any can be read without the others.

Nothing here needs TensorFlow.
"""

import os
import struct
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from bnkeras.errors import CorruptDataError
from bnkeras.pipelines.prepared import Prepared
from bnkeras.pipelines.raw import Progress

FILE = "record_offsets.npz"
# Before its content a record has its length (8 bytes) and that one's checksum (4), after
# it the content's checksum (4).
_HEADER, _AROUND = 12, 16

# Of each split and shard: where its records begin and the last one ends, int64 [n + 1].
Offsets = Mapping[str, Sequence[np.ndarray]]


def record_offsets(path: Path) -> np.ndarray:
    """Return where each record of a file begins, and where the last one ends, int64 [n + 1].

    Only the records' lengths are read; checksums are compared when a record is.

    Raises:
        CorruptDataError: the lengths do not lead to the end of the file.
    """
    offsets = [0]
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        while offsets[-1] < size:
            file.seek(offsets[-1])
            header = file.read(_HEADER)
            length = struct.unpack_from("<Q", header)[0] if len(header) == _HEADER else size
            offsets.append(offsets[-1] + length + _AROUND)
    if offsets[-1] != size:
        raise CorruptDataError(
            f"record {len(offsets) - 2:,}, at byte {offsets[-2]:,} of {size:,}, is not complete"
        )
    return np.array(offsets, np.int64)


def find_offsets(shards: Mapping[str, Sequence[Path]], progress: Progress) -> Offsets:
    """Return the offsets of all shards.

    Raises:
        CorruptDataError: a shard is damaged; the message names it.
    """
    total, found = sum(map(len, shards.values())), {}
    for split, paths in shards.items():
        found[split] = []
        for path in paths:
            progress(sum(map(len, found.values())), total, "indexing record files")
            try:
                found[split].append(record_offsets(path))
            except (OSError, CorruptDataError) as error:
                raise CorruptDataError(f"The shard {path} is damaged ({error}).") from error
    return found


def keep_offsets(folder: Path, offsets: Offsets) -> None:
    """Keep the offsets beside the records, complete or not at all."""
    # Several may do this at once; whoever is last, it is the same.
    partial = folder / f"incomplete.{os.getpid()}.{FILE}"
    try:
        np.savez(partial, **{split: np.concatenate(one) for split, one in offsets.items()})
        os.replace(partial, folder / FILE)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def load_offsets(prepared: Prepared) -> Offsets:
    """Return the offsets of all shards; they are found and kept at the first use.

    Raises:
        CorruptDataError: a shard does not hold the records that it should.
    """
    offsets = _kept(prepared)
    if offsets is None or _fault(prepared, offsets):
        shards = {split: prepared.shards(split) for split in prepared.shard_lengths}
        try:
            offsets = find_offsets(shards, lambda done, total, what: None)
        except CorruptDataError as error:
            raise CorruptDataError(f"{error} {prepared.remedy}") from error
        if fault := _fault(prepared, offsets):
            raise CorruptDataError(f"{fault} {prepared.remedy}")
        with suppress(OSError):  # the directory may be for reading only
            keep_offsets(prepared.path, offsets)
    return offsets


def _kept(prepared: Prepared) -> Offsets | None:
    try:
        # Opened here, because NumPy leaves a file open that it cannot read.
        with (prepared.path / FILE).open("rb") as file, np.load(file) as kept:
            return {
                split: np.split(kept[split], np.cumsum(np.add(lengths, 1))[:-1])
                for split, lengths in prepared.shard_lengths.items()
            }
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _fault(prepared: Prepared, offsets: Offsets) -> str | None:
    """Return what is wrong with the first shard that is other than it was."""
    for split, lengths in prepared.shard_lengths.items():
        for path, length, one in zip(prepared.shards(split), lengths, offsets[split], strict=True):
            size = path.stat().st_size if path.exists() else 0
            if len(one) != length + 1 or one[-1] != size:
                return (
                    f"The shard {path} is damaged: it should hold {length:,} records and holds "
                    f"{len(one) - 1:,} of {one[-1]:,} bytes in {size:,}."
                )
    return None
