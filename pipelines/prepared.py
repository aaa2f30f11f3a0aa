"""Which datasets are prepared, read from the files that TFDS leaves beside the records.

Nothing here needs TensorFlow.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines.directory import data_directory
from bnkeras.pipelines.registry import DATASETS, FAMILIES, DatasetSpec, get_spec

# Raise it when the same source would be written as other records.
FORMAT_VERSION = "1.0.0"
ID_LENGTH = 16
# The source of what TFDS downloads and prepares itself.
TFDS = "TensorFlow Datasets"
# Every dataset has the first two; the third, where a folder brings one, is for the user's own use.
SPLITS = ("train", "test", "validation")


@dataclass(frozen=True)
class Prepared:
    """A dataset that lies ready as TFRecords.

    Attributes:
        spec: what it is; of a dataset of a family, with all that preparing it has shown.
        path: the folder of its records, `DATA_DIR/NAME/FINGERPRINT/VERSION`.
        fingerprint: the first 16 hexadecimal digits of `sha256`.
        sha256: SHA-256 of the source.
        source: the name of the source, without the path to it.
        kind: the kind of the source.
        shard_lengths: how many records each shard of each split holds.
        bytes: length of the shards together.
        notes: what else there is to know: that it is a subset, or how it was split.
        skipped: what was left out because it is corrupt, by name.
        linked: where the records lie, if `path` only links to them.
    """

    spec: DatasetSpec
    path: Path
    fingerprint: str
    sha256: str
    source: str
    kind: str
    shard_lengths: dict[str, tuple[int, ...]]
    bytes: int
    notes: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    linked: Path | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many records each split has."""
        return {split: sum(lengths) for split, lengths in self.shard_lengths.items()}

    @property
    def data_dir(self) -> Path:
        """The data directory that it lies in."""
        return _data_dir(self.spec, self.path)

    def shards(self, split: str) -> list[Path]:
        """Return the record files of `split` in order."""
        return _shards(self.path, self.spec, split, len(self.shard_lengths[split]))

    @property
    def remedy(self) -> str:
        """What to do when it is damaged."""
        source, delete = f"/path/to/{self.source}", f"rm -r {self.path}"
        if self.source == TFDS:
            source = ""
        if self.linked:
            delete += f"  # links to {self.linked}, which TFDS has to prepare again before"
            source = str(self.linked)
        return (
            f"Delete that folder and prepare it again:\n  {delete}\n  "
            f"{prepare_command(self.spec, self.data_dir, source)}"
        )


@dataclass(frozen=True)
class Damaged:
    """What was prepared and can no longer be used.

    Attributes:
        spec: the dataset.
        path: the folder.
        message: why, and how to prepare it again.
    """

    spec: DatasetSpec
    path: Path
    message: str


def prepare_command(spec: DatasetSpec, data_dir: Path, source: str = "PATH") -> str:
    """Return the command line that prepares `spec` in `data_dir`; no `source` for a download."""
    option = "" if spec.auto or not source else f" --source {source}"
    where = "" if data_dir == data_directory() else f" --data-dir {data_dir}"
    return f"bnkeras data prepare {spec.name}{option}{where}"


def read_prepared(spec: DatasetSpec, path: Path) -> Prepared:
    """Return the dataset whose records lie in `path`, after a look at every file.

    Raises:
        CorruptDataError: a file is missing or its description cannot be read.
    """
    remedy = f"Prepare it again:\n  {prepare_command(spec, _data_dir(spec, path))}"
    try:
        info = json.loads((path / "dataset_info.json").read_text("utf-8"))
        metadata = json.loads((path / "metadata.json").read_text("utf-8"))
        (path / "features.json").read_text("utf-8")
        lengths = {
            split["name"]: tuple(int(length) for length in split["shardLengths"])
            for split in info["splits"]
        }
        if spec.family:
            spec = _learned(spec, path, metadata["content"], lengths)
        if set(lengths) != set(spec.splits):
            raise ValueError(f"splits {', '.join(lengths) or 'none'}")
        size = sum(
            shard.stat().st_size
            for split, shard_lengths in lengths.items()
            for shard in _shards(path, spec, split, len(shard_lengths))
        )
        return Prepared(
            spec=spec,
            path=path,
            fingerprint=metadata["sha256"][:ID_LENGTH],
            sha256=metadata["sha256"],
            source=metadata["source"],
            kind=metadata["kind"],
            shard_lengths=lengths,
            bytes=size,
            notes=tuple(metadata.get("notes", ())),
            skipped=tuple(metadata.get("skipped", ())),
            linked=Path(metadata["records"]) if "records" in metadata else None,
        )
    except OSError as error:
        raise CorruptDataError(
            f"The prepared dataset {path} is incomplete: {error.filename} is missing or "
            f"cannot be read. {remedy}"
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptDataError(
            f"The prepared dataset {path} has a damaged description ({error!r}). {remedy}"
        ) from error


def list_prepared(
    dataset: str | DatasetSpec | None = None, data_dir: Path | str | None = None
) -> list[Prepared | Damaged]:
    """Return every preparation of a dataset, or of all, the damaged ones included.

    Args:
        dataset: name or specification; None for all of them.
        data_dir: see `data_directory`.

    Raises:
        DataError: no dataset has this name.
    """
    root = data_directory(data_dir)
    names = [dataset] if dataset else [*DATASETS, *_members(root)]
    found: list[Prepared | Damaged] = []
    for spec in map(get_spec, names):
        for path in sorted((root / spec.name).glob(f"*/{FORMAT_VERSION}")):
            try:
                found.append(read_prepared(spec, path))
            except CorruptDataError as error:
                found.append(Damaged(spec, path, str(error)))
    return found


def _members(root: Path) -> list[str]:
    """Return the names of the datasets of families that something is prepared of."""
    found = {
        path.relative_to(root).parents[1].as_posix()
        for family in FAMILIES
        for path in root.glob(f"{family}/*/*/{FORMAT_VERSION}")
    }
    return sorted(found)


def find(
    dataset: str | DatasetSpec,
    data_dir: Path | str | None = None,
    fingerprint: str | None = None,
) -> Prepared:
    """Return the prepared dataset; one that needs no source is prepared when absent.

    Args:
        dataset: name or specification.
        data_dir: see `data_directory`.
        fingerprint: the beginning of the fingerprint to take where there are several.

    Raises:
        DataError: it is not prepared, or several are and `fingerprint` picks none.
        CorruptDataError: the one found is damaged.

    >>> find("cifar10", "/data").counts                                 # doctest: +SKIP
    {'test': 10000, 'train': 50000}
    """
    spec, root = get_spec(dataset), data_directory(data_dir)
    found = list_prepared(spec, root)
    if spec.auto and not any(isinstance(one, Prepared) for one in found):
        from bnkeras.pipelines.preparing import prepare

        found = [prepare(spec, data_dir=root)]
    # A damaged one counts: with another source ready beside it, which of the two is
    # meant is not for us to guess.
    matching = [one for one in found if _has_fingerprint(one, fingerprint or "")]
    if not found:
        downloaded = spec.download or spec.family == "tfds"
        raise DataError(
            f"{spec.name} is not prepared in {root}. Prepare it with\n"
            f"  {prepare_command(spec, root)}\n"
            f"{'(without --source it is downloaded), ' if downloaded else ''}"
            "or give the directory that it lies in: --data-dir DIR, or the environment "
            "variable BNKERAS_DATA_DIR."
        )
    if not matching:
        raise DataError(
            f"{spec.name} is not prepared with the fingerprint {fingerprint!r} in {root}. "
            f"There is:\n{_listed(found)}"
        )
    if len(matching) > 1:
        raise DataError(
            f"{spec.name} is prepared from {len(matching)} sources in {root}:\n{_listed(matching)}"
            f"\nChoose one with --set data.fingerprint={_folder_name(matching[0])}"
        )
    if isinstance(matching[0], Damaged):
        raise CorruptDataError(matching[0].message)
    return matching[0]


def _learned(
    spec: DatasetSpec, path: Path, content: dict, lengths: dict[str, tuple[int, ...]]
) -> DatasetSpec:
    """Return `spec` with what preparing it has shown."""
    shape = content["image_shape"]
    return replace(
        spec,
        class_names=tuple((path / "label.labels.txt").read_text("utf-8").splitlines()),
        splits={name: sum(lengths[name]) for name in SPLITS if name in lengths},
        kind=content["kind"],
        image_shape=shape and tuple(shape),
        mean=tuple(content["mean"]),
        std=tuple(content["std"]),
    )


def _data_dir(spec: DatasetSpec, path: Path) -> Path:
    return path.parents[2 + spec.name.count("/")]


def _has_fingerprint(one: Prepared | Damaged, start: str) -> bool:
    # Of a damaged one only the folder's name is known, the first digits.
    known = one.sha256 if isinstance(one, Prepared) else _folder_name(one)
    return known.startswith(start.lower()[: len(known)])


def _folder_name(one: Prepared | Damaged) -> str:
    return one.path.parent.name


def _listed(found: list[Prepared | Damaged]) -> str:
    return "\n".join(
        f"  {_folder_name(one)}  "
        + (f"{one.source} ({one.kind})" if isinstance(one, Prepared) else "damaged")
        for one in found
    )


def _shards(path: Path, spec: DatasetSpec, split: str, count: int) -> list[Path]:
    name = spec.name.rpartition("/")[2]
    return [path / f"{name}-{split}.tfrecord-{index:05d}-of-{count:05d}" for index in range(count)]
