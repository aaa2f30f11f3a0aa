"""Rows of tweets: the forms of the format, and every fault named by its line."""

import csv
import io

import pytest

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines.tweet_rows import read_rows

from .texts import table

TWEETS = [(4, 'a "good", day'), (0, "bad"), (2, "neither"), (4, "caf\xe9\x85")]
HEADER = ["target", "ids", "date", "flag", "user", "text"]
TEXTS = [b'a "good", day', b"bad", "caf\xe9\x85".encode()]


def _read(content: bytes, skip_corrupt=False, progress=lambda *_: None):
    return read_rows(io.BytesIO(content), "tweets.csv", progress, skip_corrupt)


@pytest.mark.parametrize(
    "content",
    [
        table(TWEETS),
        table(TWEETS, quoting=csv.QUOTE_MINIMAL),
        table(TWEETS, numbered=True),  # as Torri's files
        table(TWEETS, header=HEADER),
        table(TWEETS, numbered=True, header=["", *HEADER], quoting=csv.QUOTE_MINIMAL),
        table(TWEETS).replace(b"\n", b"\r\n"),
        table(TWEETS).rstrip(b"\n"),
        b"\n" + table(TWEETS) + b"\n\n",
        b"\xef\xbb\xbf" + table(TWEETS).decode("iso-8859-1").encode(),
    ],
)
def test_forms_of_the_format(content):
    rows = _read(content)
    assert rows.texts == TEXTS
    assert rows.labels == [1, 0, 1]
    assert rows.neutral == 1
    assert rows.skipped == []


def test_line_breaks_in_a_tweet():
    tweets = [(4, "one\ntwo"), (0, 'say "x\n\ny"'), (4, "three")]
    assert _read(table(tweets)).texts == [b"one\ntwo", b'say "x\n\ny"', b"three"]


GOOD = b'"4","1","d","q","u","good"\n'


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b'"4","1","d","q","good"', r"should have 6 columns, as the first, and has 5: '\"4"),
        (b'"1","4","1","d","q","u","good"', r"should have 6 columns, as the first, and has 7"),
        (b'"1","1","d","q","u","good"', r"has the polarity 1; it must be 0 \(negative\), 2 "),
        (b'"x","1","d","q","u","good"', r"has the polarity 'x', which is no number"),
        (b'"4","1","d","q","u","open', r"has a quotation mark that is not closed"),
        (b'"4","1","d","q","u","a "b" c"', r"can't be read as CSV \(.* expected after"),
        (b"4,1,d,q,u,a,b", r"should have 6 columns, as the first, and has 7"),
        (b"plain text", r"should have 6 columns, as the first, and has 1: 'plain text'"),
    ],
)
def test_a_corrupt_row_is_named_or_left_out(row, message):
    content = GOOD + row + b"\n" + GOOD * 2
    with pytest.raises(CorruptDataError, match=rf"tweets\.csv, line 2: the row {message}"):
        _read(content)
    rows = _read(content, skip_corrupt=True)
    assert rows.texts == [b"good"] * 3
    assert len(rows.skipped) == 1
    assert rows.skipped[0].startswith("tweets.csv, line 2: the row ")


def test_the_remedy_is_said():
    with pytest.raises(CorruptDataError, match=r"left out with --skip-corrupt"):
        _read(GOOD + b"x\n")


def test_long_rows_are_abridged():
    row = b'"9","1","d","q","u","' + b"x" * 5000 + b'"'
    with pytest.raises(CorruptDataError) as caught:
        _read(GOOD + row)
    assert len(str(caught.value)) < 350


def test_an_open_quotation_mark_takes_no_other_row():
    opened = b'"0","1","d","q","u","open\n'
    rows = _read(GOOD + opened + opened + GOOD * 3, skip_corrupt=True)
    assert rows.texts == [b"good"] * 4
    assert [row.split(":")[0] for row in rows.skipped] == [
        "tweets.csv, line 2",
        "tweets.csv, line 3",
    ]
    rows = _read(GOOD * 2 + opened, skip_corrupt=True)
    assert rows.texts == [b"good"] * 2
    assert "line 3" in rows.skipped[0]


def test_an_open_quotation_mark_without_others():
    # Fields without quotation marks: CSV readers would take all of this for one tweet.
    content = b'4,1,d,q,u,"open\n' + b"0,1,d,q,u,fine\n" * 300
    rows = _read(content, skip_corrupt=True)
    assert rows.texts == [b"fine"] * 300
    assert "line 1: the row has a quotation mark that is not closed" in rows.skipped[0]


def test_a_row_number_is_a_number():
    content = table(TWEETS, numbered=True) + b'"x","4","1","d","q","u","good"\n'
    with pytest.raises(CorruptDataError, match=r"line 5: the row has 7 columns, .* but 'x'"):
        _read(content)


def test_bytes_that_are_no_utf8_after_its_mark():
    content = b"\xef\xbb\xbf" + GOOD * 2 + GOOD.replace(b"good", b"caf\xe9")
    with pytest.raises(CorruptDataError, match=r"line 3: the row is not UTF-8"):
        _read(content)
    assert _read(content, skip_corrupt=True).texts == [b"good"] * 2


def test_utf16_is_refused():
    with pytest.raises(DataError, match=r"tweets\.csv is encoded as UTF-16"):
        _read(table(TWEETS).decode("iso-8859-1").encode("utf-16"))


def test_another_file_is_refused():
    content = b"text,label\n" + b"good,1\n" * 300
    with pytest.raises(DataError, match=r"line 1: the row should have 6 .* has 2: 'text") as caught:
        _read(content)
    assert "format has 6 columns (polarity, id, date, query, user, text)" in str(caught.value)
    assert "--skip-corrupt" not in str(caught.value)
    with pytest.raises(DataError, match=r"rows: 301 of 301\. Sent.* 6 columns .*\n.*line 1: the r"):
        _read(content, skip_corrupt=True)
    with pytest.raises(DataError, match=r"line 1: the row has the polarity 7; .*\n.*Sentiment140"):
        _read(table([(7, "six columns"), (8, "of something else")]))


def test_mostly_corrupt_rows():
    with pytest.raises(DataError, match=r"corrupt rows: 59 of 60\. "):
        _read(GOOD + b"x\n" * 59, skip_corrupt=True)


@pytest.mark.parametrize("extra", [b',"more"', b',""'])
@pytest.mark.parametrize("first", [GOOD, GOOD.replace(b"1", b"123"), b'"4","x","d","q","u","t"\n'])
def test_a_first_row_of_seven_columns_is_itself_the_fault(first, extra):
    content = first.rstrip() + extra + b"\n" + GOOD * 59
    with pytest.raises(CorruptDataError, match=r"line 1: the row should have 6 .* and has 7: '\"4"):
        _read(content)
    rows = _read(content, skip_corrupt=True)
    assert rows.texts == [b"good"] * 59
    assert len(rows.skipped) == 1


def test_a_first_row_that_lacks_a_column_does_not_decide():
    content = b'"500","4","d","q","u","short"\n' + table(TWEETS, numbered=True)
    with pytest.raises(CorruptDataError, match=r"line 1: the row has the polarity 500"):
        _read(content)
    assert _read(content, skip_corrupt=True).texts == TEXTS


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "no row;"),
        (b"\n\n\r\n", "no row;"),
        (table([], header=HEADER), "no row but a header;"),
    ],
)
@pytest.mark.parametrize("skip_corrupt", [False, True])
def test_a_file_without_rows(content, found, skip_corrupt):
    with pytest.raises(DataError, match=rf"tweets\.csv has {found} .*\(polarity, id"):
        _read(content, skip_corrupt)


def test_an_unknown_header_is_refused():
    header = ["polarity", "id", "date", "query", "user", "tweet"]
    with pytest.raises(CorruptDataError, match=r"line 1: the row has the polarity 'polarity'"):
        _read(table(TWEETS, header=header))


def test_progress():
    seen = []
    _read(GOOD * 25_000, progress=lambda *args: seen.append(args))
    assert [done for done, _, _ in seen] == [0, 10_000, 20_000]
    assert seen[0] == (0, None, "reading tweets of tweets.csv")
