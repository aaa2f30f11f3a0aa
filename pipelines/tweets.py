"""What the tweets are prepared from: recognised by its content, identified by its fingerprint."""

import gzip
import hashlib
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines.containers import check_link, digest_files
from bnkeras.pipelines.raw import Progress
from bnkeras.pipelines.registry import DatasetSpec
from bnkeras.pipelines.tfds_directory import find_directory
from bnkeras.pipelines.tweet_rows import TweetRows, read_rows

KINDS = (
    "Sentiment140's trainingandtestdata.zip, or the folder that it unpacks to",
    "a folder of train.csv and test.csv (or .csv.gz) in its format: polarity (0 or 4), id, date, "
    "query, user, text, in ISO-8859-1",
    "one such .csv or .csv.gz file, a fifth of which becomes the test split",
    "the directory of TFDS' prepared sentiment140",
)

_NAMES = {
    "train": ("train.csv", "training.1600000.processed.noemoticon.csv"),
    "test": ("test.csv", "testdata.manual.2009.06.14.csv"),
}
_HELD_OUT = 5  # one in so many texts

_GZIP, _ZIP = b"\x1f\x8b", b"PK"

# What a file is called in messages, and how it is opened.
_File = tuple[str, Callable[[], IO[bytes]]]


@dataclass(frozen=True)
class TweetSource:
    """Tweets that were recognised and not yet read.

    Attributes:
        place: what the source is called in messages.
        kind: what it is: `"CSV file"`, `"CSV files"`, `"zip"` or `"TFDS records"`.
        sha256: of a file's bytes, or of the names and contents of a folder's files.
        rows: returns the tweets of each split that the source has.
    """

    place: str
    kind: str
    sha256: str
    rows: Callable[[Progress, bool], dict[str, TweetRows]]

    def read(self, progress: Progress, skip_corrupt: bool = False) -> dict[str, TweetRows]:
        """Return the tweets of `train` and `test`; what there is to say stands in their notes.

        Neutral tweets are left out. Where there is no test file, the texts whose SHA-256
        is 0 modulo 5 are the test split, so that no text stands in both. Otherwise texts
        may; they are counted and stay.

        Raises:
            DataError: the source is in another format, or a split lacks a class.
            CorruptDataError: a row is corrupt, or a file is damaged.
        """
        splits = self.rows(progress, skip_corrupt)
        for name, rows in splits.items():
            if rows.neutral:
                rows.notes.append(
                    f"Neutral tweets (polarity 2) left out of {name!r}: {rows.neutral:,}"
                )
        if "test" in splits:
            _count_leaks(splits["train"], splits["test"])
        else:
            progress(0, None, "holding out a fifth of the tweets as the test split")
            splits = _hold_out(splits["train"])
        for name, rows in splits.items():
            for label, title in enumerate(("negative", "positive")):
                if label not in rows.labels:
                    raise DataError(f"{self.place} has no {title} tweet in {name!r}.")
        return splits

    def write(
        self,
        spec: DatasetSpec,
        description: Mapping[str, Any],
        data_dir: Path,
        progress: Progress,
        skip_corrupt: bool,
    ) -> None:
        """Write the records of `spec`: what was left out and what is notable is added.

        Raises:
            DataError, CorruptDataError: as `read`.
        """
        splits = self.read(progress, skip_corrupt)
        # TensorFlow starts here and not before a bad source was refused.
        from bnkeras.pipelines.text_records import write_text_records

        write_text_records(spec, splits, description, data_dir, progress)


def recognise(path: Path, progress: Progress) -> TweetSource:
    """Return the source at `path`.

    Raises:
        DataError: it is no kind of source that is known.
        CorruptDataError: a damaged zip file.
    """
    if path.is_dir():
        return _folder(path, progress)
    try:
        with path.open("rb") as file:
            start = file.read(2)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"The source {path} cannot be read: {error.strerror}.") from error
    if start == _ZIP:
        return TweetSource(str(path), "zip", sha256, partial(_read_files, _zipped(path)))
    files = {"train": (str(path), partial(path.open, "rb"))}
    return TweetSource(str(path), "CSV file", sha256, partial(_read_files, files))


def _folder(path: Path, progress: Progress) -> TweetSource:
    if records := find_directory(path, "sentiment140"):
        from bnkeras.pipelines.tweet_records import read_records

        sha256 = _digest(records.iterdir(), progress)
        return TweetSource(str(path), "TFDS records", sha256, partial(read_records, records))
    names = _by_split(path, [file.name for file in path.iterdir() if not file.is_dir()])
    for name in names.values():
        check_link(path / name)
    files = {
        split: (str(path / name), partial((path / name).open, "rb"))
        for split, name in names.items()
    }
    sha256 = _digest((path / name for name in names.values()), progress)
    return TweetSource(str(path), "CSV files", sha256, partial(_read_files, files))


def _zipped(path: Path) -> dict[str, _File]:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise CorruptDataError(
            f"{path} is damaged or incomplete ({error}). Copy or download it again."
        ) from error
    names = [name for name in archive.namelist() if "__MACOSX/" not in name]
    return {
        split: (f"{path}: {name}", partial(archive.open, name))
        for split, name in _by_split(path, names).items()
    }


def _by_split(path: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the names of the training file and, where there is one, of the test file."""
    found: dict[str, str] = {}
    for name in sorted(names):
        plain = PurePosixPath(name).name.removesuffix(".gz")
        for split, known in _NAMES.items():
            if plain in known:
                if split in found:
                    raise DataError(
                        f"{path} holds {found[split]} and {name}; which of them is the file of "
                        f"{split!r} is not for us to guess. Remove one."
                    )
                found[split] = name
    if "train" not in found:
        raise DataError(
            f"There is no file of training tweets in {path}; it would be called "
            f"{' or '.join(_NAMES['train'])}, or the same with .gz. Accepted are:\n  "
            + "\n  ".join(KINDS)
        )
    return found


def _digest(files: Iterable[Path], progress: Progress) -> str:
    return digest_files([(file.name, file) for file in sorted(files) if file.is_file()], progress)


def _read_files(
    files: Mapping[str, _File], progress: Progress, skip_corrupt: bool
) -> dict[str, TweetRows]:
    splits = {}
    for split, (place, open_file) in files.items():
        try:
            opened = open_file()
        except OSError as error:
            raise DataError(f"The file {place} cannot be read: {error.strerror}.") from error
        except RuntimeError as error:  # it is encrypted, or compressed in an unusual way
            raise DataError(f"The file {place} cannot be unpacked: {error}.") from error
        with opened as file:
            # Both kinds of files can look ahead.
            plain = gzip.GzipFile(fileobj=file) if file.peek(2)[:2] == _GZIP else file
            splits[split] = read_rows(plain, place, progress, skip_corrupt)
    return splits


def _count_leaks(train: TweetRows, test: TweetRows) -> None:
    known = set(train.texts)
    leaks = sum(text in known for text in test.texts)
    if leaks:
        test.notes.append(
            f"Texts of 'test' that occur in 'train' too: {leaks:,} of {len(test.texts):,}; they "
            f"were not removed"
        )


def _hold_out(rows: TweetRows) -> dict[str, TweetRows]:
    train, test = TweetRows(skipped=rows.skipped, notes=rows.notes), TweetRows()
    for text, label in zip(rows.texts, rows.labels, strict=True):
        digest = hashlib.sha256(text).digest()
        split = train if int.from_bytes(digest[:8]) % _HELD_OUT else test
        split.texts.append(text)
        split.labels.append(label)
    test.notes.append(
        f"There is no test file: {len(test.texts):,} of {len(rows.texts):,} tweets, chosen by a "
        f"hash of the text, are held out as 'test'"
    )
    return {"train": train, "test": test}
