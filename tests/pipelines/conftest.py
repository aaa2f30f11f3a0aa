"""Small sources of every kind, written into a temporary folder."""

import io
import pickle
import tarfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from bnkeras.pipelines import DATASETS, DatasetSpec
from bnkeras.pipelines.reading import Split

TRAIN, TEST = 60, 20


@dataclass
class Images:
    """What a source was made from."""

    images: np.ndarray
    labels: np.ndarray

    def counter(self) -> Counter:
        return content(self)


def content(split: Split | Images) -> Counter:
    """Return how often each image occurs under each label."""
    pairs = zip(split.images, split.labels, strict=True)
    return Counter((image.tobytes(), int(label)) for image, label in pairs)


def make_images(count: int, seed: int) -> Images:
    images = np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)
    return Images(images, np.arange(count) % 10)


@pytest.fixture(scope="session")
def spec() -> DatasetSpec:
    """CIFAR-10, but with few images."""
    return replace(DATASETS["cifar10"], splits={"train": TRAIN, "test": TEST})


@pytest.fixture(scope="session")
def truth() -> dict[str, Images]:
    return {"train": make_images(TRAIN, 1), "test": make_images(TEST, 2)}


@pytest.fixture
def tree(tmp_path, truth, spec) -> Path:
    """A folder of PNG files."""
    from PIL import Image

    for split, made in truth.items():
        for index, (image, label) in enumerate(zip(made.images, made.labels, strict=True)):
            folder = tmp_path / "tree" / split / spec.class_names[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{index:04d}.png")
    return tmp_path / "tree"


def pack_tree(tree: Path, path: Path, mode: str, lead: str = ".") -> Path:
    with tarfile.open(path, mode) as tar:
        tar.add(tree, arcname=lead)
    return path


class Packer:
    """Writes a tar from names and contents."""

    def __init__(self, path: Path, mode: str = "w:gz"):
        self.path = path
        self.tar = tarfile.open(path, mode)  # noqa: SIM115 (closed by `close`)

    def add(self, name: str, content: bytes = b"", **attributes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        for key, value in attributes.items():
            setattr(member, key, value)
        self.tar.addfile(member, io.BytesIO(content))

    def close(self) -> Path:
        self.tar.close()
        return self.path


@pytest.fixture
def packer(tmp_path):
    return lambda name, mode="w:gz": Packer(tmp_path / name, mode)


def batches(truth: dict[str, Images]):
    """Yield (file stem, planar pixels [n, 3072], labels) as the original archives hold them."""
    for split, made in truth.items():
        planar = made.images.transpose(0, 3, 1, 2).reshape(len(made.labels), -1)
        pieces = 5 if split == "train" else 1
        rows = np.array_split(np.arange(len(planar)), pieces)
        for number, part in enumerate(rows, 1):
            stem = f"data_batch_{number}" if split == "train" else "test_batch"
            yield stem, planar[part], made.labels[part]


@pytest.fixture
def python_archive(packer, truth, spec):
    """Return a function that writes the archive of pickles; `change` edits the batches."""

    def write(names=spec.class_names, change=lambda stem, batch: batch) -> Path:
        pack = packer("cifar-10-python.tar.gz")
        for stem, pixels, labels in batches(truth):
            batch = {b"data": pixels, b"labels": [int(label) for label in labels]}
            pack.add(f"cifar-10-batches-py/{stem}", pickle.dumps(change(stem, batch), 2))
        meta = {b"label_names": [name.encode() for name in names]}
        pack.add("cifar-10-batches-py/batches.meta", pickle.dumps(meta, 2))
        return pack.close()

    return write


@pytest.fixture
def binary_archive(packer, truth, spec):
    """Return a function that writes the archive of binary records."""

    def write(names=spec.class_names, drop: str = "", cut: int = 0) -> Path:
        pack = packer("cifar-10-binary.tar.gz")
        pack.add("cifar-10-batches-bin/batches.meta.txt", ("\n".join(names) + "\n\n").encode())
        for stem, pixels, labels in batches(truth):
            records = np.concatenate([labels.astype(np.uint8)[:, None], pixels], axis=1).tobytes()
            if stem != drop:
                pack.add(f"cifar-10-batches-bin/{stem}.bin", records[: len(records) - cut])
        return pack.close()

    return write


@pytest.fixture
def split() -> Split:
    """Forty-three images in memory, each recognisable by its first pixel."""
    made = make_images(43, 3)
    made.images[:, 0, 0, 0] = np.arange(43)
    return Split(made.images, made.labels.astype(np.int32), DATASETS["cifar10"].class_names)
