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
