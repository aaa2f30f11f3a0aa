"""Crops against a plain form in Python and Pillow, and as a function of (seed, epoch, step)."""

import io
import math
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines import (
    DATASETS,
    crop_evaluation_batches,
    crop_training_batches,
    find,
    load_encoded,
    prepare,
)
from bnkeras.pipelines.crops import WORDS_PER_IMAGE, random_window
from bnkeras.pipelines.encoded import decode_whole, decode_window, size_of
from bnkeras.seeding import reference

from .photos import encoded, opened, pixels

SPEC = DATASETS["imagenet"]
BATCH, EPOCHS, STEPS, SIZE = 4, 3, 5, 48  # 23 images, 3 left over
SCALE, ASPECT = (0.1, 1.0), (0.8, 1.25)


def window(height, width, words, scale=SCALE, aspect=ASPECT):
    """RandomResizedCrop.get_params of torchvision, with given words for random numbers."""
    words = [int(word) for word in words]
    for t in range(10):
        area = height * width * (scale[0] + (scale[1] - scale[0]) * words[t] / 2**32)
        low, high = (math.log(ratio) for ratio in aspect)
        ratio = math.exp(low + (high - low) * words[10 + t] / 2**32)
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            top = words[20 + t] * (height - h + 1) // 2**32
            left = words[30 + t] * (width - w + 1) // 2**32
            return top, left, h, w
    if width / height < aspect[0]:
        w, h = width, round(width / aspect[0])
    elif width / height > aspect[1]:
        w, h = round(height * aspect[1]), height
    else:
        w, h = width, height
    return (height - h) // 2, (width - w) // 2, h, w


def windows(size, words, scale, aspect):
    """Return a window for each row of words, drawn in a graph."""

    @tf.function(autograph=False)
    def draw(words):
        return tf.map_fn(
            lambda one: random_window(tf.constant(size), one, scale, aspect),
            words,
            fn_output_signature=tf.TensorSpec([4], tf.int32),
        )

    return draw(tf.constant(words)).numpy()


def resized(array, width, height):
    return np.asarray(Image.fromarray(array).resize((width, height), Image.BILINEAR), np.float32)


def centre(array, size):
    """Resize and CenterCrop of torchvision."""
    height, width = array.shape[:2]
    target = round(size * 256 / 224)
    short = min(height, width)
    h, w = (target if side == short else int(target * side / short) for side in (height, width))
    array = resized(array, w, h)
    top, left = round((h - size) / 2), round((w - size) / 2)
    return array[top : top + size, left : left + size]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """Twenty-three images of many sizes and encodings; a class is told by the file name."""
    root = tmp_path_factory.mktemp("crops")
    rng = np.random.default_rng(0)
    special = {3: {"form": "PNG"}, 5: {"mode": "CMYK"}, 7: {"mode": "L"}}
    for number in range(23):
        name = SPEC.class_names[37 * number]
        height, width = (int(side) for side in rng.integers(30, 130, 2))
        options = special.get(number, {"subsampling": number % 3})
        content = encoded(pixels(height, width, number), **options)
        for folder in ("train", "val"):
            path = root / "source" / folder / name / f"{number}.JPEG"
            path.parent.mkdir(parents=True)
            path.write_bytes(content)
    return prepare("imagenet", root / "source", root / "data")


@pytest.fixture(scope="session")
def split(prepared):
    return load_encoded(prepared, "train")


def batches(split, **changed):
    arguments = {"batch_size": BATCH, "seed": 11, "epochs": EPOCHS, "image_size": SIZE} | changed
    return [(x.numpy(), y.numpy()) for x, y in crop_training_batches(split, SPEC, **arguments)]


def order(epoch, size=23):
    return np.argsort(reference.words(11, "data/shuffle", size, index=epoch), kind="stable")


def words_of(step, batch=BATCH):
    words = reference.words(11, "data/augment", WORDS_PER_IMAGE * batch, index=step)
    return words.reshape(batch, WORDS_PER_IMAGE)


@pytest.mark.parametrize(
    ("size", "scale", "aspect"),
    [
        ((375, 500), SCALE, ASPECT),
        ((500, 333), (0.08, 1.0), (3 / 4, 4 / 3)),
        ((64, 64), (1.0, 1.0), (1.0, 1.0)),  # only the whole image fits
        ((20, 400), (0.9, 1.0), ASPECT),  # too wide: never fits
        ((400, 20), (0.9, 1.0), ASPECT),
        ((30, 33), (0.9999, 1.0), (0.9, 1.2)),  # seldom fits
        ((1, 1), SCALE, ASPECT),
        ((3, 2), SCALE, (0.5, 2.0)),
    ],
)
def test_windows_equal_torchvision_s(size, scale, aspect):
    words = reference.words(1, "test", 40 * 500).reshape(500, 40)
    found = windows(size, words, scale, aspect)
    expected = np.array([window(*size, one, scale, aspect) for one in words])
    # Every one, bit for bit: no square root came so near to a half that rounding told
    # TensorFlow's last digit from Python's.
    assert np.array_equal(found, expected)
    tops, lefts, heights, widths = found.T
    assert (tops >= 0).all()
    assert (lefts >= 0).all()
    assert (tops + heights <= size[0]).all()
    assert (lefts + widths <= size[1]).all()


def test_areas_aspects_and_places_have_their_distributions():
    count = 4000
    words = reference.words(2, "test", 40 * count).reshape(count, 40)
    # A square so large that rounding to pixels has no part in it.
    found = windows((4000, 4000), words, SCALE, ASPECT)
    top, left, height, width = found.T.astype(float)
    area, ratio = height * width / 4000**2, np.log(width / height)
    # A try fails if a side is longer than the image's: the more area, the more aspects
    # do. So compare below the least area that can fail, 0.8, where all is uniform.
    free = area < 0.8
    share = (area[free] - 0.1) / 0.7
    assert abs(share.mean() - 0.5) < 4 * math.sqrt(1 / 12 / free.sum())
    assert abs(share.std() - math.sqrt(1 / 12)) < 0.01
    logs = ratio[free] / math.log(1.25)
    assert abs(logs.mean()) < 4 * math.sqrt(1 / 3 / free.sum())
    assert abs(logs.std() - math.sqrt(1 / 3)) < 0.02
    assert logs.min() >= -1.001
    assert logs.max() <= 1.001
    for place, side in ((top, height), (left, width)):
        share = place[free] / (4000 - side[free])
        assert abs(share.mean() - 0.5) < 4 * math.sqrt(1 / 12 / free.sum())
    assert abs(np.corrcoef(area[free], logs)[0, 1]) < 4 / math.sqrt(free.sum())


def test_batches_equal_pillow(split):
    whole = batches(split, scale="unit")
    assert len(whole) == EPOCHS * STEPS
    for step in (0, 4, 5, 14):
        epoch, place = divmod(step, STEPS)
        rows = order(epoch)[place * BATCH : (place + 1) * BATCH]
        x, y = whole[step]
        assert x.dtype == np.float32
        assert y.tolist() == [split[int(row)].label for row in rows]
        for image, row, words in zip(x, rows, words_of(step), strict=True):
            array = opened(split[int(row)].image)
            top, left, height, width = window(*array.shape[:2], words[:-1])
            crop = resized(array[top : top + height, left : left + width], SIZE, SIZE)
            crop = crop[:, ::-1] if words[-1] & 1 else crop
            np.testing.assert_allclose(image * 255, crop, atol=tolerance(split, row))


def tolerance(split, index):
    # Pillow rounds to whole units, once for each axis. From ink to light its formula rounds
    # otherwise than TensorFlow's, by up to 3 units (see `test_decoding`).
    image = Image.open(io.BytesIO(split[int(index)].image))
    return 1.1 + 3 * (image.mode == "CMYK")


@pytest.mark.parametrize("scale", ["channel", "unit"])
def test_normalisation(split, scale):
    (x, _), *_ = batches(split, scale=scale, epochs=1)
    (unit, _), *_ = batches(split, scale="unit", epochs=1)
    if scale == "channel":
        unit = (unit - np.float32(SPEC.mean)) / np.float32(SPEC.std)
    np.testing.assert_allclose(x, unit, atol=2e-6)


@pytest.mark.parametrize("first_step", [0, 1, 4, 5, 11, 14, 15])
def test_resumed_equals_uninterrupted(split, first_step):
    whole = batches(split)
    resumed = batches(split, first_step=first_step)
    assert len(resumed) == len(whole) - first_step
    for (x, y), (expected_x, expected_y) in zip(resumed, whole[first_step:], strict=True):
        assert x.tobytes() == expected_x.tobytes()
        assert y.tobytes() == expected_y.tobytes()


def test_every_epoch_is_a_permutation(split):
    labels = [split[index].label for index in range(23)]
    assert len(set(labels)) == 23
    found = batches(split, image_size=8)
    for epoch in range(EPOCHS):
        seen = np.concatenate([y for _, y in found[epoch * STEPS : (epoch + 1) * STEPS]])
        assert seen.tolist() == [labels[row] for row in order(epoch)[: STEPS * BATCH]]


def test_flip_can_be_left_out(split):
    plain, flipped = batches(split, flip=False, epochs=1), batches(split, epochs=1)
    for step, ((x, _), (mirrored, _)) in enumerate(zip(plain, flipped, strict=True)):
        for one, other, words in zip(x, mirrored, words_of(step), strict=True):
            assert np.array_equal(one[:, ::-1] if words[-1] & 1 else one, other)


@pytest.mark.parametrize("batch_size", [1, 4, 23, 30])
def test_evaluation_equals_pillow(split, batch_size):
    found = list(
        crop_evaluation_batches(split, SPEC, batch_size=batch_size, image_size=56, scale="unit")
    )
    assert len(found) == -(-23 // batch_size)
    x, y, weight = (np.concatenate(parts) for parts in zip(*found, strict=True))
    assert weight.tolist() == [float(place < 23) for place in range(len(weight))]
    for index in range(23):
        record = split[index]
        assert y[index] == record.label
        expected = centre(opened(record.image), 56)
        np.testing.assert_allclose(x[index] * 255, expected, atol=tolerance(split, index))
    assert np.isfinite(x).all()


def test_evaluation_and_training_scale_alike(split):
    """With the whole image as its crop and no reduction, training sees evaluation's colours."""
    (x, _, _), *_ = crop_evaluation_batches(split, SPEC, batch_size=23, image_size=32)
    (unit, _, _), *_ = crop_evaluation_batches(
        split, SPEC, batch_size=23, image_size=32, scale="unit"
    )
    np.testing.assert_allclose(x, (unit - np.float32(SPEC.mean)) / np.float32(SPEC.std), atol=2e-6)


def test_shapes_are_static(split):
    training = crop_training_batches(split, SPEC, batch_size=4, seed=0, epochs=1, image_size=32)
    assert training.element_spec == (
        tf.TensorSpec([4, 32, 32, 3], tf.float32),
        tf.TensorSpec([4], tf.int32),
    )
    evaluation = crop_evaluation_batches(split, SPEC, batch_size=4, image_size=32)
    assert evaluation.element_spec == (
        tf.TensorSpec([4, 32, 32, 3], tf.float32),
        tf.TensorSpec([4], tf.int32),
        tf.TensorSpec([4], tf.float32),
    )


@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": 0},
        {"subsampling": 1},
        {"subsampling": 2},
        {"mode": "L"},
        {"mode": "CMYK"},
        {"progressive": True},
        {"form": "PNG"},
        {"form": "PNG", "mode": "P"},
        {"form": "PNG", "mode": "RGBA"},
    ],
)
def test_decoding(options):
    content = encoded(pixels(75, 101, 3), **options)
    expected = opened(content)
    whole = decode_whole(tf.constant(content)).numpy()
    # Pillow and TensorFlow turn ink into light by formulas that round differently.
    assert np.abs(whole.astype(int) - expected).max() <= 3 * (options.get("mode") == "CMYK")
    size = size_of(tf.constant(content))
    assert size.numpy().tolist() == [75, 101]
    rng = np.random.default_rng(0)
    for _ in range(30):
        top, left = int(rng.integers(75)), int(rng.integers(101))
        height, width = int(rng.integers(1, 76 - top)), int(rng.integers(1, 102 - left))
        window = tf.constant([top, left, height, width])
        part = decode_window(tf.constant(content), size, window).numpy()
        assert np.array_equal(part, whole[top : top + height, left : left + width])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 24}, r"batch_size is 24 and the split has 23 "),
        ({"batch_size": 0}, r"batch_size must be at least 1; received 0"),
        ({"first_step": 16}, r"first_step is 16; 3 epochs of 5 steps have steps 0 to 15"),
        ({"image_size": 0}, r"image_size must be at least 1; received 0"),
        ({"crop_scale": (0.5, 0.1)}, r"crop_scale is .*0 < low ≤ high ≤ 1; received \(0\.5, 0\.1"),
        ({"crop_scale": (0.1, 1.5)}, r"crop_scale is .*received \(0\.1, 1\.5\)"),
        ({"crop_aspect": (0, 1)}, r"crop_aspect is .*0 < low ≤ high; received \(0, 1\)"),
        ({"scale": "pixel"}, r"scale is 'pixel'; choose 'channel' or 'unit'"),
    ],
)
def test_bad_arguments(split, changed, message):
    with pytest.raises(DataError, match=message):
        batches(split, **changed)


def test_error_in_a_batch_names_the_record(prepared, tmp_path):
    folder = shutil.copytree(prepared.path, tmp_path / "imagenet" / "x" / "1.0.0")
    (shard,) = folder.glob("*train*")
    content = bytearray(shard.read_bytes())
    split = load_encoded(find("imagenet", tmp_path), "train")
    record = split[9]
    content[content.index(record.image) + len(record.image) // 2] ^= 1
    shard.write_bytes(content)
    named = rf"(?s)Records of imagenet are damaged.*{shard.name}: record 9.*rm -r {folder}"
    with pytest.raises(CorruptDataError, match=named), split.naming_corrupt_records():
        for _ in crop_training_batches(split, SPEC, batch_size=4, seed=0, epochs=5, image_size=16):
            pass
