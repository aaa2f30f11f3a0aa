"""A tree of image files, `train/CLASS/*.jpg` and `test/CLASS/*.png`, in a folder or tar."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath

from bnkeras.errors import DataError, did_you_mean
from bnkeras.pipelines.containers import Folder, Tar
from bnkeras.pipelines.raw import Progress, RawSplit
from bnkeras.pipelines.registry import DatasetSpec

SUFFIXES = (".jpg", ".jpeg", ".png")
_CHUNK = 512


def is_tree_file(path: PurePosixPath) -> bool:
    """Return whether `path` is an image at its place in a tree, at most one folder down.

    >>> is_tree_file(PurePosixPath("cifar/train/cat/0001.jpg"))
    True
    """
    return _place(path) is not None and path.suffix.lower() in SUFFIXES


def read_image_tree(
    container: Folder | Tar, spec: DatasetSpec, progress: Progress
) -> dict[str, RawSplit]:
    """Return the splits of an image tree, decoded; keys are `class/filename`.

    The tree may lie below one leading folder. Files outside `train` and `test` are
    passed over.

    Raises:
        DataError: an unknown class, a class folder without an image, a file among
            the images that is none, an image of another size.
        CorruptDataError: an image that cannot be decoded, a damaged archive.
    """
    total = sum(spec.splits.values())
    progress(0, total, "reading images")
    # Here, so that the sources are recognised without TensorFlow.
    from bnkeras.pipelines.decode import decode_images

    splits = {split: RawSplit() for split in spec.splits}
    files = _files(container, spec)
    done = 0
    while chunk := list(islice(files, _CHUNK)):
        contents, places = [file.content for file in chunk], [file.place for file in chunk]
        images = decode_images(contents, spec.image_shape, places)
        for file, image in zip(chunk, images, strict=True):
            splits[file.split].add(file.key, image, file.label)
        done += len(chunk)
        progress(done, total, "reading images")
    _check_folders(container, spec, splits)
    return splits


@dataclass(frozen=True)
class _File:
    split: str
    key: str
    label: int
    place: str
    content: bytes


def _files(container: Folder | Tar, spec: DatasetSpec) -> Iterator[_File]:
    lead: tuple[str, ...] | None = None
    seen: set[tuple[str, str]] = set()
    for path, read in container.members():
        parts = _place(path)
        if parts is None:
            continue
        first, split, class_name = parts
        if lead not in (None, first):
            raise DataError(
                f"{container.path} holds more than one tree: {path} and another below "
                f"{'/'.join(lead) or 'the top'}."
            )
        lead = first
        if path.suffix.lower() not in SUFFIXES:
            raise DataError(
                f"{container.path}: {path} lies among the images and is none of "
                f"{', '.join(SUFFIXES)}."
            )
        label = _label(class_name, path.parent, container, spec)
        key, place = f"{class_name}/{path.name}", f"{container.path}: {path}"
        if (split, key) in seen:
            raise DataError(f"{container.path} holds {path} twice.")
        seen.add((split, key))
        yield _File(split, key, label, place, read())


def _check_folders(container: Folder | Tar, spec: DatasetSpec, splits: dict[str, RawSplit]) -> None:
    for folder in container.folders():
        if place := _place(folder / "any"):
            _label(place[2], folder, container, spec)
    for split, raw in splits.items():
        present = set(raw.labels)
        for label, name in enumerate(spec.class_names):
            if label not in present:
                raise DataError(
                    f"{container.path}: the class folder {split}/{name} is missing or has no "
                    f"image in it ({', '.join(SUFFIXES)})."
                )


def _label(name: str, folder: PurePosixPath, container: Folder | Tar, spec: DatasetSpec) -> int:
    if name not in spec.class_names:
        raise DataError(
            f"{container.path}: the folder {folder} is no class of {spec.name}."
            f"{did_you_mean(name, spec.class_names)} Its classes: {', '.join(spec.class_names)}."
        )
    return spec.class_names.index(name)


def _place(path: PurePosixPath) -> tuple[tuple[str, ...], str, str] | None:
    """Return (leading folder or nothing, split, class) of a file, or None outside a tree."""
    parts = path.parts
    if len(parts) == 3 and parts[0] in ("train", "test"):
        return (), parts[0], parts[1]
    if len(parts) == 4 and parts[1] in ("train", "test"):
        return parts[:1], parts[1], parts[2]
    return None
