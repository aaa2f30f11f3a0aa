"""A front: raw data in, and the network's own inputs through a signature of their own."""

import numpy as np
import pytest
import tensorflow as tf

import bnkeras
from bnkeras.compact.manifest import read_manifest
from bnkeras.errors import ExportError

_WORDS = ["good", "bad", "day"]
_TEXTS = ["good day", "a bad bad day", "", "day"]


class Front(tf.Module):
    """Maps texts to ids of words: 0 is padding, 1 any other word."""

    spec = tf.TensorSpec([None], tf.string, "text")

    def __init__(self):
        super().__init__()
        ids = tf.range(2, 2 + len(_WORDS))
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.constant(_WORDS), ids), 1
        )

    def __call__(self, texts):
        words = tf.strings.split(texts)
        return words.with_flat_values(self.table.lookup(words.flat_values)).to_tensor()


@pytest.fixture(scope="module")
def model(trained):
    return trained("tweet_lstm", vocabulary_size=5, embedding=8, units=4, seed=31)


@pytest.fixture(scope="module")
def export(model, tmp_path_factory):
    return bnkeras.save_compact(
        model,
        tmp_path_factory.mktemp("front") / "export",
        front=Front(),
        preprocessing={"tokenizer": "words"},
    )


def test_it_takes_texts(export, model, logits):
    ids = np.array([[2, 4, 0, 0], [1, 3, 3, 4], [0, 0, 0, 0], [4, 0, 0, 0]], np.int32)
    wanted = logits(model, ids)
    signatures = tf.saved_model.load(str(export)).signatures
    assert set(signatures) == {"serving_default", "network"}
    for given in (
        signatures["serving_default"](text=tf.constant(_TEXTS)),
        signatures["network"](tokens=tf.constant(ids)),
    ):
        assert set(given) == {"logits", "probabilities"}
        np.testing.assert_array_equal(given["logits"], wanted)


def test_the_manifest_says_so(export):
    manifest = read_manifest(export)
    front = {"name": "text", "dtype": "string", "shape": (None,)}
    assert manifest.front.model_dump() == front
    (tokens,) = manifest.inputs
    assert tokens.model_dump() == {"name": "tokens", "dtype": "int32", "shape": (None, None)}
    assert manifest.preprocessing == {"tokenizer": "words"}


def test_the_network_is_verified_and_loaded_without_it(export, model):
    assert bnkeras.verify_compact(export)["largest_difference"] == 0.0
    for mine, other in zip(model.weights, bnkeras.load_compact(export).weights, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_without_a_front_there_is_one_signature(model, tmp_path):
    export = bnkeras.save_compact(model, tmp_path / "export")
    assert set(tf.saved_model.load(str(export)).signatures) == {"serving_default"}
    assert read_manifest(export).front is None


def test_images_of_bytes(trained, logits, tmp_path):
    """A front without tables, of another type and rank."""

    class Pixels(tf.Module):
        spec = tf.TensorSpec([None, 8, 8, 1], tf.uint8, "pixels")

        def __call__(self, pixels):
            return tf.cast(pixels, tf.float32) / 256.0

    model = trained("resnet_cifar", depth=8, input_shape=(8, 8, 1), seed=32)
    export = bnkeras.save_compact(model, tmp_path / "export", front=Pixels())
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1)).astype(np.uint8)
    served = tf.saved_model.load(str(export)).signatures["serving_default"]
    np.testing.assert_array_equal(
        served(pixels=tf.constant(pixels))["logits"],
        logits(model, pixels.astype(np.float32) / np.float32(256)),
    )


class _Floats(Front):
    def __call__(self, texts):
        return tf.cast(super().__call__(texts), tf.float32)


class _Flat(Front):
    def __call__(self, texts):
        return super().__call__(texts)[:, 0]


class _Two(Front):
    def __call__(self, texts):
        return super().__call__(texts), super().__call__(texts)


class _Nameless(Front):
    spec = tf.TensorSpec([None], tf.string)


@pytest.mark.parametrize(
    ("front", "message"),
    [
        (_Floats, r"The front gives float32 \(None, None\); 'tweet_lstm' takes int32"),
        (_Flat, r"The front gives int32 \(None,\); 'tweet_lstm' takes int32 \(None, None\)"),
        (_Two, r"The front gives int32 \(None, None\), int32"),
        (_Nameless, r"A front is a tf\.Module with a `spec`, a named tf\.TensorSpec; received"),
        (object, r"A front is a tf\.Module .* received <object"),
    ],
)
def test_a_front_that_does_not_fit(model, tmp_path, front, message):
    with pytest.raises(ExportError, match=message):
        bnkeras.save_compact(model, tmp_path / "export", front=front())
    assert not list(tmp_path.iterdir())
