"""Preparing a dataset: one process at a time, and complete or not there at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bnkeras.errors import BnkerasError, CorruptDataError, DataError
from bnkeras.pipelines.directory import data_directory
from bnkeras.pipelines.prepared import (
    FORMAT_VERSION,
    ID_LENGTH,
    TFDS,
    Prepared,
    prepare_command,
    read_prepared,
)
from bnkeras.pipelines.raw import Progress, Source
from bnkeras.pipelines.record_index import load_offsets
from bnkeras.pipelines.registry import DatasetSpec, get_spec


def prepare(
    dataset: str | DatasetSpec,
    source: Path | str | None = None,
    data_dir: Path | str | None = None,
    progress: Progress | None = None,
    skip_corrupt: bool = False,
) -> Prepared:
    """Write a dataset as TFRecords and return it; if that was done before, without writing.

    Whatever an earlier process left half-written is removed first. A preparation that
    lacks one of its files is written anew.

    Args:
        dataset: name or specification.
        source: what to prepare it from, see `bnkeras data prepare --help`; None downloads
            the dataset, or takes it from an installed package.
        data_dir: see `data_directory`.
        progress: called as `progress(done, total, what)`; nothing is printed.
        skip_corrupt: leave out images or rows that are corrupt; `Prepared.skipped` names
            them.

    Raises:
        DataError: the source is missing, incomplete or not what it should be.
        CorruptDataError: the source, or something in it, is damaged.
        MissingDependencyError: the package that holds the dataset is not installed.
        BnkerasError: the records cannot be written.

    >>> prepare("digits", data_dir="data").counts                       # doctest: +SKIP
    {'test': 360, 'train': 1437}
    """
    spec, root = get_spec(dataset), data_directory(data_dir)
    progress = progress or (lambda done, total, what: None)
    if spec.auto and source is not None:
        raise DataError(f"{spec.name} takes no source, it comes with an installed package.")
    if skip_corrupt and spec.balanced:
        raise DataError(
            f"Of {spec.name} no image can be left out, its number of images is fixed; received "
            "--skip-corrupt. Get an undamaged source and prepare it without that option."
        )
    # Before anything is created: a mistyped path leaves no trace.
    path = None if source is None else _existing(source)
    if path is None:
        _check_obtainable(spec, root)
    with _locked(root / spec.name, progress) as home:
        _sweep(home)
        if path is None and spec.download:
            if ready := _ready(spec, home, spec.download.sha256):
                return ready
            from bnkeras.pipelines.download import download

            path, name = download(spec, home / "downloads", progress), spec.download.filename
        else:
            name = path.name if path else TFDS if spec.family == "tfds" else "scikit-learn"
        recognised = _recognise(spec, path, home, progress)
        if ready := _ready(spec, home, recognised.sha256):
            return ready
        description = {"sha256": recognised.sha256, "source": name, "kind": recognised.kind}
        return _write(spec, recognised, description, home, progress, skip_corrupt)


def _existing(source: Path | str) -> Path:
    path = Path(source).expanduser().absolute()
    if not (path.is_file() or path.is_dir()):
        what = "is neither a file nor a folder" if path.exists() else "does not exist"
        raise DataError(f"The source {path} {what}.")
    return path


def _check_obtainable(spec: DatasetSpec, root: Path) -> None:
    """Raise a DataError if `spec` cannot be prepared without a source."""
    if spec.auto or spec.download:
        return
    if spec.family == "tfds":
        from bnkeras.pipelines.tfds_source import check_known

        check_known(spec)
        return
    if spec.name == "imagenet":
        from bnkeras.pipelines.imagenet import KINDS

        reason = "image-net.org gives it only to registered users"
    elif spec.family == "folder":
        from bnkeras.pipelines.class_folders import KINDS

        reason = "it is made of images of your own"
    else:
        from bnkeras.pipelines.tweets import KINDS

        reason = "the one address that TFDS knows answers 404 since 2024"
    kinds = "".join(f"\n  - {kind}" for kind in KINDS)
    raise DataError(
        f"{spec.name} cannot be downloaded, {reason}. Give what you have:\n"
        f"  {prepare_command(spec, root)}\nwhere PATH is{kinds}"
    )


def _recognise(spec: DatasetSpec, path: Path | None, home: Path, progress: Progress) -> Source:
    """Return the source of `spec` at `path`, or the package that holds it."""
    if spec.auto:
        from bnkeras.pipelines.digits import digits_source

        return digits_source()
    if spec.family == "tfds":
        from bnkeras.pipelines.tfds_source import recognise_tfds

        return recognise_tfds(spec, path, home / "downloads", progress)
    if spec.family == "folder":
        from bnkeras.pipelines.class_folders import recognise
    elif spec.name == "imagenet":
        from bnkeras.pipelines.imagenet import recognise
    elif spec.kind == "texts":
        from bnkeras.pipelines.tweets import recognise
    else:
        from bnkeras.pipelines.sources import recognise
    return recognise(path, progress)


def _write(
    spec: DatasetSpec,
    source: Source,
    description: dict[str, Any],
    home: Path,
    progress: Progress,
    skip_corrupt: bool,
) -> Prepared:
    path = _folder(home, source.sha256)
    # `_ready` found it damaged, and TFDS would take the folder's existence for success.
    shutil.rmtree(path, ignore_errors=True)
    try:
        source.write(spec, description, home.parent, progress, skip_corrupt)
    except (OSError, RuntimeError) as error:  # TFDS wraps TensorFlow's errors in the latter
        raise BnkerasError(
            f"The records of {spec.name} cannot be written to {home}: {error}\nMake room, or "
            f"choose another directory with --data-dir, and give the same command again."
        ) from error
    finally:
        _sweep(home)
    prepared = read_prepared(spec, path)
    if prepared.spec.kind == "jpegs":
        load_offsets(prepared)  # so that the index is there from the start
    total = sum(prepared.counts.values())
    progress(total, total, "done")
    return prepared


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
    partial = ("*/incomplete.*", "downloads/**/incomplete.*", "downloads/**/*.tmp.*")
    for leftover in [path for pattern in partial for path in home.glob(pattern)]:
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)  # it may lie in one just removed
        else:
            leftover.unlink(missing_ok=True)
