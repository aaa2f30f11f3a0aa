"""Raw strings to word ids, also out of a SavedModel that plain TensorFlow loads."""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from bnkeras.errors import MissingDependencyError
from bnkeras.pipelines.text_front import TextFront
from bnkeras.pipelines.tokenizers import in_chunks
from bnkeras.pipelines.vocabulary import Vocabulary, build_vocabulary

from .texts import real_tweets, rule

VOCABULARY = Vocabulary("papers", 1, ("bad", "i", "so", "ça", "σας"), (1, 1, 1, 1, 1))
TEXTS = ["So BAD, so!", "", "I never", "ÇA ΣΑΣ, so bad", " . "]
IDS = [[4, 2, 4, 0], [1, 0, 0, 0], [3, 1, 0, 0], [5, 6, 4, 2], [1, 0, 0, 0]]

# Nothing of bnkeras; the locale is one in which the lower case of I is another letter.
PROBE = """
import json, sys
{extra}
import tensorflow as tf
path, texts = sys.argv[1], json.loads(sys.argv[2])
first, second = tf.saved_model.load(path), tf.saved_model.load(path)
ids = first.signatures["serving_default"](text=tf.constant(texts))["ids"].numpy().tolist()
del first
again = second.signatures["serving_default"](text=tf.constant(texts))["ids"].numpy().tolist()
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    signature = tf.compat.v1.saved_model.load(session, ["serve"], path).signature_def
    signature = signature["serving_default"]
    feed = {{signature.inputs["text"].name: texts}}
    tf1 = session.run(signature.outputs["ids"].name, feed).tolist()
assert not any(name.startswith("bnkeras") for name in sys.modules)
print(json.dumps([ids, again, tf1]))
"""


class Served(tf.Module):
    def __init__(self, front: TextFront):
        super().__init__()
        self.front = front
        self.serve = tf.function(
            lambda text: {"ids": front(text)}, input_signature=[front.spec], autograph=False
        )


def _save(front: TextFront, path: Path) -> None:
    module = Served(front)
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.serve})


def _ids_in_a_fresh_process(path: Path, texts: list[str], extra: str = "") -> list:
    run = subprocess.run(
        [sys.executable, "-c", PROBE.format(extra=extra), str(path), json.dumps(texts)],
        env={**os.environ, "LC_ALL": "tr_TR.UTF-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_ids_by_hand():
    ids = TextFront(VOCABULARY)(tf.constant(TEXTS))
    assert ids.dtype == tf.int32
    assert ids.numpy().tolist() == IDS


def test_no_text_and_only_empty_texts():
    front = TextFront(VOCABULARY)
    assert front(tf.constant([], tf.string)).shape == (0, 0)
    assert front(tf.constant(["", "?"])).numpy().tolist() == [[1], [1]]


def test_no_sequence_is_empty():
    ids = TextFront(VOCABULARY).ids(tf.constant(TEXTS))
    assert ids.to_list() == [[id for id in row if id] for row in IDS]
    assert ids.dtype == tf.int32


def test_words_that_look_like_the_reserved_ids():
    words = ("#", "0", "1", "<unk>", "[PAD]", "[UNK]")
    front = TextFront(Vocabulary("papers", 1, words, (1,) * 6))
    assert front(tf.constant(["[UNK] 0 1 #"])).numpy().tolist() == [[1, 3, 4, 2]]  # lower case


def test_it_maps_in_a_dataset():
    front = TextFront(VOCABULARY)
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS).batch(5).map(front)
    assert next(iter(dataset)).numpy().tolist() == IDS


def test_ids_of_real_tweets(shared_data):
    texts = real_tweets(shared_data, "test").texts
    vocabulary = build_vocabulary(texts[:5000])
    known = {word: index for index, word in enumerate(vocabulary.words, 2)}
    front = TextFront(vocabulary)
    found = [row for chunk in in_chunks(front.ids, texts) for row in chunk.to_list()]
    assert found == [[known.get(word, 1) for word in rule(text.decode())] or [1] for text in texts]


def test_one_of_two_equal_fronts_may_go():
    first, second = TextFront(VOCABULARY), TextFront(VOCABULARY)
    folder = Path(first._table._initializer._filename.asset_path.numpy().decode()).parent
    assert folder.is_dir()
    del first
    gc.collect()
    assert not folder.exists()
    assert second(tf.constant(TEXTS)).numpy().tolist() == IDS


def test_two_vocabularies_stay_apart():
    other = TextFront(Vocabulary("papers", 1, ("so", "bad"), (1, 1)))
    assert TextFront(VOCABULARY)(tf.constant(["so bad"])).numpy().tolist() == [[4, 2]]
    assert other(tf.constant(["so bad"])).numpy().tolist() == [[2, 3]]


def test_a_fresh_process_under_another_locale(tmp_path):
    front = TextFront(VOCABULARY)
    _save(front, tmp_path / "served")
    assert (tmp_path / "served/assets/vocabulary.txt").read_text("utf-8").split() == list(
        VOCABULARY.words
    )
    assert _ids_in_a_fresh_process(tmp_path / "served", TEXTS) == [IDS] * 3


def test_the_graph_holds_no_word_and_no_path(tmp_path):
    words = tuple(f"word{index:06d}" for index in range(20_000))
    front = TextFront(Vocabulary("papers", 1, words, (1,) * len(words)))
    _save(front, tmp_path / "served")
    graph = (tmp_path / "served/saved_model.pb").read_bytes()
    assert b"word000" not in graph
    assert b"bnkeras-" not in graph  # the temporary folder
    assert len(graph) < 150_000


def test_without_tensorflow_text(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_text", None)
    with pytest.raises(MissingDependencyError, match=r"'wordpiece' needs tensorflow-text"):
        TextFront(Vocabulary("wordpiece", 2, ("a",), (1,)))
    with pytest.raises(MissingDependencyError, match=r"'unicode_script' needs tensorflow-text"):
        TextFront(Vocabulary("unicode_script", 2, ("a",), (1,)))(tf.constant(["a"]))


@pytest.mark.parametrize(
    ("tokenizer", "words", "expected"),
    [
        ("unicode_script", ("!", "bad", "so"), [[4, 3, 2], [1, 0, 0]]),
        ("wordpiece", ("!", "##d", "ba", "so"), [[5, 4, 3, 2], [1, 0, 0, 0]]),
    ],
)
def test_tokenizers_of_tensorflow_text(tmp_path, tokenizer, words, expected):
    pytest.importorskip("tensorflow_text")
    front = TextFront(Vocabulary(tokenizer, 2, words, (1,) * len(words)))
    texts = ["SO bád!" if tokenizer == "wordpiece" else "SO bad!", ""]
    assert np.array_equal(front(tf.constant(texts)), expected)
    _save(front, tmp_path / "served")
    found = _ids_in_a_fresh_process(tmp_path / "served", texts, "import tensorflow_text")
    assert found == [expected] * 3
