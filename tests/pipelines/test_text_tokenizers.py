"""The tokenizer in the graph is the rule in Python, on every text."""

import random
import subprocess
import sys

import pytest
import tensorflow as tf

from bnkeras.errors import MissingDependencyError
from bnkeras.pipelines import tokenizers
from bnkeras.pipelines.tokenizers import in_chunks, papers

from .texts import real_tweets, rule

POINTS = [chr(point) for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF]
HOSTILE = [
    *" .,'!=():-_1aZ@\t\n\v\f\r\0\x1c\x1f",
    *"\x85\xa0\u1680\u2003\u2028\u202f\u3000",  # whitespace
    *"\u200b\u2060\ufeff\xad\u180e",  # none
    *"ΣσςΑİIıßẞéÉÅ\u212bǅǆꟀꟁ𐐀Ωſ",
    *"\u0301\u0307\u0345\u20dd\u02b0\u2019\u00b7",  # case-ignorable
    "e\u0301",
    "i\u0307",
    "👩\u200d🚀",
    "&lt;3",
]


def _differing(texts: list[str]) -> list[tuple[str, list[bytes], list[str]]]:
    encoded = [text.encode() for text in texts]
    found = [words for chunk in in_chunks(papers, encoded) for words in chunk.to_list()]
    assert len(found) == len(texts)
    return [
        (text, words, rule(text))
        for text, words in zip(texts, found, strict=True)
        if words != [word.encode() for word in rule(text)]
    ]


def test_values_by_hand():
    texts = ["It's GOOD (really)!", "", " a=b\u00a0C\u2003d ", "ΟΔΥΣΣΕΥΣ ΣΑΣ'", "İ\0Ⅷ"]
    assert papers(tf.constant(texts)).to_list() == [
        [b"it", b"s", b"good", b"really"],
        [],
        [b"a", b"b", b"c", b"d"],
        ["οδυσσευς".encode(), "σας".encode()],
        ["i\u0307\0ⅷ".encode()],
    ]


def test_no_texts():
    assert papers(tf.constant([], tf.string)).shape[0] == 0


def test_every_code_point():
    # Many in one text: a text each takes seconds.
    assert not _differing([" - ".join(POINTS[start::4096]) for start in range(4096)])


@pytest.mark.exhaustive
def test_every_code_point_beside_others():
    assert not _differing([f"A{p}B x{p}Σ{p}y zΣ{p} {p}Σ" for p in POINTS])


def test_hostile_texts():
    choose = random.Random(7)
    texts = ["".join(choose.choices(HOSTILE, k=choose.randrange(14))) for _ in range(30_000)]
    assert not _differing(texts)


def test_bytes_that_are_no_utf8():
    pieces = [b"a", b"B", b" ", b"\xc3", b"\x9f", b"\xe2\x82", b"\xf0\x9f\x98", b"\xff"]
    pieces += [b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xce\xa3", b"\0", b"\x85"]
    choose = random.Random(7)
    texts = [b"".join(choose.choices(pieces, k=choose.randrange(9))) for _ in range(20_000)]
    expected = [rule(text.decode("utf-8", "replace")) for text in texts]
    found = papers(tf.constant(texts)).to_list()
    assert [[word.decode() for word in words] for words in found] == expected


def test_every_real_tweet(shared_data):
    texts = [text.decode() for text in real_tweets(shared_data, "train", "test").texts]
    assert len(texts) == 112_559
    assert not _differing(texts)


def test_chunks_keep_the_order():
    texts = [f"{index} x" for index in range(20_000)]
    chunks = [chunk.to_list() for chunk in in_chunks(papers, texts)]
    assert len(chunks) == 3
    assert [int(words[0]) for chunk in chunks for words in chunk] == list(range(20_000))


def test_without_tensorflow_text(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_text", None)
    for tokenizer, split in [
        ("unicode_script", tokenizers.unicode_script),
        ("wordpiece", tokenizers.whole_words),
    ]:
        expected = rf"'{tokenizer}' needs tensorflow-text.*\n  pip install 'bnkeras\[text\]'\n"
        with pytest.raises(MissingDependencyError, match=expected):
            split(tf.constant(["a"]))


def test_unicode_script():
    pytest.importorskip("tensorflow_text")
    texts = ["It's GOOD!! Straße ﬁn", "caf\u00e9 да東京", "", "1 2\u2003\x85 2:30! !"]
    assert tokenizers.unicode_script(tf.constant(texts)).to_list() == [
        [b"it", b"'", b"s", b"good", b"!!", b"strasse", b"fin"],
        ["café".encode(), "да".encode(), "東京".encode()],
        [],
        [b"1", b"2", b"2:30!", b"!"],
    ]


def test_word_pieces():
    pytest.importorskip("tensorflow_text")
    keys = ["good", "##ness", "##s", "bad", "'", "!"]
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(keys, tf.range(6, dtype=tf.int64)), -1
    )
    texts = tf.constant(["Goodness! BÁDS'", "goodly", ""])
    assert tokenizers.whole_words(texts).to_list() == [
        [b"goodness", b"!", b"bads", b"'"],
        [b"goodly"],
        [],
    ]
    assert tokenizers.word_pieces(table)(texts).to_list() == [
        [b"good", b"##ness", b"!", b"bad", b"##s", b"'"],
        [b"[UNK]"],
        [],
    ]


def test_importing_names_needs_no_tensorflow():
    probe = "import sys, bnkeras.pipelines.vocabulary as v; print(v.TOKENIZERS, *sys.modules)"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("('papers', 'unicode_script', 'wordpiece')")
    assert not {"tensorflow", "keras", "tensorflow_text"} & set(run.stdout.split())
