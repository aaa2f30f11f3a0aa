"""Exports that take raw data and give labels, served where bnkeras cannot be imported."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

import bnkeras
from bnkeras.compact.manifest import read_manifest
from bnkeras.pipelines import (
    DATASETS,
    EncodedImageFront,
    ImageFront,
    evaluation_batches,
    find,
    load_split,
)

DIGITS = DATASETS["digits"]
BATCHES = (1, 32)
WAYS = ("first", "second", "resaved", "tensorflow_1", "tensorflow_1_again")
# Two exports with other weights, constants and names, and one that takes image files. With these
# seeds, networks that nobody trained do not give all images one label.
SEEDS = {"digits": 50, "others": 48, "files": 47}
NORMALISATIONS = {"digits": DIGITS, "others": ((0.3,), (0.02,)), "files": DIGITS}
NAMES = {
    "digits": [f"number {n}" for n in range(10)],
    "others": ["Null", "één", "两", "три"],  # and six without a name
    "files": DIGITS.class_names,
}


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return load_split(find("digits", tmp_path_factory.mktemp("data")), "test")


@pytest.fixture(scope="module")
def serve(small, logits, split, in_fresh_process, tmp_path_factory):
    """Export cases with inputs and what the networks give here; serve them elsewhere."""

    def _serve(*names):
        folder = tmp_path_factory.mktemp("cases")
        for name in names:
            normalisation = NORMALISATIONS[name]
            model = small(seed=SEEDS[name], values=SEEDS[name])
            front = ImageFront(normalisation, (8, 8, 1))
            if name == "files":
                front = EncodedImageFront(front)
            export = folder / name / "export"
            bnkeras.save_compact(model, export, front=front, class_names=NAMES[name])
            for count in BATCHES:
                ((inputs, _, _), *_) = evaluation_batches(split, normalisation, batch_size=count)
                raw = _raw(name, split.images[:count], folder)
                np.savez(folder / name / f"inputs_{count}.npz", **raw)
                wanted = logits(model, inputs.numpy())
                np.savez(folder / name / f"wanted_{count}.npz", inputs=inputs, logits=wanted)
        in_fresh_process("raw_data.py", folder)
        return folder

    return _serve


@pytest.fixture(scope="module")
def folder(serve):
    return serve("digits", "others")


def _raw(name, images, folder):
    if name != "files":
        return {"image": images}
    files = []
    for image in images:
        Image.fromarray(image[..., 0]).save(folder / "one.png")
        files.append((folder / "one.png").read_bytes())
    return {"image_bytes": np.array(files, "S")}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["digits", "others"])
def test_raw_images_in_labels_out(folder, name, way):
    _assert_right(folder / name, way)


@pytest.mark.exhaustive
def test_image_files_in_labels_out(serve):
    folder = serve("files")
    for way in WAYS:
        _assert_right(folder / "files", way)


def _assert_right(case, way):
    named = [*NAMES[case.name], *map(str, range(len(NAMES[case.name]), 10))]
    for count in BATCHES:
        given = np.load(case / f"{way}_{count}.npz")
        wanted = np.load(case / f"wanted_{count}.npz")["logits"]
        assert set(given) == {"logits", "probabilities", "labels"}
        assert given["logits"].dtype == np.float32
        np.testing.assert_array_equal(given["logits"].view(np.uint32), wanted.view(np.uint32))
        np.testing.assert_allclose(given["probabilities"], tf.nn.softmax(wanted), rtol=1e-6)
        expected = [named[best].encode() for best in wanted.argmax(axis=1)]
        assert given["labels"].tolist() == expected
    assert len(set(expected)) > 1


def test_the_signatures(folder):
    loaded = tf.saved_model.load(str(folder / "digits" / "export"))
    raw, network = (loaded.signatures[name] for name in ("serving_default", "network"))
    (image,) = raw.structured_input_signature[1].values()
    assert (image.dtype, image.shape.as_list()) == (tf.uint8, [None, 8, 8, 1])
    assert raw.structured_outputs["labels"].dtype == tf.string
    assert raw.structured_outputs["labels"].shape.as_list() == [None]
    (inputs,) = network.structured_input_signature[1].values()
    assert (inputs.dtype, inputs.shape.as_list()) == (tf.float32, [None, 8, 8, 1])
    arrays = np.load(folder / "digits" / "wanted_32.npz")
    given = network(image=tf.constant(arrays["inputs"]))
    np.testing.assert_array_equal(given["logits"], arrays["logits"])


@pytest.mark.parametrize("name", ["digits", "others"])
def test_saved_again_it_stays_small(folder, name):
    def size(path):
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())

    # TensorFlow writes again the shapes and long names that an export leaves out; it has no
    # manifest.
    assert size(folder / name / "resaved") < 1.6 * size(folder / name / "export")


def test_the_manifest_tells_the_names(folder):
    manifest = read_manifest(folder / "others" / "export")
    assert manifest.class_names == tuple(NAMES["others"])
    assert manifest.front.model_dump() == {
        "name": "image",
        "dtype": "uint8",
        "shape": (None, 8, 8, 1),
    }


def test_both_signatures_share_the_network(folder):
    content = (folder / "digits" / "export" / "saved_model.pb").read_bytes()
    (graph,) = SavedModel.FromString(content).meta_graphs
    functions = graph.graph_def.library.function
    convolutions = [[node.op for node in f.node_def].count("Conv2D") for f in functions]
    assert sorted(convolutions)[-2:] == [0, 9]
