"""Input beside the step that it feeds, and beside loaders that make example by example.

    python benchmarks/input_pipelines.py --data-dir DIR [--only cifar10 tweets photographs decoding]
        [--rounds 7] [--json FILE]

The datasets must be prepared in DIR: `cifar10`, `tweets`, and `imagenet` or a subset of it.
For each are measured, in turns,

- `input`: all training batches of a recipe, as fast as they come;
- the loaders of `loaders.py`, one process a core;
- `step`: training steps on batches that lie ready, γ and β only, deterministic as in a run;
- `step fed`: training steps on batches that the input makes meanwhile.

The networks are ResNet-14 with batches of 128, the LSTM with 32 and ResNet-50 with 16 of 224×224
pixels. What is fed over what is not is what input costs a run. The floor of an input is moving
its bytes once: those read and those of a finished batch, over the rate of a copy.

`decoding` is the first table of `image_input.py`, which needs no step. Printed are medians over
the rounds with the limits of the middle 80%, ratios within the rounds.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from multiprocessing import RawArray
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from image_input import BATCH, decoding, photographs, pillow
from loaders import Loader, numpy_batch, pillow_batch, slots, text_batch, with_images, with_texts
from rounds import Work, exhaust, machine, ratio, spread, take_turns

import bnkeras
from bnkeras.pipelines import build_vocabulary, find, load_encoded, load_split, load_texts
from bnkeras.training.loop import Loop
from bnkeras.training.run_directory import RunDirectory
from bnkeras.training.setup import compiled_model, open_batches


class Case(NamedTuple):
    """A dataset, and what it is measured with."""

    recipe: str
    settings: tuple[str, ...]
    steps: int  # of a turn
    epochs: int  # of the input, so that its start does not count for much
    examples: str
    loaders: Callable  # (data_dir, batch_size) → a context that gives work


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [*CASES, "decoding"]
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write every measurement to this file, too")
    arguments = parser.parse_args()
    tf.config.experimental.enable_op_determinism()
    about = machine()
    for key, value in about.items():
        print(f"{key}: {value if isinstance(value, str) else f'{value / 1e9:.1f} GB/s'}")
    found = {}
    for name in arguments.only:
        print(flush=True)
        if name == "decoding":
            images = photographs(load_encoded(find("imagenet", arguments.data_dir), "train"))
            found[name] = decoding(images, arguments.rounds)
        else:
            found[name] = measure(CASES[name], arguments, about["copying"])
    if arguments.json:
        record = {"machine": about, "rounds": arguments.rounds, "cases": found}
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


def measure(case: Case, arguments: argparse.Namespace, copying: float) -> dict[str, Any]:
    """Measure one case; print a table and return the figures."""
    settings = [f"train.epochs={case.epochs}", *case.settings]
    recipe = bnkeras.recipe.load(case.recipe, settings)
    size = recipe.train.batch_size
    with tempfile.TemporaryDirectory() as folder:
        batches = open_batches(recipe, RunDirectory(Path(folder)), arguments.data_dir)
        loop = Loop(compiled_model(recipe, batches), tf.distribute.get_strategy())
    ready = list(batches.train(0).take(case.steps))
    moved = np.mean([moved_bytes(x) for x, _ in ready]) / size

    def step(batches: Iterator) -> Work:
        def work() -> int:
            for batch in islice(batches, case.steps):
                loop.train_step(batch)
            return case.steps * size

        return work

    began = time.perf_counter()
    fed = iter(batches.train(0).repeat())
    next(fed)
    start = time.perf_counter() - began
    with case.loaders(arguments.data_dir, size) as loaders:
        found = take_turns(
            {
                "input": exhaust(batches.train(0), case.epochs * batches.steps * size),
                **loaders,
                "step": step(cycle(ready)),
                "step fed": step(fed),
            },
            arguments.rounds,
        )
    print(f"{case.recipe}, batches of {size}")
    print(f"{'':24}{case.examples + '/s':>26}{'input is faster':>26}")
    for name, figures in found.items():
        faster = "" if name == "input" else spread(ratio(found, "input", name), ".2f")
        print(f"{name:24}{spread(figures['per_second'], ',.0f'):>26}{faster:>26}")
    print(f"{'floor: moving the bytes':24}{f'{copying / moved:,.0f}':>16}")
    kept = spread(ratio(found, "step fed", "step"), ".3f")
    print(f"a step that is fed has {kept} of the speed of one whose batches lie ready")
    print(f"the first batch is there after {start:.2f} s, once in a run")
    return {"candidates": found, "bytes_per_example": float(moved), "first_batch_s": start}


def moved_bytes(x: tf.Tensor) -> int:
    """Return the bytes of inputs that are written and, as pixels or ids, read."""
    written = x.shape.num_elements() * x.dtype.size
    return written + (written if x.dtype.is_integer else x.shape.num_elements())


@contextmanager
def image_loaders(data_dir: Path, size: int) -> Iterator[dict[str, Work]]:
    """Give Pillow and NumPy, a process a core, for CIFAR-10."""
    prepared = find("cifar10", data_dir)
    split, spec = load_split(prepared, "train"), prepared.spec
    tasks = shuffled(len(split), size, 120)
    memory = RawArray("f", slots() * size * int(np.prod(spec.image_shape)))
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "images.npy"))
        np.save(path, split.images)
        given = (path, split.labels, spec.mean, spec.std, memory)
        with (
            Loader(with_images, given, pillow_batch) as pillow,
            Loader(with_images, given, numpy_batch) as numpy,
        ):
            yield {
                "Pillow, one by one": consume(pillow, tasks),
                "NumPy, one by one": consume(numpy, tasks),
            }


@contextmanager
def text_loaders(data_dir: Path, size: int) -> Iterator[dict[str, Work]]:
    """Give plain Python, a process a core, for tweets, and what splits all texts into words."""
    split = load_texts(find("tweets", data_dir), "train[:90%]")
    words = build_vocabulary(split.texts, "papers", 2).words
    texts = [text.decode() for text in split.texts]
    given = (texts, split.labels, {word: number for number, word in enumerate(words, 2)})
    with Loader(with_texts, given, text_batch) as loader:
        yield {"Python, one by one": consume(loader, shuffled(len(split), size, 600))}


@contextmanager
def photograph_loaders(data_dir: Path, size: int) -> Iterator[dict[str, Work]]:
    """Give Pillow, a thread a core: it decodes and resizes outside Python's lock."""
    images = photographs(load_encoded(find("imagenet", data_dir), "train"), 8 * BATCH)
    yield {"Pillow, threads": lambda: pillow(images, 224)}


def shuffled(examples: int, size: int, most: int) -> list[np.ndarray]:
    """Return the indices of batches, at most so many."""
    order = np.random.default_rng(0).permutation(examples)
    return np.split(order[: examples // size * size], examples // size)[:most]


def consume(loader: Loader, tasks: list[np.ndarray]) -> Work:
    """Return work that takes batches from a loader."""

    def work() -> int:
        for _ in loader.batches(tasks):
            pass
        return sum(map(len, tasks))

    return work


CASES = {
    "cifar10": Case("resnet14_bnonly", (), 20, 2, "images", image_loaders),
    "tweets": Case("tweets_lstm_bnonly", (), 300, 1, "tweets", text_loaders),
    "photographs": Case(
        "resnet50_bnonly", ("train.batch_size=16",), 2, 5, "photographs", photograph_loaders
    ),
}


if __name__ == "__main__":
    main()
