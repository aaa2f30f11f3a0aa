"""Photographs per second: with partial decoding, with full decoding, and with Pillow.

    python benchmarks/image_input.py [--source PATH] [--image-size 224] [--rounds 7]

`--source` is a folder or tar in the class layout, such as ImageNet's or a subset of it;
without one, photographs are made. Measured are

- the decoding alone, of a random crop: the window, or the whole image and then the window;
  beside it the floor, an image decoded to an eighth of its size: that is little more than
  reading the compressed bits, of which a window needs all that lie above its lower edge;
- the whole input pipeline, to normalised batches: ours; ours with whole decoding; and
  Pillow in as many threads as there are cores, as a PyTorch data loader does the same.

The candidates take turns, so that other load on the machine meets all of them. Printed are
medians over the rounds with the smallest and largest, images per second on the clock and
milliseconds of processor time per image, and how many times better the first candidate is
within the rounds, in both.
"""

import argparse
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from PIL import Image

from bnkeras.pipelines import EncodedSplit, crop_training_batches, load_encoded, prepare
from bnkeras.pipelines.crops import random_window
from bnkeras.pipelines.encoded import decode_whole, decode_window, size_of
from bnkeras.pipelines.registry import IMAGENET_MEAN, IMAGENET_STD
from bnkeras.seeding import reference

SCALE, ASPECT = (0.1, 1.0), (0.8, 1.25)
BATCH = 50


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
        images = [split[index].image for index in range(len(split) // BATCH * BATCH)]
        describe(images)
        size = arguments.image_size
        print(f"\nDecoding a random crop, one thread\n{'':24}{'images/s':>24}{'ms/image':>24}")
        compare(decoders(images), len(images), arguments.rounds)
        print(f"\nInput pipeline at {size}×{size}, {os.cpu_count()} cores")
        compare(pipelines(split, images, size), len(images), arguments.rounds)


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


def describe(images: list[bytes]) -> None:
    """Print what the photographs are like."""
    sizes = np.array([size_of(tf.constant(image)).numpy() for image in images])
    height, width = np.median(sizes, axis=0)
    length = statistics.mean(map(len, images)) / 1000
    print(f"{len(images)} photographs, median {width:.0f}×{height:.0f} pixels, {length:.0f} KB")


def decoders(images: list[bytes]) -> dict[str, Callable[[], None]]:
    """Return functions that decode a random crop of each image."""
    words = reference.words(0, "benchmark", 40 * len(images)).reshape(-1, 40)

    def run(decode: Callable) -> Callable[[], None]:
        @tf.function(autograph=False)
        def crop(image, words):
            size = size_of(image)
            return tf.shape(decode(image, size, random_window(size, words, SCALE, ASPECT)))

        pairs = tf.data.Dataset.from_tensor_slices((images, words)).map(crop)
        return lambda: exhaust(pairs.batch(BATCH))

    def eighth(image: tf.Tensor, size: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
        return tf.io.decode_jpeg(image, channels=3, ratio=8)

    return {
        "window": run(decode_window),
        "whole image": run(whole_then_window),
        "floor: whole, 1/8 size": run(eighth),
    }


def pipelines(split: EncodedSplit, images: list[bytes], size: int) -> dict[str, Callable[[], None]]:
    """Return functions that make one epoch of batches."""

    def ours() -> tf.data.Dataset:
        return crop_training_batches(
            split,
            (IMAGENET_MEAN, IMAGENET_STD),
            batch_size=BATCH,
            seed=0,
            epochs=1,
            image_size=size,
            crop_scale=SCALE,
            crop_aspect=ASPECT,
        )

    with mock.patch("bnkeras.pipelines.crops.decode_window", whole_then_window):
        whole = ours()
    window = ours()
    return {
        "window": lambda: exhaust(window),
        "whole image": lambda: exhaust(whole),
        "Pillow": lambda: pillow(images, size),
    }


def whole_then_window(image: tf.Tensor, size: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Return the pixels of `decode_window`, after decoding everything."""
    top, left, height, width = tf.unstack(window)
    return decode_whole(image)[top : top + height, left : left + width]


def pillow(images: list[bytes], size: int) -> None:
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


def random_window_of(height: int, width: int, words: np.ndarray) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of a random crop, from uniform numbers."""
    for area, ratio, top, left in words[:40].reshape(4, 10).T:
        area = height * width * (SCALE[0] + (SCALE[1] - SCALE[0]) * area)
        ratio = ASPECT[0] * (ASPECT[1] / ASPECT[0]) ** ratio
        w, h = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        if 0 < w <= width and 0 < h <= height:
            top, left = int(top * (height - h + 1)), int(left * (width - w + 1))
            return left, top, left + w, top + h
    return 0, 0, width, height


def exhaust(dataset: tf.data.Dataset) -> None:
    """Take everything out of a dataset."""
    for _ in dataset:
        pass


def compare(candidates: dict[str, Callable[[], None]], images: int, rounds: int) -> None:
    """Let the candidates take turns, and print a line for each."""
    for run in candidates.values():
        run()  # traces the graphs
    clock, processor = ({name: [] for name in candidates} for _ in range(2))
    for _ in range(rounds):
        for name, run in candidates.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            clock[name].append(images / (time.perf_counter() - wall))
            processor[name].append((time.process_time() - cpu) / images * 1000)
    for name in candidates:
        print(f"{name:24}{spread(clock[name], '.0f'):>24}{spread(processor[name], '.2f'):>24}")
    first, *others = candidates
    for other in others:
        faster = [one / two for one, two in zip(clock[first], clock[other], strict=True)]
        cheaper = [two / one for one, two in zip(processor[first], processor[other], strict=True)]
        label = f"{first} against {other}: "
        print(f"{label:48}{spread(faster, '.2f')} by the clock, {spread(cheaper, '.2f')} by work")


def spread(values: list[float], form: str) -> str:
    """Return the median, and the smallest and largest value."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


if __name__ == "__main__":
    main()
