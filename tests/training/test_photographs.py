"""Runs on photographs of many sizes: prepare, train, export, reload."""

import json
from itertools import product

import numpy as np
import pytest
import tensorflow as tf

import bnkeras
import bnkeras.recipe
from bnkeras.compact.manifest import read_manifest
from bnkeras.errors import CorruptDataError, RecipeError
from bnkeras.pipelines import crop_evaluation_batches, find, load_encoded, prepare
from bnkeras.pipelines.encoded import decode_whole
from bnkeras.training import run


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Photographs of red and of blue, in sizes of their own."""
    source = tmp_path_factory.mktemp("photographs")
    draw = np.random.default_rng(0)
    for split, count in {"train": 24, "test": 8}.items():
        for channel, name in {0: "red", 2: "blue"}.items():
            folder = source / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                height, width = draw.integers(70, 120, 2)
                pixels = draw.integers(0, 120, (height, width, 3))
                pixels[..., channel] += 120
                image = tf.io.encode_jpeg(tf.constant(pixels, tf.uint8))
                (folder / f"{number}.jpg").write_bytes(image.numpy())
    data_dir = tmp_path_factory.mktemp("data")
    prepare("folder/colours", source, data_dir)
    return data_dir


def recipe(*settings, name="resnet18_bnoutput"):
    """The network of ImageNet, eight times as narrow."""
    small = [
        "data.dataset=folder/colours",
        "data.image_size=40",
        "model.classes=2",
        "model.width=0.125",
        "train.batch_size=8",
        "train.learning_rate=0.02",
        "train.epochs=6",
        "train.warmup_epochs=0",
        "train.milestones=[]",
    ]
    return bnkeras.recipe.load(name, [*small, *settings])


@pytest.mark.slow
def test_a_folder_of_ones_own_trains_and_exports(data_dir, tmp_path):
    result = run(recipe(), tmp_path / "run", data_dir=data_dir)
    assert result.figures["examples"] == {"train": 48, "test": 16}
    assert result.figures["test_accuracy"] > 0.8
    assert result.figures["dataset"]["name"] == "folder/colours"
    manifest = json.loads((result.export / "assets.extra" / "bnkeras.json").read_text())["manifest"]
    assert manifest["class_names"] == ["blue", "red"]
    assert manifest["preprocessing"]["image_size"] == 40
    served = tf.saved_model.load(str(result.export)).signatures
    model = bnkeras.load_compact(result.export)
    for size in (40, 51):
        images = np.random.default_rng(size).normal(size=(2, size, size, 3)).astype(np.float32)
        answer = served["network"](image=tf.constant(images))["logits"].numpy()
        # Not traced, so TensorFlow fuses other operations.
        assert answer == pytest.approx(model(images, training=False).numpy(), rel=1e-4)
    prepared = find("folder/colours", data_dir)
    split = load_encoded(prepared, "test")
    batches = crop_evaluation_batches(split, prepared.spec, batch_size=1, image_size=40)
    for index, (inputs, _, _) in enumerate(batches):
        photograph = decode_whole(tf.constant(split[index].image))[tf.newaxis]
        answers = served["serving_default"](image=photograph)
        wanted = served["network"](image=inputs)["logits"]
        np.testing.assert_array_equal(answers["logits"], wanted)
        assert answers["labels"] == ["blue", "red"][np.argmax(wanted)]


def test_a_network_of_fixed_images_takes_crops_of_their_size(data_dir, tmp_path):
    settings = ["data.image_size=32", "train.epochs=1"]
    cifar = [
        "data.dataset=folder/colours",
        "data.translate=0",
        "model.classes=2",
        "train.batch_size=16",
    ]
    small = bnkeras.recipe.load("resnet14_bnonly", [*cifar, *settings])
    result = run(small, tmp_path / "run", data_dir=data_dir)
    assert result.figures["epoch"] == 1


def _refused(recipe, data_dir, tmp_path):
    with pytest.raises(RecipeError) as caught:
        run(recipe, tmp_path / "run", data_dir=data_dir)
    assert not (tmp_path / "run" / "recipe.toml").exists()
    return str(caught.value)


def test_what_does_not_fit_the_folder_is_said_all_at_once(data_dir, tmp_path):
    icons = bnkeras.recipe.load("resnet14_bnonly", ["data.dataset=folder/colours"])
    assert _refused(icons, data_dir, tmp_path) == (
        "The recipe resnet14_bnonly has 4 faults:\n"
        "  model.classes: must be 2, as folder/colours has it; received 10\n"
        "  model.input_shape: must be [224, 224, 3], as folder/colours has it; received "
        "[32, 32, 3]\n"
        "  data.translate: is for images of one small size, as those of folder/colours are not; "
        "received 4\n"
        "  train.batch_size: must be at most 48, the training examples there are; received 128\n"
        "Add --set 'model.classes=2' --set 'model.input_shape=[224, 224, 3]' --set "
        "'data.translate=0'."
    )


def test_a_fault_without_a_value_that_would_do(data_dir, tmp_path):
    message = _refused(recipe("train.batch_size=49"), data_dir, tmp_path)
    assert message.endswith("must be at most 48, the training examples there are; received 49")
    assert "has a fault" in message


def test_five_guesses_are_counted_where_there_are_many_classes(shared_data, tmp_path):
    data_dir = tmp_path / "data"
    prepare("imagenet", shared_data / "imagenette160-subset.tar", data_dir)
    settings = [
        "model.width=0.125",
        "data.image_size=32",
        "train.batch_size=64",
        "train.epochs=1",
        "train.warmup_epochs=0",
        "train.milestones=[]",
    ]
    narrow = bnkeras.recipe.load("resnet18_bnoutput", settings)
    result = run(narrow, tmp_path / "run", data_dir=data_dir)
    figures = result.figures
    assert 0 <= figures["test_accuracy"] <= figures["test_top5_accuracy"] <= 1
    manifest = read_manifest(result.export)
    assert manifest.class_names[:2] == ("tench", "goldfish")
    assert len(manifest.class_names) == 1000
    # Ten of the thousand classes are there: to choose among these is soon learnt.
    assert figures["test_top5_accuracy"] > 0.1
    assert figures["examples"] == {"train": 1000, "test": 300}


def test_a_photograph_damaged_since_is_named(tmp_path):
    source = tmp_path / "source"
    for split, count in {"train": 16, "test": 4}.items():
        for name in ("one", "two"):
            (source / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = tf.random.uniform((80 + number, 90, 3), 0, 255, tf.int32)
                image = tf.io.encode_jpeg(tf.cast(pixels, tf.uint8)).numpy()
                (source / split / name / f"{number}.jpg").write_bytes(image)
    prepared = prepare("folder/noise", source, tmp_path / "data")
    (shard,) = prepared.shards("train")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    noise = recipe("data.dataset=folder/noise", "train.epochs=1")
    with pytest.raises(CorruptDataError, match=r"noise-train\.tfrecord-00000-of-00001: record 1\d"):
        run(noise, tmp_path / "run", data_dir=tmp_path / "data")


def test_a_network_of_any_size_takes_small_images(tmp_path):
    draw = np.random.default_rng(0)
    for split, name in product(("train", "test"), ("one", "two")):
        folder = tmp_path / "source" / split / name
        folder.mkdir(parents=True)
        for number in range(8):
            pixels = tf.constant(draw.integers(0, 255, (40, 36, 3)), tf.uint8)
            (folder / f"{number}.png").write_bytes(tf.io.encode_png(pixels).numpy())
    prepared = prepare("folder/small", tmp_path / "source", tmp_path / "data")
    assert prepared.spec.image_shape == (40, 36, 3)
    small = recipe("data.dataset=folder/small", "train.epochs=1")
    result = run(small, tmp_path / "run", data_dir=tmp_path / "data")
    assert result.figures["epoch"] == 1
    served = tf.saved_model.load(str(result.export)).signatures
    pixels = draw.integers(0, 255, (2, 51, 44, 3)).astype(np.uint8)
    wanted = (pixels / 255 - prepared.spec.mean) / prepared.spec.std
    np.testing.assert_allclose(
        served["serving_default"](image=tf.constant(pixels))["logits"],
        served["network"](image=tf.constant(wanted, tf.float32))["logits"],
        rtol=1e-4,
        atol=1e-5,
    )
