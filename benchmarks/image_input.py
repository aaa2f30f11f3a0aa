"""Photographs per second: with partial decoding, with full decoding, and with Pillow.

    python benchmarks/image_input.py [--source PATH] [--image-size 224] [--rounds 7]

`--source` is a folder or tar in the class layout, such as ImageNet's or a subset of it;
without one, photographs are made. Measured are

- the decoding alone, of a random crop, in one thread: the window, or the whole image and then
  the window; what these two cost without the sides that keep a window's colours exact and
  without the question whether it is a JPEG at all; and settings that change pixels, with their
  error. The floor of a window is reading the compressed bits above its lower edge, and its
  share of what the whole image takes beyond reading bits;
- the whole input pipeline, to normalised batches: ours; ours with whole decoding; and
  Pillow in as many threads as there are cores, as a PyTorch data loader does the same.

The candidates take turns, so that other load on the machine meets all of them. Printed are
medians over the rounds with the limits of the middle 80%: images per second on the clock,
milliseconds of processor time per image, and how many times as good the first candidate of a
table is within the rounds, by the clock and by processor time.
"""

import argparse
import io
import os
import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from PIL import Image
from rounds import Figures, Work, exhaust, ratio, spread, take_turns

from bnkeras.pipelines import EncodedSplit, crop_training_batches, load_encoded, prepare
from bnkeras.pipelines.crops import random_window
from bnkeras.pipelines.encoded import decode_whole, decode_window, size_of
from bnkeras.pipelines.registry import IMAGENET_MEAN, IMAGENET_STD
from bnkeras.seeding import reference

SCALE, ASPECT = (0.1, 1.0), (0.8, 1.25)
BATCH = 50
EPOCHS = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--source", type=Path, help="photographs in class folders, or a tar")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = arguments.source or make_photographs(Path(folder, "made"))
        prepared = prepare("folder/photographs", source, Path(folder, "data"))
        split = load_encoded(prepared, "train")
        images = photographs(split)
        decoding(images, arguments.rounds)
        size = arguments.image_size
        print(f"\nInput pipeline at {size}×{size}, {os.cpu_count()} cores")
        report(take_turns(pipelines(split, images, size), arguments.rounds))


def make_photographs(folder: Path, count: int = 400) -> Path:
    """Write photographs of ImageNet's usual size, 500×375 pixels and about 110 KB."""
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (60, 80, 3), np.uint8))
        grain = rng.normal(0, 9, (375, 500, 1))
        pixels = np.asarray(coarse.resize((500, 375), Image.BICUBIC)) + grain
        path = folder / ("train" if number % 8 else "test") / "any" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)
    return folder


def photographs(split: EncodedSplit, most: int = 1000) -> list[bytes]:
    """Return the files of a split, full batches of them."""
    return [split[index].image for index in range(min(len(split), most) // BATCH * BATCH)]


def decoding(images: list[bytes], rounds: int) -> dict[str, Any]:
    """Measure what decoding a random crop costs; print a table and return the figures."""
    sizes = np.array([size_of(tf.constant(image)).numpy() for image in images], np.int32)
    words = reference.words(0, "benchmark", 40 * len(images)).reshape(-1, 40)

    @tf.function(autograph=False)
    def window(size: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
        return random_window(size, words, SCALE, ASPECT)

    windows = np.array([window(*one).numpy() for one in zip(sizes, words, strict=True)])
    height, width = np.median(sizes, axis=0)
    facts = {
        "photographs": len(images),
        "median_width": float(width),
        "median_height": float(height),
        "mean_bytes": statistics.mean(map(len, images)),
        "mean_share_of_area": float(np.mean(windows[:, 2:].prod(axis=1) / sizes.prod(axis=1))),
        "mean_share_above_lower_edge": float(np.mean(windows[:, ::2].sum(axis=1) / sizes[:, 0])),
    }
    print(
        f"Decoding a random crop, one thread: {len(images)} photographs, median "
        f"{width:.0f}×{height:.0f} pixels, {facts['mean_bytes'] / 1000:.0f} KB;\na crop has "
        f"{facts['mean_share_of_area']:.0%} of the area, and "
        f"{facts['mean_share_above_lower_edge']:.0%} of the rows lie above its lower edge"
    )
    pairs = tf.data.Dataset.from_tensor_slices((images, sizes, windows))
    found = take_turns(
        {
            name: exhaust(pairs.map(shape_of(decode)).batch(BATCH), len(images))
            for name, decode in DECODERS.items()
        },
        2 * rounds,
    )
    report(found)
    facts["floor"] = floor(found, facts["mean_share_of_area"])
    print(f"at the floor a window would be {spread(facts['floor'], '.2f')} times as fast as all")
    errors = {name: error(pairs.take(200), decode) for name, decode in CHANGED.items()}
    for name, (mean, largest) in errors.items():
        print(f"{name}: pixels differ by {mean:.2f} of 255 on average, {largest:.0f} at most")
    return {**facts, "candidates": found, "errors": errors}


def floor(found: Figures, share: float) -> list[float]:
    """Return how many times as fast as the whole image a window can be, in each round."""
    rounds = zip(
        *(
            found[name]["processor_ms"]
            for name in ("nothing", "whole alone", "bits above its edge", "all bits")
        ),
        strict=True,
    )
    return [
        (whole - nothing) / (above - nothing + share * (whole - bits))
        for nothing, whole, above, bits in rounds
    ]


def shape_of(decode: Callable) -> Callable:
    """Return a function that decodes, and keeps nothing."""
    return tf.autograph.experimental.do_not_convert(lambda *one: tf.shape(decode(*one)))


def whole_then_window(image: tf.Tensor, size: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Return the pixels of `decode_window`, after decoding everything."""
    top, left, height, width = tf.unstack(window)
    return decode_whole(image)[top : top + height, left : left + width]


def fast(image: tf.Tensor, size: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Return a window, with the least exact settings that libjpeg has."""
    return tf.image.decode_and_crop_jpeg(
        image, window, channels=3, dct_method="INTEGER_FAST", fancy_upscaling=False
    )


def halved(image: tf.Tensor, size: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Return a window at half its size, by decoding four coefficients of eight."""
    return tf.image.decode_and_crop_jpeg(
        image, tf.maximum(window // 2, [0, 0, 1, 1]), channels=3, ratio=2
    )


def alone(image: tf.Tensor, size: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Return a window; where colours have half the resolution its sides are not exact."""
    return tf.image.decode_and_crop_jpeg(image, window, channels=3, dct_method="INTEGER_ACCURATE")


def whole_alone(image: tf.Tensor, size: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Return the whole image."""
    return tf.io.decode_jpeg(image, channels=3, dct_method="INTEGER_ACCURATE")


def bits_above(image: tf.Tensor, size: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Read the bits above the lower edge of a window, and decode one pixel there."""
    top, left, height, _ = tf.unstack(window)
    return alone(image, size, tf.stack([top + height - 1, left, 1, 1]))


def all_bits(image: tf.Tensor, size: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Read all bits, and decode one pixel at the end."""
    return alone(image, size, tf.stack([size[0] - 1, 0, 1, 1]))


CHANGED = {"window, fast settings": fast, "window, half size": halved}
DECODERS = {
    "window": decode_window,
    "whole image": whole_then_window,
    "window alone": alone,
    "whole alone": whole_alone,
    **CHANGED,
    "bits above its edge": bits_above,
    "all bits": all_bits,
    "nothing": lambda image, size, window: window,
}


def error(pairs: tf.data.Dataset, decode: Callable) -> tuple[float, float]:
    """Return the mean and largest difference of pixels to the exact window, resized alike."""
    differences = []
    for one in pairs:
        pixels, exact = decode(*one), decode_window(*one)
        # Against the mean of each 2×2 pixels, which a size of half means.
        if pixels.shape != exact.shape:
            exact = tf.image.resize(exact, pixels.shape[:2], antialias=True)
        difference = tf.abs(tf.cast(pixels, tf.float32) - tf.cast(exact, tf.float32))
        differences.append((float(tf.reduce_mean(difference)), float(tf.reduce_max(difference))))
    means, largest = zip(*differences, strict=True)
    return statistics.mean(means), max(largest)


def pipelines(split: EncodedSplit, images: list[bytes], size: int) -> dict[str, Work]:
    """Return work that makes batches: of Pillow one epoch, of ours as many as hide the start."""

    def ours() -> tf.data.Dataset:
        return crop_training_batches(
            split,
            (IMAGENET_MEAN, IMAGENET_STD),
            batch_size=BATCH,
            seed=0,
            epochs=EPOCHS,
            image_size=size,
            crop_scale=SCALE,
            crop_aspect=ASPECT,
        )

    with mock.patch("bnkeras.pipelines.crops.decode_window", whole_then_window):
        whole = ours()
    examples = EPOCHS * (len(split) // BATCH * BATCH)
    return {
        "window": exhaust(ours(), examples),
        "whole image": exhaust(whole, examples),
        "Pillow": lambda: pillow(images, size),
    }


def pillow(images: list[bytes], size: int) -> int:
    """Make normalised batches with Pillow, in threads."""
    rng = np.random.default_rng(0)
    mean, std = np.float32(IMAGENET_MEAN), np.float32(IMAGENET_STD)

    def one(argument: tuple[bytes, np.ndarray]) -> np.ndarray:
        content, words = argument
        image = Image.open(io.BytesIO(content)).convert("RGB")
        width, height = image.size
        window = random_window_of(height, width, words)
        crop = image.crop(window).resize((size, size), Image.BILINEAR)
        if words[-1] < 0.5:
            crop = crop.transpose(Image.FLIP_LEFT_RIGHT)
        return (np.asarray(crop, np.float32) / 255 - mean) / std

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        arguments = list(zip(images, rng.random((len(images), 41)), strict=True))
        for start in range(0, len(images), BATCH):
            np.stack(list(pool.map(one, arguments[start : start + BATCH])))
    return len(images)


def random_window_of(height: int, width: int, words: np.ndarray) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of a random crop, from uniform numbers."""
    for area, aspect, top, left in words[:40].reshape(4, 10).T:
        area = height * width * (SCALE[0] + (SCALE[1] - SCALE[0]) * area)
        aspect = ASPECT[0] * (ASPECT[1] / ASPECT[0]) ** aspect
        w, h = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if 0 < w <= width and 0 < h <= height:
            top, left = int(top * (height - h + 1)), int(left * (width - w + 1))
            return left, top, left + w, top + h
    return 0, 0, width, height


def report(found: Figures) -> None:
    """Print a line for each candidate, with how the first compares by clock and by work."""
    first = next(iter(found))
    print(f"{'':22}{'images/s':>24}{'processor ms/image':>22}{'by clock':>22}{'by work':>22}")
    for name, figures in found.items():
        cells = [spread(figures["per_second"], ",.0f"), spread(figures["processor_ms"], ".2f")]
        if name != first:
            cells += [spread(ratio(found, first, name, by), ".2f") for by in figures]
        print(f"{name:22}{cells[0]:>24}" + "".join(f"{cell:>22}" for cell in cells[1:]))


if __name__ == "__main__":
    main()
