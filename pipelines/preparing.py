"""Preparing a dataset: one process at a time, and complete or not there at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bnkeras.errors import BnkerasError, CorruptDataError, DataError
from bnkeras.pipelines.directory import data_directory
from bnkeras.pipelines.prepared import FORMAT_VERSION, ID_LENGTH, Prepared, read_prepared
from bnkeras.pipelines.raw import Progress, check_counts
from bnkeras.pipelines.registry import DatasetSpec, get_spec


def prepare(
    dataset: str | DatasetSpec,
    source: Path | str | None = None,
    data_dir: Path | str | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Write a dataset as TFRecords and return it; at once if that was done before.

    Whatever an earlier process left half-written is removed first. A preparation that
    lacks one of its files is written anew.

    Args:
        dataset: name or specification.
        source: an archive, tar or folder (see `sources.KINDS`); None downloads the
            dataset, or takes it from an installed package.
        data_dir: see `data_directory`.
        progress: called as `progress(done, total, what)`; nothing is printed.

    Raises:
        DataError: the source is missing, incomplete or not what it should be.
        CorruptDataError: the source is damaged.
        MissingDependencyError: the package that holds the dataset is not installed.

    >>> prepare("digits", data_dir="data").counts                       # doctest: +SKIP
    {'test': 360, 'train': 1437}
    """
    spec, root = get_spec(dataset), data_directory(data_dir)
    progress = progress or (lambda done, total, what: None)
    if spec.auto and source is not None:
        raise DataError(f"{spec.name} takes no source, it comes with an installed package.")
    # Before anything is created: a mistyped path leaves no trace.
    path = None if source is None else Path(source).expanduser().absolute()
    if path is not None and not (path.is_file() or path.is_dir()):
        what = "is neither a file nor a folder" if path.exists() else "does not exist"
        raise DataError(f"The source {path} {what}.")
    with _locked(root / spec.name, progress) as home:
        _sweep(home)
        if spec.auto:
            return _prepare_package(spec, home, progress)
        if path is None:
            if ready := _ready(spec, home, spec.download.sha256):
                return ready
            from bnkeras.pipelines.download import download

            path = download(spec, home / "downloads", progress)
            return _prepare_source(spec, path, spec.download.filename, home, progress)
        return _prepare_source(spec, path, path.name, home, progress)


def _prepare_package(spec: DatasetSpec, home: Path, progress: Progress) -> Prepared:
    from bnkeras.pipelines.digits import read_digits

    splits, sha256 = read_digits()
    if ready := _ready(spec, home, sha256):
        return ready
    check_counts(splits, spec, "scikit-learn's load_digits")
    description = {"sha256": sha256, "source": "scikit-learn", "kind": "package"}
    return _write(spec, splits, description, home, progress)


def _prepare_source(
    spec: DatasetSpec, path: Path, name: str, home: Path, progress: Progress
) -> Prepared:
    from bnkeras.pipelines.sources import recognise

    source = recognise(path, progress)
    if ready := _ready(spec, home, source.sha256):
        return ready
    splits = source.read(spec, progress)
    description = {"sha256": source.sha256, "source": name, "kind": source.kind}
    return _write(spec, splits, description, home, progress)


def _write(
    spec: DatasetSpec, splits: dict, description: dict[str, str], home: Path, progress: Progress
) -> Prepared:
    # TensorFlow starts here and not before a bad source was refused.
    from bnkeras.pipelines.builder import write_records

    path = _folder(home, description["sha256"])
    # `_ready` found it damaged, and TFDS would take the folder's existence for success.
    shutil.rmtree(path, ignore_errors=True)
    try:
        write_records(spec, splits, description, home.parent, progress)
    except (OSError, RuntimeError) as error:  # TFDS wraps TensorFlow's errors in the latter
        raise BnkerasError(
            f"The records of {spec.name} cannot be written to {home}: {error}\nMake room, or "
            f"choose another directory with --data-dir, and give the same command again."
        ) from error
    finally:
        _sweep(home)
    total = sum(spec.splits.values())
    progress(total, total, "done")
    return read_prepared(spec, path)


def _ready(spec: DatasetSpec, home: Path, sha256: str) -> Prepared | None:
    path = _folder(home, sha256)
    try:
        return read_prepared(spec, path) if path.exists() else None
    except CorruptDataError:
        return None


def _folder(home: Path, sha256: str) -> Path:
    return home / sha256[:ID_LENGTH] / FORMAT_VERSION


@contextmanager
def _locked(home: Path, progress: Progress) -> Iterator[Path]:
    """Hold the dataset's lock; the kernel frees it however the process ends."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = FileLock(home / ".lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            progress(0, None, f"waiting for another process that prepares {home.name}")
            lock.acquire()
    except OSError as error:
        raise DataError(
            f"The data directory {home.parent} cannot be written ({error.strerror}). "
            "Choose another one with --data-dir or BNKERAS_DATA_DIR."
        ) from error
    try:
        yield home
    finally:
        lock.release()


def _sweep(home: Path) -> None:
    """Remove what is half-written; the caller holds the lock, so no other is at work."""
    for leftover in (*home.glob("*/incomplete.*"), *home.glob("downloads/**/*.tmp.*")):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink(missing_ok=True)
