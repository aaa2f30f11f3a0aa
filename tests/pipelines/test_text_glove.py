"""GloVe vectors: values by hand, and every fault named by its line."""

import gzip
import hashlib

import numpy as np
import pytest

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines.glove import glove_dimension, read_glove
from bnkeras.pipelines.vocabulary import Vocabulary, build_vocabulary

from .texts import real_tweets

VOCABULARY = Vocabulary("papers", 2, ("absent", "café", "so", "zoo"), (5, 2, 2, 1))
ROWS = """the 9 9 9
so 1 2.5 -3e-1
zoo 0 -0.5 1
café 2 1 0.7
"""
VALUES = np.arange(18, dtype=np.float32).reshape(6, 3)


@pytest.fixture
def glove(tmp_path):
    def write(content: str | bytes = ROWS, name="vectors.txt"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def _read(path, vocabulary=VOCABULARY, values=VALUES):
    return read_glove(path, vocabulary, values)


def test_values_by_hand(glove):
    before = VALUES.copy()
    result = _read(glove())
    so, zoo, cafe = [1, 2.5, -0.3], [0, -0.5, 1], [2, 1, 0.7]
    mean = [1, 1, 1.4 / 3]
    expected = np.array([[0, 0, 0], mean, VALUES[2], cafe, so, zoo], np.float32)
    assert np.array_equal(result.values, expected)
    assert result.values.dtype == np.float32
    assert np.array_equal(before, VALUES)
    assert (result.found, result.words, result.dimension, result.duplicates) == (3, 4, 3, 0)
    assert (result.coverage, result.occurrences) == (0.75, 0.5)
    assert result.sha256 == hashlib.sha256(ROWS.encode()).hexdigest()


def test_gzip_is_the_same(glove):
    plain = _read(glove())
    packed = _read(glove(gzip.compress(ROWS.encode()), "vectors"))
    assert np.array_equal(packed.values, plain.values)
    assert packed.sha256 == hashlib.sha256(gzip.compress(ROWS.encode())).hexdigest()


@pytest.mark.parametrize(
    "content",
    [
        ROWS.rstrip("\n"),
        ROWS.replace("\n", "\r\n"),
        ROWS.replace("\n", " \n"),
        f"4 3\n{ROWS}",  # word2vec's header
        f"{ROWS}. . . 1 1 1\nat name@domain.com 2 2 2\n",  # words with spaces, in glove.840B
        f"{ROWS}\n",
        f"{ROWS} \r\n",
        f"\ufeff{ROWS}",
        f"\ufeff4 3\n{ROWS}",
        f"{ROWS}\x85 1 1 1\n\u2028 1 1 1\n 1 1 1\n",
    ],
)
def test_forms_of_the_format(glove, content):
    result = _read(glove(content))
    assert glove_dimension(glove(content)) == 3
    assert np.array_equal(result.values, _read(glove()).values)


def test_the_mark_in_front_is_no_part_of_the_first_word(glove):
    result = _read(glove("\ufeffso 1 2 3\n"))
    assert result.values[4].tolist() == [1, 2, 3]


def test_only_one_line_at_the_end_may_be_blank(glove):
    with pytest.raises(CorruptDataError, match=r"line 5: the row has 0 numbers"):
        _read(glove(f"{ROWS}\n\n"))


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        (b"\x89PNG\x00\x1b[2J 1", r"'\x89PNG\x00\x1b[2J 1'"),
        (b"so\x1b[2J\xe2\x80\xae 1", r"'so\x1b[2J\u202e 1'"),
        (b"\xff" * 200, "'" + r"\xff" * 60 + "..." + r"\xff" * 17 + "'"),
    ],
)
def test_what_cannot_be_printed_is_escaped(glove, row, shown):
    with pytest.raises(CorruptDataError) as caught:
        _read(glove(ROWS.encode() + row))
    assert f": {shown}\n" in str(caught.value)
    assert str(caught.value).replace("\n", "").isprintable()


def test_a_word_with_spaces_is_not_its_end(glove):
    result = _read(glove(f"{ROWS}it is so 7 7 7\n"))
    assert result.values[4].tolist() == [1, 2.5, np.float32(-0.3)]


def test_the_first_of_two_rows_counts(glove):
    result = _read(glove(f"{ROWS}so 7 7 7\nso 8 8 8\nthe 1 1 1\n"))
    assert result.values[4, 0] == 1
    assert (result.found, result.duplicates) == (3, 2)


def test_dimension(glove):
    assert glove_dimension(glove("so 1 2 3 4 5\n")) == 5
    assert glove_dimension(glove("3 1 2\n")) == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("so 1 2", r"line 5: the row has 2 numbers, and the first row has 3: 'so 1 2'"),
        ("", r"line 5: the row has 0 numbers, and the first row has 3: ''"),
        ("so 1 2 3 4", r"line 5: the row has more numbers than the first row, which has 3: 'so 1"),
        ("x 1 2 3 4 5 6", r"line 5: the row has more numbers than the first row"),
        ("so 1 two 3", r"line 5: the row has something other than numbers .*: 'so 1 two 3'"),
        ("x 1 nan 3", r"line 5: the row has something other than numbers after the word"),
        ("x inf 1 3", r"line 5: the row has something other than numbers after the word"),
        ("absent 1 1.2.3 3", r"line 5: the row has something other than numbers after the word"),
        ("absent 1 2e39 3", r"line 5: the row has a number that is too large for float32"),
        (b"caf\xe9 1 2 3", r"line 5: the row has a word that is not encoded as UTF-8: 'caf"),
        (f"so {'1' * 200} 2", r"'so 1{57}…1{17} 2'"),
    ],
)
def test_a_bad_row_is_named(glove, row, message):
    row = row if isinstance(row, bytes) else row.encode()
    with pytest.raises(CorruptDataError, match=rf"vectors\.txt, {message}|{message}"):
        _read(glove(ROWS.encode() + row + b"\nthe 1 2 3\n"))


def test_a_short_first_row_is_found_at_the_second(glove):
    with pytest.raises(CorruptDataError, match=r"line 2: the row has more numbers .* which has 2"):
        _read(glove("the 9 9\n" + ROWS), values=VALUES[:, :2])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"vectors\.txt has no word"),
        (b"4 3\n", r"vectors\.txt has no word"),
        (b"\n", r"vectors\.txt has no word"),
        (b"word\n", r"not in GloVe's text format.*something other than numbers.*: 'word'"),
        (b"so one two\n", r"not in GloVe's text format.* numbers after the word: 'so one two'"),
        (b"so\t1\t2\n", r"not in GloVe's text format"),
        ("so 1 2\n".encode("utf-16"), r"not in GloVe's text format"),
        (b"\x89PNG\r\n\x1a\n\0\0", r"not in GloVe's text format"),
        (b"PK\3\4rest", r"vectors\.txt is a zip file\. Unpack it and give one of its files"),
    ],
)
def test_another_file_is_refused(glove, content, message):
    path = glove(content)
    with pytest.raises(DataError, match=message):
        glove_dimension(path)
    with pytest.raises(DataError, match=message):
        _read(path)


@pytest.mark.parametrize("cut", [12, 40])
def test_truncated_gzip(glove, cut):
    rows = "".join(f"w{index} {index} 1 2\n" for index in range(2000))
    path = glove(gzip.compress((ROWS + rows).encode())[:-cut])
    with pytest.raises(
        CorruptDataError, match=r"vectors\.txt is damaged or incomplete: .* line \d"
    ):
        _read(path)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DataError, match=r"none\.txt cannot be read: No such file"):
        glove_dimension(tmp_path / "none.txt")
    with pytest.raises(DataError, match=r"cannot be read: Is a directory"):
        _read(tmp_path)


def test_nothing_found(glove):
    with pytest.raises(DataError, match=r"has none of the 4 words .* begins with 'absent', 'café'"):
        _read(glove("der 1 2 3\n"))


def test_other_shape(glove):
    with pytest.raises(DataError, match=r"must have the shape \(6, 3\), and has \(6, 4\)"):
        _read(glove(), values=np.zeros([6, 4], np.float32))
    with pytest.raises(DataError, match=r"6 ids; the embedding must have the shape \(6, 3\)"):
        _read(glove(), values=VALUES[:5])


def test_the_real_subset(shared_data):
    vocabulary = build_vocabulary(real_tweets(shared_data, "train").texts[:78_804])
    path = shared_data / "glove" / "glove.twitter.27B.25d.subset.txt.gz"
    assert glove_dimension(path) == 25
    result = _read(path, vocabulary, np.ones((len(vocabulary), 25), np.float32))
    assert 0.34 < result.coverage < 0.35
    assert 0.88 < result.occurrences < 0.89
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    found = [line.split(" ", 1)[0] for line in lines]
    assert result.found == len(set(found) & set(vocabulary.words))
    row = vocabulary.words.index("the") + 2
    assert result.values[row, 0] == np.float32(-0.010167)
