"""Image files in class folders, `train/CLASS/*.jpg` and so on, in a folder or tar."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath

from bnkeras.errors import DataError, did_you_mean
from bnkeras.pipelines.containers import Folder, Member, Tar
from bnkeras.pipelines.raw import EncodedImage, Progress, RawSplit
from bnkeras.pipelines.registry import DatasetSpec

SUFFIXES = (".jpg", ".jpeg", ".png")
TRAIN_TEST = {"train": "train", "test": "test"}
_CHUNK = 512


@dataclass(frozen=True)
class TreeFile:
    """An image file at its place in a tree."""

    split: str
    class_name: str
    member: Member
    place: str

    @property
    def key(self) -> str:
        """Its class and name."""
        return f"{self.class_name}/{self.member.name.name}"

    def encoded(self, label: int) -> EncodedImage:
        """Return the file with its content."""
        return EncodedImage(self.key, self.member.read(), label, self.place)


class ImageTree:
    """The image files of a container that lie at SPLIT/CLASS/FILE, at most one folder down.

    Files at other places are passed over.

    Args:
        container: what they lie in.
        splits: the split of each folder at the top; with the key "", the classes are at
            the top, and every file is of its split.
        lead: the folder that all lies in, where it is known.
    """

    def __init__(
        self,
        container: Folder | Tar,
        splits: Mapping[str, str] = TRAIN_TEST,
        lead: tuple[str, ...] | None = None,
    ):
        self.container = container
        self._splits = splits
        self._lead = lead

    def is_file(self, path: PurePosixPath) -> bool:
        """Return whether `path` is an image at its place in a tree.

        >>> ImageTree(Folder(Path("."))).is_file(PurePosixPath("cifar/train/cat/0001.jpg"))
        True
        """
        return self._place(path) is not None and path.suffix.lower() in SUFFIXES

    def files(self) -> Iterator[TreeFile]:
        """Yield the image files in the order of the container.

        Raises:
            DataError: a second tree, a file among the images that is none, one that
                occurs twice.
            CorruptDataError: a damaged archive.
        """
        lead = self._lead
        seen: set[PurePosixPath] = set()
        for member in self.container.members():
            place = self._place(member.name)
            if place is None:
                continue
            path, (first, split, class_name) = member.name, place
            if lead not in (None, first):
                raise DataError(
                    f"{self.container.path} holds more than one tree: {path} and another below "
                    f"{'/'.join(lead) or 'the top'}."
                )
            lead = first
            if path.suffix.lower() not in SUFFIXES:
                raise DataError(
                    f"{self.container.path}: {path} lies among the images and is none of "
                    f"{', '.join(SUFFIXES)}."
                )
            if path in seen:
                raise DataError(f"{self.container.path} holds {path} twice.")
            if isinstance(self.container, Tar):
                seen.add(path)
            yield TreeFile(split, class_name, member, f"{self.container.path}: {path}")

    def class_folders(self) -> Iterator[tuple[str, str, PurePosixPath]]:
        """Yield (split, class, folder), those without a file included, after `files`."""
        for folder in self.container.folders():
            if place := self._place(folder / "any"):
                yield place[1], place[2], folder

    def _place(self, path: PurePosixPath) -> tuple[tuple[str, ...], str, str] | None:
        """Return (leading folder or nothing, split, class) of a file, or None outside a tree."""
        parts = path.parts
        depth = 2 if "" in self._splits else 3
        lead, inside = parts[:-depth], parts[-depth:]
        folder = inside[0] if depth == 3 else ""
        if len(inside) < depth or len(lead) > 1 or folder not in self._splits:
            return None
        if self._lead is not None and lead != self._lead:
            return None
        return lead, self._splits[folder], inside[-2]


def read_image_tree(
    container: Folder | Tar, spec: DatasetSpec, progress: Progress
) -> dict[str, RawSplit]:
    """Return the splits of a tree of images of one shape, decoded; keys are `class/filename`.

    Raises:
        DataError: as `ImageTree.files`; an unknown class, a class folder without an
            image, an image of another size.
        CorruptDataError: an image that cannot be decoded, a damaged archive.
    """
    total = sum(spec.splits.values())
    progress(0, total, "reading images")
    # Here, so that the sources are recognised without TensorFlow.
    from bnkeras.pipelines.decode import decode_images

    tree = ImageTree(container)
    splits = {split: RawSplit() for split in spec.splits}
    encoded = _labelled(tree.files(), container, spec)
    done = 0
    while chunk := list(islice(encoded, _CHUNK)):
        images = decode_images([image for _, image in chunk], spec.image_shape)
        for (split, image), pixels in zip(chunk, images, strict=True):
            splits[split].add(image.key, pixels, image.label)
        done += len(chunk)
        progress(done, total, "reading images")
    _check_folders(tree, spec, splits)
    return splits


def _labelled(
    files: Iterator[TreeFile], container: Folder | Tar, spec: DatasetSpec
) -> Iterator[tuple[str, EncodedImage]]:
    for file in files:
        label = _label(file.class_name, file.member.name.parent, container, spec)
        yield file.split, file.encoded(label)


def _check_folders(tree: ImageTree, spec: DatasetSpec, splits: dict[str, RawSplit]) -> None:
    for _, class_name, folder in tree.class_folders():
        _label(class_name, folder, tree.container, spec)
    for split, raw in splits.items():
        present = set(raw.labels)
        for label, name in enumerate(spec.class_names):
            if label not in present:
                raise DataError(
                    f"{tree.container.path}: the class folder {split}/{name} is missing or has no "
                    f"image in it ({', '.join(SUFFIXES)})."
                )


def _label(name: str, folder: PurePosixPath, container: Folder | Tar, spec: DatasetSpec) -> int:
    if name not in spec.class_names:
        raise DataError(
            f"{container.path}: the folder {folder} is no class of {spec.name}."
            f"{did_you_mean(name, spec.class_names)} Its classes: {', '.join(spec.class_names)}."
        )
    return spec.class_names.index(name)
