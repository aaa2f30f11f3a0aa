"""Rows of tweets, in the CSV format of Sentiment140."""

import csv
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import IO

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines.raw import Progress

COLUMNS = ("polarity", "id", "date", "query", "user", "text")
_NEUTRAL, _LABELS = 2, {0: 0, 4: 1}

# A tweet may have line breaks. A quotation mark that is still open after so many lines
# was never closed.
_LINES = 100
# What Python raises where a compressed file is damaged.
_DAMAGE = (EOFError, OSError, zlib.error, zipfile.BadZipFile)
_FORMAT = (
    f"Sentiment140's format has {len(COLUMNS)} columns ({', '.join(COLUMNS)}), or a row number and "
    f"these"
)
_REMEDY = "Mend the row, or have such rows left out with --skip-corrupt."


@dataclass
class TweetRows:
    """The tweets of a split, before they are written.

    Attributes:
        texts: UTF-8.
        labels: 0 for negative, 1 for positive.
        neutral: how many neutral tweets were left out.
        skipped: the corrupt rows that were left out: place and reason.
        notes: what else there is to know, for people.
    """

    texts: list[bytes] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    neutral: int = 0
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, text: bytes, polarity: int) -> None:
        """Append one tweet, or count it if it is neutral.

        Raises:
            ValueError: there is no such polarity.
        """
        if polarity in _LABELS:
            self.texts.append(text)
            self.labels.append(_LABELS[polarity])
        elif polarity == _NEUTRAL:
            self.neutral += 1
        else:
            raise ValueError(
                f"has the polarity {polarity}; it must be 0 (negative), 2 (neutral, left out) or "
                f"4 (positive)"
            )

    def leave_out(self, place: str, fault: object, text: str, skip: bool) -> None:
        """List a corrupt row, or refuse it.

        Raises:
            CorruptDataError: `skip` is not set.
        """
        message = f"{place}: the row {fault}: {_abridged(text)}"
        if not skip:
            raise CorruptDataError(f"{message}\n{_REMEDY}")
        self.skipped.append(message)


def read_rows(file: IO[bytes], place: str, progress: Progress, skip_corrupt: bool) -> TweetRows:
    """Return the tweets of a CSV file in the format of Sentiment140.

    A row is polarity (0 negative, 2 neutral, 4 positive), id, date, query, user and text;
    before them may stand a row number, in all rows or none. A first row that ends with
    `text` is a header. The encoding is ISO-8859-1, or UTF-8 where the file begins with
    its byte order mark. Blank lines are passed over.

    Args:
        file: the bytes, decompressed.
        place: what the file is called in messages.
        progress: called after every ten thousand rows.
        skip_corrupt: leave out corrupt rows, and list them.

    Raises:
        DataError: the file is in another format, or has no row.
        CorruptDataError: a row is corrupt, named by its line; or the file is damaged.
    """
    rows = TweetRows()
    columns: int | None = None
    records = _records(_lines(file, place))
    for line, text in records:
        if len(rows.texts) % 10_000 == 0:
            progress(len(rows.texts), None, f"reading tweets of {place}")
        try:
            row = _parsed(text)
            expected = columns or _form(row)
            if len(row) != expected:
                raise ValueError(f"should have {columns} columns, as the first, and has {len(row)}")
            if columns or not _is_header(row):
                rows.add(row[-1].encode(), _polarity(row))
            columns = expected  # the first good row says which of the two forms all have
        except ValueError as error:
            row_place = f"{place}, line {line}"
            if columns is None and not skip_corrupt and not _any_row(records):
                raise DataError(
                    f"{row_place}: the row {error}: {_abridged(text)}\nNor are the rows after it "
                    f"those of tweets. {_FORMAT}."
                ) from error
            rows.leave_out(row_place, error, text, skip_corrupt)
    good, bad = len(rows.texts) + rows.neutral, len(rows.skipped)
    if not good and not bad:
        raise DataError(
            f"{place} has no row{' but a header' if columns else ''}; it should have one for each "
            f"tweet. {_FORMAT}."
        )
    if bad > good:
        raise DataError(
            f"{place} is hardly a file of tweets; corrupt rows: {bad:,} of {good + bad:,}. "
            f"{_FORMAT}. The first corrupt row:\n{rows.skipped[0]}"
        )
    return rows


def _records(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield the number of the first line and the text of each row.

    A row goes on in the next line while a quotation mark is open. Where the next line is
    a row of its own, or where the lines together are none, the mark is one that was never
    closed. The first line then stands alone, so that not half the file is one tweet.
    """
    waiting: deque[tuple[int, str]] = deque()  # lines that were looked at too early

    def following() -> tuple[int, str] | None:
        return waiting.popleft() if waiting else next(lines, None)

    while first := following():
        number, text = first
        ahead = []
        while _is_open(text) and len(ahead) < _LINES and (line := following()):
            ahead.append(line)
            if _is_row(line[1]):
                break
            text += f"\n{line[1]}"
        if ahead and not _is_row(text):
            waiting.extendleft(reversed(ahead))
            text = first[1]
        if text:
            yield number, text


def _lines(file: IO[bytes], place: str) -> Iterator[tuple[int, str]]:
    number = 0
    encoding = "iso-8859-1"
    try:
        for number, line in enumerate(file, 1):
            if number == 1:
                if line.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise DataError(
                        f"{place} is encoded as UTF-16. Save it as ISO-8859-1, or as UTF-8 with "
                        f"a byte order mark."
                    )
                if line.startswith(b"\xef\xbb\xbf"):
                    encoding, line = "utf-8", line[3:]
            # What can't be decoded is found by `_parsed`, which knows what to do with it.
            yield number, line.rstrip(b"\r\n").decode(encoding, "surrogateescape")
    except _DAMAGE as error:
        raise CorruptDataError(
            f"{place} is damaged or incomplete: it can't be read after line {number} ({error}). "
            f"Copy or download it again."
        ) from error


def _is_open(text: str) -> bool:
    """Return whether a quotation mark is not closed; one inside a field is written twice."""
    return text.count('"') % 2 == 1


def _any_row(records: Iterator[tuple[int, str]]) -> bool:
    return any(_is_row(text) for _, text in islice(records, _LINES))


def _is_row(text: str) -> bool:
    try:
        TweetRows().add(b"", _polarity(_parsed(text)))
    except ValueError:
        return False
    return True


def _parsed(text: str) -> list[str]:
    try:
        row = next(csv.reader((text,), strict=True))
    except csv.Error as error:
        if _is_open(text):
            raise ValueError("has a quotation mark that is not closed") from error
        raise ValueError(f"can't be read as CSV ({error})") from error
    if not text.isascii() and any("\udc80" <= character <= "\udcff" for character in text):
        raise ValueError("is not UTF-8, with whose byte order mark the file begins")
    return row


def _form(row: list[str]) -> int:
    """Return how many columns all rows have, told by the first.

    Raises:
        ValueError: it has too few or too many; one more is a row number or none.
    """
    numbered = len(row) == len(COLUMNS) + 1 and (
        _is_header(row) or (row[0].isdigit() and row[1] in map(str, (*_LABELS, _NEUTRAL)))
    )
    if len(row) != len(COLUMNS) and not numbered:
        raise _miscounted(row)
    return len(row)


def _miscounted(row: list[str]) -> ValueError:
    return ValueError(
        f"should have {len(COLUMNS)} columns, or a row number and these, and has {len(row)}"
    )


def _is_header(row: list[str]) -> bool:
    return row[-1].strip().lower() == COLUMNS[-1] and not row[-len(COLUMNS)].isdigit()


def _polarity(row: list[str]) -> int:
    if len(row) not in (len(COLUMNS), len(COLUMNS) + 1):
        raise _miscounted(row)
    if len(row) > len(COLUMNS) and not row[0].isdigit():
        raise ValueError(f"has {len(row)} columns, and the first is no row number but {row[0]!r}")
    polarity = row[-len(COLUMNS)]
    if not polarity.isdigit():
        raise ValueError(f"has the polarity {polarity!r}, which is no number")
    return int(polarity)


def _abridged(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:60]}…{text[-19:]}")
