"""Batches made example by example in worker processes, as PyTorch's `DataLoader` makes them.

A worker makes a whole batch: every example by itself, in Python, with Pillow or NumPy, and then
stacks them. Images come back through shared memory, and each worker has two batches to do, which
are the loader's settings `num_workers=cores`, `prefetch_factor=2`. What is missing of a
`DataLoader` is its own overhead.
"""

import os
import re
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image, ImageOps

_PADDING = 4
_AHEAD = 2

# What the initializers leave in a worker.
_worker: dict[str, Any] = {}


class Loader:
    """Processes that make batches.

    Args:
        initializer: prepares a process.
        arguments: its arguments.
        batch: (slot, indices) → the labels or the whole of a batch; called in a process.
    """

    def __init__(self, initializer: Callable, arguments: tuple, batch: Callable):
        self._pool = get_context("spawn").Pool(os.cpu_count(), initializer, arguments)
        self._batch = batch

    def batches(self, tasks: list[np.ndarray]) -> Iterator[Any]:
        """Yield the batch of each element of `tasks`, the indices of its examples."""
        waiting: deque = deque()
        for number, indices in enumerate(tasks):
            if number >= slots():
                yield waiting.popleft().get()
            waiting.append(self._pool.apply_async(self._batch, (number % slots(), indices)))
        while waiting:
            yield waiting.popleft().get()

    def __enter__(self) -> "Loader":
        """Return the loader."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the processes."""
        self._pool.terminate()
        self._pool.join()


def slots() -> int:
    """Return how many batches all workers together have to do at most."""
    return _AHEAD * (os.cpu_count() or 1)


def with_images(images: str, labels: np.ndarray, mean: Any, std: Any, shared: Any) -> None:
    """Prepare a process for `pillow_batch` and `numpy_batch`.

    Args:
        images: a `.npy` file, uint8 [n, height, width, 3].
        labels: [n].
        mean: of the channels, for pixels in [0, 1].
        std: likewise.
        shared: memory for float32 [slots, batch, height, width, 3].
    """
    pixels = np.load(images)
    _worker.update(
        images=pixels,
        labels=labels,
        mean=np.float32(mean),
        std=np.float32(std),
        out=np.frombuffer(shared, np.float32).reshape(slots(), -1, *pixels.shape[1:]),
        rng=np.random.default_rng(os.getpid()),
    )


def pillow_batch(slot: int, indices: np.ndarray) -> np.ndarray:
    """Write shifted and mirrored images of a batch into its slot; return their labels."""
    return _image_batch(_with_pillow, slot, indices)


def numpy_batch(slot: int, indices: np.ndarray) -> np.ndarray:
    """Do what `pillow_batch` does with NumPy."""
    return _image_batch(_with_numpy, slot, indices)


def _image_batch(one: Callable, slot: int, indices: np.ndarray) -> np.ndarray:
    images = [one(_worker["images"][index], _worker["rng"]) for index in indices]
    np.stack(images, out=_worker["out"][slot])
    return _worker["labels"][indices]


def _with_pillow(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = pixels.shape[:2]
    image = ImageOps.expand(Image.fromarray(pixels), _PADDING)
    top, left, mirror = rng.integers(0, (2 * _PADDING + 1, 2 * _PADDING + 1, 2))
    image = image.crop((left, top, left + width, top + height))
    if mirror:
        image = image.transpose(Image.FLIP_LEFT_RIGHT)
    return (np.asarray(image, np.float32) / 255 - _worker["mean"]) / _worker["std"]


def _with_numpy(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = pixels.shape[:2]
    padded = np.zeros((height + 2 * _PADDING, width + 2 * _PADDING, 3), np.uint8)
    padded[_PADDING:-_PADDING, _PADDING:-_PADDING] = pixels
    top, left, mirror = rng.integers(0, (2 * _PADDING + 1, 2 * _PADDING + 1, 2))
    pixels = padded[top : top + height, left : left + width]
    if mirror:
        pixels = pixels[:, ::-1]
    return (pixels.astype(np.float32) / 255 - _worker["mean"]) / _worker["std"]


def with_texts(texts: list[str], labels: np.ndarray, words: dict[str, int]) -> None:
    """Prepare a process for `text_batch`: the id of each word; others are 1, and padding 0."""
    _worker.update(texts=texts, labels=labels, words=words)


def text_batch(slot: int, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (ids [batch, longest], labels), by the papers' rule for words in plain Python."""
    ids = [
        [
            _worker["words"].get(word, 1)
            for word in re.sub("[.,!?'()=]", " ", _worker["texts"][index]).lower().split()
        ]
        for index in indices
    ]
    batch = np.zeros((len(ids), max(map(len, ids))), np.int32)
    for row, words in zip(batch, ids, strict=True):
        row[: len(words)] = words
    return batch, _worker["labels"][indices]
