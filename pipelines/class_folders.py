"""A user's own images: one folder for each class."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bnkeras.errors import DataError
from bnkeras.pipelines.containers import Folder, Tar, open_container
from bnkeras.pipelines.image_tree import SUFFIXES, ImageTree
from bnkeras.pipelines.raw import EncodedImage, ImageFiles, Progress
from bnkeras.pipelines.registry import DatasetSpec

KINDS = (
    "a folder or tar of train/CLASS/*.jpg (or .jpeg, .png), and test/CLASS/* or val/CLASS/*",
    "a folder or tar of CLASS/*.jpg, or of train/CLASS/*.jpg alone; a fifth is held out as test",
)
_FOLDERS = {name: name for name in ("train", "test", "val")}
_ACCEPTED = " Accepted are:\n  " + "\n  ".join(KINDS)
_HELD_OUT = 5  # one in so many images of each class


@dataclass
class Survey:
    """What lies in the folders of an image tree.

    Attributes:
        names: the file names of each class of each split.
        bytes: the length of each split's files together.
    """

    names: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)

    def keys(self, split: str) -> list[str]:
        """Return the class and name of each file of `split`."""
        return [f"{one}/{name}" for one, names in self.names[split].items() for name in names]


def survey(tree: ImageTree, progress: Progress) -> Survey:
    """Return what lies in the folders of `tree`.

    Raises:
        DataError: as `ImageTree.files`; a class folder has no image.
        CorruptDataError: a damaged archive.
    """
    found = Survey()
    for index, file in enumerate(tree.files()):
        if index % 1000 == 0:
            progress(index, None, "looking through the folders")
        classes = found.names.setdefault(file.split, {})
        classes.setdefault(file.class_name, []).append(file.member.name.name)
        found.bytes[file.split] = found.bytes.get(file.split, 0) + file.member.size
    for split, class_name, folder in tree.class_folders():
        if class_name not in found.names.get(split, {}):
            raise DataError(
                f"{tree.container.path}: the class folder {folder} has no image in it "
                f"({', '.join(SUFFIXES)})."
            )
    return found


@dataclass(frozen=True)
class FolderSource:
    """Class folders that were recognised and looked through.

    Attributes:
        tree: their files; its splits are called as the folders.
        survey: what lies in them.
        folders: the folder of each split.
        sha256: of an archive's bytes, or of a folder's names and contents.
        kind: what it is.
    """

    tree: ImageTree
    survey: Survey
    folders: dict[str, str]
    sha256: str
    kind: str = "class folders"

    def write(
        self,
        spec: DatasetSpec,
        description: Mapping[str, Any],
        data_dir: Path,
        progress: Progress,
        skip_corrupt: bool,
    ) -> None:
        """Write the records of `spec`; its classes are the folders' names, sorted.

        Without a test folder, the fifth of each class whose keys have the lowest SHA-256
        is the test split.

        Raises:
            DataError, CorruptDataError: as `image_records.write_images`.
        """
        # TensorFlow starts here and not before a bad source was refused.
        from bnkeras.pipelines.image_records import write_images

        labels = {name: label for label, name in enumerate(sorted(self.survey.names["train"]))}
        spec = replace(spec, class_names=tuple(labels))
        splits = {split: self._files(folder, labels) for split, folder in self.folders.items()}
        notes = []
        if "test" not in splits:
            held_out = _held_out(self.survey)
            splits = {
                "train": self._files("train", labels, lambda key: key not in held_out),
                "test": self._files("train", labels, held_out.__contains__),
            }
            notes.append(
                f"there is no test folder: {len(held_out):,} of {len(self.survey.keys('train')):,} "
                "images, a fifth of each class, are held out as the test split"
            )
        description = {**description, "notes": notes}
        write_images(spec, splits, description, data_dir, progress, skip_corrupt)

    def _files(
        self, folder: str, labels: Mapping[str, int], chosen: Callable[[str], bool] | None = None
    ) -> ImageFiles:
        def read() -> Iterator[EncodedImage]:
            for file in self.tree.files():
                if file.split == folder and (chosen is None or chosen(file.key)):
                    yield file.encoded(labels[file.class_name])

        keys = self.survey.keys(folder)
        count = sum(map(chosen, keys)) if chosen else len(keys)
        return ImageFiles(read, count, self.survey.bytes[folder] * count // len(keys))


def recognise(path: Path, progress: Progress) -> FolderSource:
    """Return the class folders at `path`.

    Raises:
        DataError: there are none; one is empty, or is not among the training classes.
        CorruptDataError: an archive that cannot be read.
    """
    container = open_container(path)
    tree = ImageTree(container, _FOLDERS)
    found = survey(tree, progress)
    if not found.names:
        tree = ImageTree(container, {"": "train"}, _lead(container))
        found = survey(tree, progress)
    if "train" not in found.names:
        raise DataError(f"{path} has a folder {next(iter(found.names))} and no folder train.")
    for folder, classes in found.names.items():
        if unknown := sorted(set(classes) - set(found.names["train"])):
            raise DataError(
                f"{path}: the class folder {folder}/{unknown[0]} has no counterpart in train, "
                f"whose classes are {', '.join(sorted(found.names['train']))}."
            )
    folders = {"train": "train"}
    if "val" in found.names:
        folders["validation" if "test" in found.names else "test"] = "val"
    if "test" in found.names:
        folders["test"] = "test"
    return FolderSource(tree, found, folders, container.sha256(progress))


def _lead(container: Folder | Tar) -> tuple[str, ...]:
    """Return the folder that classes without train and test lie below.

    Raises:
        DataError: the images do not lie in class folders.
    """
    leads: set[tuple[str, ...]] = set()
    for name, _, _ in container.members():
        if name.suffix.lower() in SUFFIXES:
            leads.add(name.parts[:-2])
            if len(leads) > 1 or len(name.parts) < 2 or len(name.parts) > 3:
                raise DataError(
                    f"{container.path}: {name} does not lie in a class folder.{_ACCEPTED}"
                )
            if name.parts[-2] in _FOLDERS:
                raise DataError(
                    f"{container.path}: {name} lies in no class folder, such as "
                    f"{name.parent}/CLASS/{name.name}.{_ACCEPTED}"
                )
    if not leads:
        raise DataError(
            f"There is no image in {container.path} ({', '.join(SUFFIXES)}).{_ACCEPTED}"
        )
    return leads.pop()


def _held_out(survey: Survey) -> set[str]:
    held_out = set()
    for class_name, names in survey.names["train"].items():
        keys = [f"{class_name}/{name}" for name in names]
        keys.sort(key=lambda key: hashlib.sha256(key.encode()).digest())
        held_out.update(keys[: max(1, round(len(keys) / _HELD_OUT))] if len(keys) > 1 else [])
    return held_out
