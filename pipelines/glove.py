"""Word vectors in GloVe's text format."""

import codecs
import gzip
import hashlib
import math
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines.vocabulary import FIRST_WORD, PADDING, UNKNOWN, Vocabulary

_NUMERIC = b"0123456789+-.eE "  # what numbers are written with
_LARGEST = np.finfo(np.float32).max
_GZIP, _ZIP = b"\x1f\x8b", b"PK"


@dataclass(frozen=True)
class GloveResult:
    """An embedding with the vectors of the words that a file has.

    Attributes:
        values: float32 [vocabulary_size, dimension].
        found: how many words of the vocabulary have a vector.
        words: how many words the vocabulary has.
        occurrences: share of the words' occurrences in the training texts that fall on
            found words.
        duplicates: rows that were passed over, of a word that had its vector already.
        dimension: values of a vector.
        sha256: of the file.
    """

    values: np.ndarray
    found: int
    words: int
    occurrences: float
    duplicates: int
    dimension: int
    sha256: str

    @property
    def coverage(self) -> float:
        """The share of the words that have a vector."""
        return self.found / self.words


def glove_dimension(path: Path | str) -> int:
    """Return how many values a vector has, told by the first row.

    Raises:
        DataError: the file cannot be read, or the first row is none of GloVe's.
        CorruptDataError: the file is damaged.

    >>> glove_dimension("glove.twitter.27B.200d.txt")                   # doctest: +SKIP
    200
    """
    path = Path(path)
    with _opened(path) as lines:
        _, line = next(lines)
        try:
            return len(_vector(_row(line, line.count(b" "))[1]))
        except ValueError as error:
            raise DataError(
                f"{path} is not in GloVe's text format, in which a line is a word and its "
                f"numbers, separated by spaces. The first row {error}: {_abridged(line)}"
            ) from error


def read_glove(path: Path | str, vocabulary: Vocabulary, values: np.ndarray) -> GloveResult:
    """Return `values` with GloVe's vectors in place of those of the words that it has.

    A row of the file is a word and its numbers, separated by single spaces; a word may
    have spaces. Padding becomes zero, and the vector of unknown words the mean of those
    found. Words that the file lacks keep their values. Of a word that comes twice, the
    first row counts. The file is read line by line, and only words of the vocabulary
    are kept.

    Args:
        path: the file, as it is or compressed with gzip.
        vocabulary: the words and their ids.
        values: the embedding so far, [vocabulary_size, dimension].

    Raises:
        DataError: the file cannot be read or is in another format, `values` has another
            shape, or no word was found.
        CorruptDataError: a row is short, long or has something other than numbers, or
            the file is damaged; the message names the line.

    Source: Pennington, Socher, Manning (2014), https://nlp.stanford.edu/projects/glove;
    padding and unknown words as in Torri (2022).
    """
    path = Path(path)
    ids = {word.encode(): FIRST_WORD + index for index, word in enumerate(vocabulary.words)}
    vectors: dict[int, np.ndarray] = {}
    duplicates = 0
    dimension = glove_dimension(path)
    if values.shape != (len(vocabulary), dimension):
        raise DataError(
            f"The vectors of {path} have {dimension} values, and the vocabulary has "
            f"{len(vocabulary):,} ids; the embedding must have the shape "
            f"{(len(vocabulary), dimension)}, and has {values.shape}."
        )
    with _opened(path) as lines:
        for number, line in lines:
            try:
                word, numbers = _row(line, dimension)
                if (place := ids.get(word)) is None:
                    continue
                if place in vectors:
                    duplicates += 1
                    continue
                vectors[place] = _vector(numbers)
            except ValueError as error:
                raise CorruptDataError(
                    f"{path}, line {number}: the row {error}: {_abridged(line)}\nGet the file "
                    f"anew, or take the row out."
                ) from error
    if not vectors:
        raise DataError(
            f"{path} has none of the {len(ids):,} words of the vocabulary, which begins with "
            f"{', '.join(map(repr, vocabulary.words[:5]))}. Is it of another language, or are "
            f"its words split in another way?"
        )
    places = np.array(list(vectors))
    result = np.array(values, np.float32)
    result[places] = found = np.stack(list(vectors.values()))
    result[PADDING] = 0
    result[UNKNOWN] = found.mean(axis=0, dtype=np.float64)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    counts = np.array(vocabulary.counts)
    return GloveResult(
        values=result,
        found=len(places),
        words=len(ids),
        occurrences=float(counts[places - FIRST_WORD].sum() / counts.sum()),
        duplicates=duplicates,
        dimension=dimension,
        sha256=sha256,
    )


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[tuple[int, bytes]]]:
    """Yield the numbered lines of a file, decompressed, without a blank one at the end."""
    try:
        with path.open("rb") as file:
            start = file.peek(2)[:2]
            if start == _ZIP:
                raise DataError(f"{path} is a zip file. Unpack it and give one of its files.")
            yield _lines(gzip.GzipFile(fileobj=file) if start == _GZIP else file, path)
    except OSError as error:
        raise DataError(f"The GloVe file {path} cannot be read: {error.strerror}.") from error


def _lines(file: IO[bytes], path: Path) -> Iterator[tuple[int, bytes]]:
    number, empty, blank = 0, True, False
    try:
        for number, line in enumerate(file, 1):
            line = line.rstrip(b" \r\n")
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
                # word2vec's format, which is the same otherwise, begins with two counts.
                if re.fullmatch(rb"\d+ \d+", line):
                    continue
            if blank:  # and not the last
                yield number - 1, b""
            blank = not line
            if line:
                empty = False
                yield number, line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CorruptDataError(
            f"{path} is damaged or incomplete: it can't be read after line {number:,} ({error}). "
            f"Copy or download it again."
        ) from error
    if empty:
        raise DataError(f"{path} has no word; it should have one and its numbers in each line.")


def _row(line: bytes, dimension: int) -> tuple[bytes, bytes]:
    """Return the word of a row and its numbers, as they are written.

    Raises:
        ValueError: there are not `dimension` numbers, or the word is not UTF-8.
    """
    given = line.count(b" ")
    if given < dimension:
        raise ValueError(f"has {given} numbers, and the first row has {dimension}")
    word = line.partition(b" ")[0] if given == dimension else line.rsplit(b" ", dimension)[0]
    numbers = line[len(word) + 1 :]
    if given > dimension and _is_number(word.rpartition(b" ")[2]):
        raise ValueError(f"has more numbers than the first row, which has {dimension}")
    if not numbers or numbers.translate(None, _NUMERIC):
        raise ValueError("has something other than numbers after the word")
    if not word.isascii():
        try:
            word.decode()
        except UnicodeDecodeError:
            raise ValueError("has a word that is not encoded as UTF-8") from None
    return word, numbers


def _vector(numbers: bytes) -> np.ndarray:
    """Return numbers as float32.

    Raises:
        ValueError: one is none, or is not finite.
    """
    try:
        vector = np.array([float(number) for number in numbers.split(b" ")])
    except ValueError:
        raise ValueError("has something other than numbers after the word") from None
    if (np.abs(vector) > _LARGEST).any():
        raise ValueError("has a number that is too large for float32")
    return vector.astype(np.float32)


def _is_number(text: bytes) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _abridged(line: bytes) -> str:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        # Each byte that is no letter is escaped, as Python writes bytes.
        text = line if len(line) <= 80 else line[:60] + b"..." + line[-17:]
        return repr(text).removeprefix("b")
    return repr(text if len(text) <= 80 else f"{text[:60]}…{text[-19:]}")
