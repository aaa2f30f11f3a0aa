"""What ImageNet is prepared from: the official archives, class folders, or TFDS' records."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnkeras.errors import DataError
from bnkeras.pipelines.class_folders import Survey, survey
from bnkeras.pipelines.containers import Member, Tar, check_link, digest_files, open_container
from bnkeras.pipelines.image_tree import ImageTree
from bnkeras.pipelines.raw import EncodedImage, ImageFiles, Progress, Source
from bnkeras.pipelines.registry import DATASETS, DatasetSpec, tfds_resource
from bnkeras.pipelines.tfds_directory import find_directory

TARS = {"train": "ILSVRC2012_img_train.tar", "test": "ILSVRC2012_img_val.tar"}
COUNTS = {"train": 1_281_167, "test": 50_000}
KINDS = (
    f"a folder with the official {TARS['train']} and {TARS['test']}",
    "a folder or tar of train/nXXXXXXXX/*.JPEG and val/nXXXXXXXX/*.JPEG, whole or a subset",
    "a directory that TFDS prepared, imagenet2012/5.1.0, which is used where it lies",
)
_CLASSES = DATASETS["imagenet"].class_names
_LABELS = {name: label for label, name in enumerate(_CLASSES)}
_FOLDERS = {"train": "train", "val": "test"}
_TITLES = {"train": "training", "test": "validation"}


@dataclass(frozen=True)
class OfficialTars:
    """The two archives of image-net.org.

    Attributes:
        path: the folder that they lie in.
        sha256: of the names, lengths and contents of both.
        kind: what it is.
    """

    path: Path
    sha256: str
    kind: str = "official tars"

    def write(
        self,
        spec: DatasetSpec,
        description: Mapping[str, Any],
        data_dir: Path,
        progress: Progress,
        skip_corrupt: bool,
    ) -> None:
        """Write the records of ImageNet, all of them.

        Raises:
            DataError: an archive holds other images than it should.
            CorruptDataError: an archive or an image is damaged.
        """
        from bnkeras.pipelines.image_records import write_files

        splits = {
            split: ImageFiles(read, COUNTS[split], (self.path / TARS[split]).stat().st_size)
            for split, read in (("test", self._validation), ("train", self._training))
        }
        write_files(spec, splits, {**description}, data_dir, progress, skip_corrupt)

    def _training(self) -> Iterator[EncodedImage]:
        """Yield the images of the tar of tars, one for each class."""
        path, total, tars = self.path / TARS["train"], 0, set()
        for name, members in Tar(path).tars():
            if name.stem not in _LABELS or name.stem in tars:
                raise DataError(
                    f"{path} holds {name}, which is no class of ImageNet or there twice."
                )
            tars.add(name.stem)
            for member in _unique(members, f"{path}: {name}"):
                total += 1
                yield _encoded(member, name.stem, f"{path}: {name}: {member.name}")
        _check_count(path, "train", total)

    def _validation(self) -> Iterator[EncodedImage]:
        """Yield the images of the flat tar; TFDS carries the class of each number."""
        path, total = self.path / TARS["test"], 0
        classes = tfds_resource("datasets/imagenet2012/validation_labels.txt").read_text().split()
        for member in _unique(Tar(path).members(), path):
            found = re.fullmatch(r"ILSVRC2012_val_(\d{8})\.JPEG", member.name.name)
            number = int(found[1]) if found else 0
            if not 1 <= number <= len(classes):
                raise DataError(
                    f"{path} holds {member.name}; its files are ILSVRC2012_val_00000001.JPEG to "
                    f"{len(classes):08d}."
                )
            total += 1
            yield _encoded(member, classes[number - 1], f"{path}: {member.name}")
        _check_count(path, "test", total)


@dataclass(frozen=True)
class ImagenetFolders:
    """Class folders called by ImageNet's ids, all or some of them.

    Attributes:
        tree: their files.
        survey: what lies in them.
        sha256: of an archive's bytes, or of a folder's names and contents.
        kind: what it is.
    """

    tree: ImageTree
    survey: Survey
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
        """Write the records; a label is the id's place among ImageNet's 1,000.

        Raises:
            DataError, CorruptDataError: as `image_records.write_files`.
        """
        from bnkeras.pipelines.image_records import write_files

        splits = {split: self._files(split) for split in spec.splits}
        description = {**description, "notes": self._notes()}
        write_files(spec, splits, description, data_dir, progress, skip_corrupt)

    def _files(self, split: str) -> ImageFiles:
        def read() -> Iterator[EncodedImage]:
            for file in self.tree.files():
                if file.split == split:
                    yield file.encoded(_LABELS[file.class_name])

        return ImageFiles(read, len(self.survey.keys(split)), self.survey.bytes[split])

    def _notes(self) -> list[str]:
        counts = {split: len(self.survey.keys(split)) for split in COUNTS}
        if counts == COUNTS:
            return []
        images = (
            f"{counts[split]:,} of {COUNTS[split]:,} {_TITLES[split]} images" for split in COUNTS
        )
        classes = len(self.survey.names["train"])
        return [f"a subset: {', '.join(images)}, {classes:,} of {len(_CLASSES):,} classes"]


def recognise(path: Path, progress: Progress) -> Source:
    """Return the source of ImageNet at `path`.

    Raises:
        DataError: it is none of `KINDS`, or incomplete.
        CorruptDataError: an archive that cannot be read.
    """
    if path.is_dir():
        if any((path / name).is_file() for name in TARS.values()):
            return _official(path, progress)
        if directory := find_directory(path, "imagenet2012"):
            from bnkeras.pipelines.linked_records import recognise_linked

            return recognise_linked(directory, progress)
    elif path.name in TARS.values():
        raise DataError(f"ImageNet comes in two archives; give their folder: {path.parent}")
    container = open_container(path)
    tree = ImageTree(container, _FOLDERS)
    found = survey(tree, progress)
    if not found.names:
        raise DataError(
            f"Nothing in {path} looks like ImageNet. Accepted are:\n  " + "\n  ".join(KINDS)
        )
    for folder, split in _FOLDERS.items():
        for name in found.names.get(split, {}):
            if name not in _LABELS:
                raise DataError(
                    f"{path}: {folder}/{name} is none of ImageNet's 1,000 ids, such as "
                    f"{_CLASSES[0]}. Classes of your own are prepared as a dataset of your own:\n"
                    f"  bnkeras data prepare folder/NAME --source {path}"
                )
        if split not in found.names:
            raise DataError(f"{path} has no {folder}/nXXXXXXXX/*.JPEG.")
    return ImagenetFolders(tree, found, container.sha256(progress))


def _official(path: Path, progress: Progress) -> OfficialTars:
    for name in TARS.values():
        check_link(path / name)
        if not (path / name).is_file():
            raise DataError(f"{path} has one of ImageNet's two archives; {name} is missing.")
    # At once, for reading all takes minutes.
    classes = {name.stem for name, _ in Tar(path / TARS["train"]).tars()}
    if missing := sorted(set(_CLASSES) - classes):
        raise DataError(
            f"{path / TARS['train']} is incomplete: it holds {len(_CLASSES) - len(missing):,} of "
            f"{len(_CLASSES):,} classes, and not {missing[0]}. Copy or download it again."
        )
    files = [(name, path / name) for name in TARS.values()]
    return OfficialTars(path, digest_files(files, progress))


def _unique(members: Iterator[Member], place: object) -> Iterator[Member]:
    names = set()
    for member in members:
        if member.name in names:
            raise DataError(f"{place} holds {member.name} twice.")
        names.add(member.name)
        yield member


def _encoded(member: Member, class_name: str, place: str) -> EncodedImage:
    key = f"{class_name}/{member.name.name}"
    return EncodedImage(key, member.read(), _LABELS[class_name], place)


def _check_count(path: Path, split: str, count: int) -> None:
    if count != COUNTS[split]:
        raise DataError(
            f"{path} holds {count:,} images; ImageNet has {COUNTS[split]:,} {_TITLES[split]} "
            "images. Copy or download it again."
        )
