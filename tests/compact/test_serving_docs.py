"""What `docs/serving.md` shows is what happens."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import bnkeras
from bnkeras.pipelines import DATASETS, ImageFront, TextFront, Vocabulary

DOCS = Path(__file__).resolve().parents[2] / "docs" / "serving.md"
DIGITS = DATASETS["digits"]
WORDS = ("a", "day", "lovely", "sad", "so", "what")


def blocks(language):
    found = re.findall(rf"^```{language}\n(.*?)^```$", DOCS.read_text("utf-8"), re.M | re.S)
    assert found
    return found


@pytest.fixture(scope="module")
def place(small, trained, tmp_path_factory):
    """A folder with the exports that the page speaks of, and the names its Python leaves."""
    place = tmp_path_factory.mktemp("docs")
    front = ImageFront(DIGITS, DIGITS.image_shape)
    export = place / "runs" / "quickstart" / "bnonly" / "export"
    bnkeras.save_compact(small(seed=50), export, front=front, class_names=DIGITS.class_names)
    texts = trained("tweet_lstm", vocabulary_size=2 + len(WORDS), embedding=8, units=4)
    front = TextFront(Vocabulary("papers", 1, WORDS, (1,) * len(WORDS)))
    names = DATASETS["tweets"].class_names
    bnkeras.save_compact(texts, place / "models" / "tweets" / "1", front=front, class_names=names)
    left = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        exec(compile("\n".join(blocks("python")), DOCS.name, "exec"), left)
    return place, left


def predict(export, request):
    """Answer a request as TensorFlow Serving's rules for JSON have it.

    Source: `tensorflow_serving/util/json_tensor.cc`.
    """
    request = json.loads(request)
    signature = tf.saved_model.load(str(export)).signatures[request["signature_name"]]
    ((name, spec),) = signature.structured_input_signature[1].items()

    def plain(instance):
        if isinstance(instance, dict) and set(instance) == {"b64"}:
            return base64.b64decode(instance["b64"], validate=True)
        return instance[name] if isinstance(instance, dict) else instance

    instances = [plain(instance) for instance in request["instances"]]
    outputs = signature(**{name: tf.constant(instances, spec.dtype)})
    return {name: value.numpy() for name, value in outputs.items()}


def test_python_gives_labels(place):
    _, left = place
    assert left["labels"].tolist() == left["answers"]["labels"].numpy().tolist()
    assert left["labels"].tolist() == [
        str(best).encode() for best in left["answers"]["logits"].numpy().argmax(axis=1)
    ]


def test_requests_of_images_and_of_their_files(place):
    folder, left = place
    given = predict(folder / "runs/quickstart/bnonly/export", left["body"])
    np.testing.assert_array_equal(given["logits"], left["answers"]["logits"])
    *_, files = blocks("json")
    content = base64.b64decode(json.loads(files)["instances"][0]["b64"])
    pixels = tf.io.decode_png(content, channels=1)[tf.newaxis]
    given = predict(folder / "models" / "digit_files" / "1", files)
    wanted = left["served"](image=pixels)
    for name in ("logits", "labels"):
        np.testing.assert_array_equal(given[name], wanted[name])


def test_requests_of_texts(place):
    folder, _ = place
    texts, ids, _ = blocks("json")
    raw = predict(folder / "models" / "tweets" / "1", texts)
    best = raw["logits"].argmax(axis=1)
    assert raw["labels"].tolist() == [[b"negative", b"positive"][label] for label in best]
    given = predict(folder / "models" / "tweets" / "1", ids)
    assert set(given) == {"logits", "probabilities"}
    model = bnkeras.load_compact(folder / "models" / "tweets" / "1")
    tokens = np.array([[4, 2, 5], [3, 0, 0]], np.int32)
    np.testing.assert_allclose(given["logits"], model(tokens, training=False), rtol=1e-5)


def test_a_front_of_ones_own(place):
    folder, _ = place
    served = tf.saved_model.load(str(folder / "models" / "grey" / "1")).signatures
    colours = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3))
    given = served["serving_default"](colours=tf.constant(colours, tf.uint8))
    grey = tf.constant(colours.mean(axis=-1, keepdims=True) / 255, tf.float32)
    np.testing.assert_allclose(given["logits"], served["network"](image=grey)["logits"], rtol=1e-3)
    assert "labels" not in given


@pytest.mark.exhaustive
def test_the_command_of_tensorflow(place):
    folder, left = place
    np.save(folder / "images.npy", left["images"])
    commands = re.findall(r"^\$ saved_model_cli (.*?[^\\])$", DOCS.read_text("utf-8"), re.M | re.S)
    command = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli"]
    shown, run = (
        subprocess.run(
            [*command, *arguments.replace("\\\n", "").split()],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for arguments in commands
    )
    assert "dtype: DT_UINT8" in shown
    assert "outputs['labels']" in shown
    assert f"Result for output key labels:\n{left['labels']}" in run
