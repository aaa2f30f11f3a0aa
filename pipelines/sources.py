"""What a dataset is prepared from: recognised by its content, identified by its fingerprint."""

from dataclasses import dataclass
from pathlib import Path

from bnkeras.errors import DataError
from bnkeras.pipelines.batch_files import BINARY_FILES, PYTHON_FILES, read_batch_files
from bnkeras.pipelines.containers import Folder, Tar, open_container
from bnkeras.pipelines.image_tree import is_tree_file, read_image_tree
from bnkeras.pipelines.raw import Progress, RawSplit, check_counts
from bnkeras.pipelines.registry import DatasetSpec

KINDS = (
    "the original cifar-10-python.tar.gz or cifar-10-binary.tar.gz",
    "a folder or tar (.tar, .tar.gz, .tar.xz) of train/CLASS/*.jpg and test/CLASS/*.jpg "
    "(or .jpeg, .png)",
)


@dataclass(frozen=True)
class Source:
    """A source that was recognised.

    Attributes:
        container: its files.
        kind: what it is: `"python batches"`, `"binary batches"` or `"image tree"`.
        sha256: of an archive's bytes, or of a folder's names and contents.
    """

    container: Folder | Tar
    kind: str
    sha256: str

    def read(self, spec: DatasetSpec, progress: Progress) -> dict[str, RawSplit]:
        """Return the splits in memory, checked against `spec`.

        Raises:
            DataError: the content is not what `spec` says.
            CorruptDataError: a file is damaged.
        """
        if self.kind == "image tree":
            splits = read_image_tree(self.container, spec, progress)
        else:
            splits = read_batch_files(self.container, spec, progress)
        check_counts(splits, spec, self.container.path)
        return splits


def recognise(path: Path, progress: Progress) -> Source:
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
    progress(0, None, "taking the fingerprint of the source")
    return Source(container, kind, container.sha256())


def _kind(container: Folder | Tar) -> str | None:
    for path, _ in container.members():
        if path.name in PYTHON_FILES:
            return "python batches"
        if path.name in BINARY_FILES:
            return "binary batches"
        if is_tree_file(path):
            return "image tree"
    return None
