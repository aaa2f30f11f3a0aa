"""What CIFAR-10 is prepared from: recognised by its content, identified by its fingerprint."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnkeras.errors import DataError
from bnkeras.pipelines.batch_files import BINARY_FILES, PYTHON_FILES, read_batch_files
from bnkeras.pipelines.containers import Folder, Tar, open_container
from bnkeras.pipelines.image_tree import ImageTree, read_image_tree
from bnkeras.pipelines.raw import Progress, RawSplit, check_counts
from bnkeras.pipelines.registry import DatasetSpec

KINDS = (
    "the original cifar-10-python.tar.gz or cifar-10-binary.tar.gz",
    "a folder or tar (.tar, .tar.gz, .tar.xz) of train/CLASS/*.jpg and test/CLASS/*.jpg "
    "(or .jpeg, .png)",
)


@dataclass(frozen=True)
class PixelSource:
    """A source of images that are held in memory before they are written.

    Attributes:
        place: what it is called in messages.
        kind: what it is: `"python batches"`, `"binary batches"`, `"image tree"`, `"package"`.
        sha256: of an archive's bytes, or of a folder's names and contents.
        read: returns the splits.
    """

    place: str
    kind: str
    sha256: str
    read: Callable[[DatasetSpec, Progress], dict[str, RawSplit]]

    def write(
        self,
        spec: DatasetSpec,
        description: Mapping[str, Any],
        data_dir: Path,
        progress: Progress,
        skip_corrupt: bool,
    ) -> None:
        """Write the records of `spec`, whose counts leave nothing to skip.

        Raises:
            DataError: the content is not what `spec` says.
            CorruptDataError: a file is damaged.
        """
        splits = self.read(spec, progress)
        check_counts(splits, spec, self.place)
        # TensorFlow starts here and not before a bad source was refused.
        from bnkeras.pipelines.builder import write_pixels

        write_pixels(spec, splits, description, data_dir, progress)


def recognise(path: Path, progress: Progress) -> PixelSource:
    """Return the source at `path`, its kind told by the first file that shows it.

    Raises:
        DataError: nothing in it shows a known kind.
        CorruptDataError: an archive that cannot be read.
    """
    container = open_container(path)
    kind = _kind(container)
    if kind is None:
        raise DataError(
            f"Nothing in {path} looks like a source. Accepted are:\n  " + "\n  ".join(KINDS)
        )
    read = read_image_tree if kind == "image tree" else read_batch_files
    return PixelSource(
        str(path), kind, container.sha256(progress), lambda *arguments: read(container, *arguments)
    )


def _kind(container: Folder | Tar) -> str | None:
    tree = ImageTree(container)
    for path, _, _ in container.members():
        if path.name in PYTHON_FILES:
            return "python batches"
        if path.name in BINARY_FILES:
            return "binary batches"
        if tree.is_file(path):
            return "image tree"
    return None
