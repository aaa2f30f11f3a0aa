"""The vocabulary: which words, in which order, and that a damaged file is noticed."""

import hashlib
import json
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

from bnkeras.errors import CorruptDataError, DataError, MissingDependencyError
from bnkeras.pipelines.vocabulary import PIECES, Vocabulary, build_vocabulary

from .texts import real_tweets, rule

TEXTS = [b"Zoo zoo bee", b"bee, Bee! \xc3\xa9 once", b"a \xc3\xa9", b""]


def test_words_counts_and_order():
    vocabulary = build_vocabulary(TEXTS)
    assert vocabulary.words == ("bee", "zoo", "é")
    assert vocabulary.counts == (3, 2, 2)
    assert (vocabulary.tokenizer, vocabulary.minimum_count) == ("papers", 2)
    assert len(vocabulary) == 5


@pytest.mark.parametrize(
    ("minimum_count", "words"), [(1, ("a", "bee", "once", "zoo", "é")), (3, ("bee",))]
)
def test_minimum_count(minimum_count, words):
    assert build_vocabulary(TEXTS, minimum_count=minimum_count).words == words


def test_order_is_that_of_python():
    words = ["z", "\uffee", "\U00010428", "é", "#a", "a"]
    assert build_vocabulary(words * 2).words == tuple(sorted(words))


def test_array_and_list_are_the_same():
    assert build_vocabulary(np.array(TEXTS, object)) == build_vocabulary(TEXTS)


def test_it_is_that_of_python_on_real_tweets(shared_data):
    texts = real_tweets(shared_data, "train").texts[:78_804]
    counts: dict[str, int] = {}
    for text in texts:
        for word in rule(text.decode()):
            counts[word] = counts.get(word, 0) + 1
    vocabulary = build_vocabulary(texts)
    assert list(vocabulary.words) == sorted(word for word, count in counts.items() if count > 1)
    assert all(
        count == counts[word]
        for word, count in zip(vocabulary.words, vocabulary.counts, strict=True)
    )
    assert 23_500 < len(vocabulary) < 24_300  # PAPERS.md has 23,893, of another 90%


def test_round_trip(tmp_path):
    vocabulary = build_vocabulary(TEXTS)
    vocabulary.save(tmp_path / "v.json")
    assert Vocabulary.load(tmp_path / "v.json") == vocabulary
    assert [path.name for path in tmp_path.iterdir()] == ["v.json"]


def test_the_hash_is_pinned():
    vocabulary = Vocabulary("papers", 2, ("bee", "é"), (3, 2))
    canonical = '{"counts":[3,2],"minimum_count":2,"tokenizer":"papers","words":["bee","é"]}'
    assert vocabulary.sha256 == hashlib.sha256(canonical.encode()).hexdigest()
    assert vocabulary.sha256.startswith("36f23d3bcb5ea3fd")


def test_it_is_frozen():
    with pytest.raises(FrozenInstanceError):
        build_vocabulary(TEXTS).words = ()


def test_nothing_half_written_stays(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        build_vocabulary(TEXTS).save(tmp_path / "v.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda record: record["words"].reverse(), CorruptDataError, r"v\.json is damaged: .*SHA"),
        (lambda record: record["counts"].append(1), CorruptDataError, r"damaged: its content"),
        (lambda record: record.update(tokenizer="wordpiece"), CorruptDataError, r"damaged: its"),
        (lambda record: record.pop("words"), CorruptDataError, r"damaged or none at all.*words"),
        (lambda record: record.update(more=1), CorruptDataError, r"damaged or none at all.*more"),
        (lambda record: record.update(format_version=9), DataError, r"version 9; .* reads 1"),
    ],
)
def test_a_changed_file_is_refused(tmp_path, change, error, message):
    path = tmp_path / "v.json"
    build_vocabulary(TEXTS).save(path)
    record = json.loads(path.read_text("utf-8"))
    change(record)
    path.write_text(json.dumps(record), "utf-8")
    with pytest.raises(error, match=message):
        Vocabulary.load(path)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe"])
def test_another_file_is_refused(tmp_path, content):
    (tmp_path / "v.json").write_bytes(content)
    with pytest.raises(CorruptDataError, match=r"v\.json is damaged or none at all"):
        Vocabulary.load(tmp_path / "v.json")
    with pytest.raises(DataError, match=r"none\.json cannot be read: No such file"):
        Vocabulary.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tokenizer": "paper"}, r"Unknown tokenizer 'paper'\. Did you mean 'papers'\? Known: pa"),
        ({"minimum_count": 0}, r"minimum_count must be at least 1; received 0"),
        ({"minimum_count": 4}, r"No word occurs 4 times in these 4 texts"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(DataError, match=message):
        build_vocabulary(TEXTS, **arguments)


def test_without_tensorflow_text(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_text", None)
    with pytest.raises(MissingDependencyError, match=r"'wordpiece' needs tensorflow-text"):
        build_vocabulary(TEXTS, "wordpiece")


def test_unicode_script():
    pytest.importorskip("tensorflow_text")
    vocabulary = build_vocabulary([b"It's it", b"'so'", b"SO!"], "unicode_script")
    assert vocabulary.words == ("'", "it", "so")
    assert vocabulary.counts == (3, 2, 2)


def test_word_pieces_are_learned_from_frequent_words():
    pytest.importorskip("tensorflow_text")
    texts = [b"walk walked talking"] * 30 + [b"walks talk sing"] * 2 + [b"in the zoo"] * 300
    vocabulary = build_vocabulary([*texts, b"Quixotic"], "wordpiece")
    counts = dict(zip(vocabulary.words, vocabulary.counts, strict=True))
    assert (counts["walked"], counts["walk"], counts["##s"]) == (30, 32, 2)
    assert counts["zoo"] == 300
    assert not set("qxc") & set(vocabulary.words)  # letters of a word that occurs once
    assert len(vocabulary) <= PIECES + 2
    assert vocabulary == build_vocabulary([b"Quixotic", *texts], "wordpiece")
