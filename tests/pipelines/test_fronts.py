"""The front of a run's export, made again of its manifest."""

import numpy as np
import pytest
import tensorflow as tf

from bnkeras.pipelines import ImageFront, TextFront, build_vocabulary, front_of

PIXELS = tf.TensorSpec([None, 8, 8, 1], tf.uint8, "image")


@pytest.mark.parametrize(
    "said", [{"scale": "unit"}, {"scale": "channel", "mean": [0.3], "std": [0.2]}]
)
def test_images(said, tmp_path):
    raw = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1)).astype(np.uint8)
    first = ImageFront((said.get("mean"), said.get("std")), (8, 8, 1), scale=said["scale"])
    again = front_of(said, PIXELS, tmp_path)
    np.testing.assert_array_equal(again(tf.constant(raw)), first(tf.constant(raw)))


def test_texts(tmp_path):
    first = TextFront(build_vocabulary([b"so so good good\n", "süß süß".encode()]))
    (asset,) = (tmp_path / "vocabulary.txt",)
    asset.write_text("".join(f"{word}\n" for word in first.vocabulary.words), "utf-8")
    again = front_of({"tokenizer": "papers"}, TextFront.spec, tmp_path)
    texts = tf.constant(["so good", "süß", "bad", ""])
    np.testing.assert_array_equal(again(texts), first(texts))


def test_the_vocabulary_of_a_task_is_not_guessed(tmp_path):
    """TensorFlow numbers files of one name, so tasks' vocabularies lie beside each other."""
    contents = {"": "a\nb\n", "_1": "b\na\n", "_2": "a\nb\nc\n", "_3": "a\nb\nc\n"}
    for number, content in contents.items():
        (tmp_path / f"vocabulary.txt{number}").write_text(content)
    said = {"tokenizer": "papers", "vocabulary_size": 5}
    front = front_of(said, TextFront.spec, tmp_path)
    assert front.vocabulary.words == ("a", "b", "c")
    assert front_of(said | {"vocabulary_size": 4}, TextFront.spec, tmp_path) is None
    assert front_of(said | {"vocabulary_size": 9}, TextFront.spec, tmp_path) is None


@pytest.mark.parametrize(
    ("said", "spec"),
    [
        (None, PIXELS),
        ({}, PIXELS),
        ({"scale": "mine"}, PIXELS),
        ({"scale": "unit"}, tf.TensorSpec([None, 8, 8, 1], tf.float32, "image")),
        ({"scale": "unit"}, tf.TensorSpec([None, 8, 8, 1], tf.uint8, "pixels")),
        ({"tokenizer": "papers"}, TextFront.spec),  # without its words
        ({"tokenizer": "papers"}, tf.TensorSpec([None], tf.string, "lines")),
    ],
)
def test_those_of_others_are_not_guessed(said, spec, tmp_path):
    assert front_of(said, spec, tmp_path) is None
