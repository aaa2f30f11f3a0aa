"""Raw images to inputs, in the graph: the bits of what an evaluation gives the network."""

import numpy as np
import pytest
import tensorflow as tf

from bnkeras.errors import DataError
from bnkeras.pipelines import (
    DATASETS,
    EncodedImageFront,
    ImageFront,
    crop_evaluation_batches,
    evaluation_batches,
    find,
    load_encoded,
    load_split,
    prepare,
)
from bnkeras.pipelines.encoded import decode_whole
from bnkeras.pipelines.reading import Split

from .photos import encoded, photo, pixels

CIFAR10, DIGITS, IMAGENET = (DATASETS[name] for name in ("cifar10", "digits", "imagenet"))
OWN = ((0.1, 0.2, 0.7), (0.123, 1.0, 0.3))
SIZES = [(60, 91), (91, 60), (47, 48), (20, 33), (33, 20), (300, 64), (40, 40)]


def traced(front):
    """Return the front as a graph, in which TensorFlow's optimizer reorders what it likes."""
    return tf.function(front, input_signature=[front.spec], autograph=False)


def bits(array):
    return np.asarray(array, np.float32).view(np.uint32)


def assert_same_bits(found, expected):
    np.testing.assert_array_equal(bits(found), bits(expected))


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Photographs of many sizes, prepared: the test split of a dataset of one's own."""
    root = tmp_path_factory.mktemp("fronts")
    for number, (height, width) in enumerate(SIZES):
        for split in ("train", "test"):
            folder = root / "source" / split / f"class{number % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            content = photo(height, width, number)
            (folder / f"{number}.jpg").write_bytes(content)
    return load_encoded(prepare("folder/fronts", root / "source", root / "data"), "test")


@pytest.mark.parametrize("scale", ["channel", "unit"])
def test_every_pixel_value(scale):
    """Against NumPy, whose float32 division rounds correctly."""
    images = np.arange(256, dtype=np.uint8).reshape(4, 8, 8, 1).repeat(3, axis=3)
    expected = images.astype(np.float32) / np.float32(255)
    if scale == "channel":
        expected = (expected - np.float32(OWN[0])) / np.float32(OWN[1])
    for shape in [(8, 8, 3), (8, None, 3), (None, None, 3)]:
        front = ImageFront(OWN, shape, scale=scale)
        assert front.spec == tf.TensorSpec([None, *shape], tf.uint8, "image")
        assert_same_bits(traced(front)(tf.constant(images)), expected)
        assert_same_bits(front(tf.constant(images)), expected)


@pytest.mark.parametrize("scale", ["channel", "unit"])
@pytest.mark.parametrize("count", [1, 7, 360])
def test_digits_as_an_evaluation_has_them(tmp_path_factory, scale, count):
    prepared = find("digits", tmp_path_factory.getbasetemp() / "digits")
    split = load_split(prepared, "test")
    (images, _, _), *_ = evaluation_batches(split, prepared.spec, batch_size=count, scale=scale)
    front = traced(ImageFront(prepared.spec, prepared.spec.image_shape, scale=scale))
    assert_same_bits(front(tf.constant(split.images[:count])), images)


@pytest.mark.parametrize("scale", ["channel", "unit"])
def test_photographs_as_an_evaluation_has_them(photographs, scale):
    batches = crop_evaluation_batches(
        photographs, IMAGENET, batch_size=len(SIZES), image_size=32, scale=scale
    )
    ((expected, _, _),) = batches
    files = [photographs[index].image for index in range(len(SIZES))]
    front = ImageFront(IMAGENET, (None, None, 3), crop=32, scale=scale)
    assert front.spec == tf.TensorSpec([None, None, None, 3], tf.uint8, "image")
    assert front.output_spec == tf.TensorSpec([None, 32, 32, 3], tf.float32)
    raw, of_files = traced(front), traced(EncodedImageFront(front))
    found = [raw(decode_whole(tf.constant(file))[tf.newaxis])[0] for file in files]
    assert_same_bits(found, expected)
    assert_same_bits(of_files(tf.constant(files)), expected)
    assert of_files.get_concrete_function().structured_outputs.shape.as_list() == [None, 32, 32, 3]


def test_a_batch_of_photographs_of_one_size():
    images = np.stack([pixels(50, 70, seed) for seed in range(3)])
    front = traced(ImageFront(IMAGENET, (None, None, 3), crop=24))
    found = front(tf.constant(images))
    assert found.shape == (3, 24, 24, 3)
    for one, image in zip(found, images, strict=True):
        assert_same_bits(one[tf.newaxis], front(tf.constant(image[np.newaxis])))


def test_files_of_small_images():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), np.uint8)
    files = [encoded(image[..., 0], "PNG") for image in images]
    front = ImageFront(DIGITS, (8, 8, 1))
    of_files = traced(EncodedImageFront(front))
    assert of_files.input_signature[0].name == "image_bytes"
    assert_same_bits(of_files(tf.constant(files)), front(tf.constant(images)))
    split = Split(images, np.zeros(3, np.int32), DIGITS.class_names)
    ((expected, _, _),) = evaluation_batches(split, DIGITS, batch_size=3)
    assert_same_bits(of_files(tf.constant(files)), expected)


def test_no_images():
    front = ImageFront(CIFAR10, (32, 32, 3))
    assert traced(front)(tf.zeros([0, 32, 32, 3], tf.uint8)).shape == (0, 32, 32, 3)
    assert traced(EncodedImageFront(front))(tf.constant([], tf.string)).shape == (0, 32, 32, 3)


@pytest.mark.parametrize("content", [b"no image", photo(32, 32, 0)[:200], photo(31, 32, 0)])
def test_files_that_are_not_what_they_should_be(content):
    front = traced(EncodedImageFront(ImageFront(CIFAR10, (32, 32, 3))))
    with pytest.raises(tf.errors.InvalidArgumentError):
        front(tf.constant([photo(32, 32, 0), content]))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((CIFAR10, (32, 32)), {}, r"with None for a height or width .* received \(32, 32\)"),
        ((CIFAR10, (32, 32, None)), {}, r"received \(32, 32, None\)"),
        ((CIFAR10, (0, 32, 3)), {}, r"received \(0, 32, 3\)"),
        ((CIFAR10, (32, 32, 1)), {}, "mean and std need 1 values"),
        ((CIFAR10, (32, 32, 3)), {"scale": "none"}, "scale is 'none'; choose 'channel' or 'unit'"),
        ((IMAGENET, (None, None, 3)), {"crop": 0}, "image_size must be at least 1; received 0"),
    ],
)
def test_arguments_out_of_range(arguments, options, message):
    with pytest.raises(DataError, match=message):
        ImageFront(*arguments, **options)
