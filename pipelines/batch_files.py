"""CIFAR-10's own two formats: Python pickles and binary records."""

import io
import pickle
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines.containers import Folder, Tar
from bnkeras.pipelines.raw import Progress, RawSplit
from bnkeras.pipelines.registry import DatasetSpec

_STEMS = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
PYTHON_FILES = frozenset(_STEMS)
BINARY_FILES = frozenset(f"{stem}.bin" for stem in _STEMS)
_CLASSES = {"batches.meta", "batches.meta.txt"}


def read_batch_files(
    container: Folder | Tar, spec: DatasetSpec, progress: Progress
) -> dict[str, RawSplit]:
    """Return the splits of `cifar-10-batches-py` or `cifar-10-batches-bin`.

    A binary record is one byte of label and 3,072 of pixels: the red plane, then the
    green, then the blue, each row by row. The pickles hold the same pixels as a uint8
    array of shape [images, 3072]. Keys are `split/index` in the order of the batches.
    Format: https://www.cs.toronto.edu/~kriz/cifar.html

    Raises:
        DataError: a batch or the class names are missing, or the classes differ.
        CorruptDataError: a file does not hold what it should.
    """
    batches: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    classes: tuple[str, ...] | None = None
    for path, _, read in container.members():
        place = f"{container.path}: {path}"
        stem = path.name.removesuffix(".bin")
        if stem in batches:
            raise DataError(f"{container.path} holds the batch {stem} twice.")
        if path.name in PYTHON_FILES:
            batches[stem] = _from_pickle(read(), place, spec)
        elif path.name in BINARY_FILES:
            batches[stem] = _from_records(read(), place, spec)
        elif path.name in _CLASSES:
            classes = _class_names(path, read(), place)
        progress(len(batches), len(_STEMS), "reading batches")
    if missing := [stem for stem in _STEMS if stem not in batches]:
        raise DataError(f"{container.path} is incomplete: there is no {', '.join(missing)}.")
    if classes != spec.class_names:
        raise DataError(
            f"{container.path}: the class names in `batches.meta` are {_listed(classes)}; "
            f"{spec.name} has {_listed(spec.class_names)}, in this order."
        )
    splits = {"train": RawSplit(), "test": RawSplit()}
    for key, image, label in _in_order(batches, spec):
        splits[key.partition("/")[0]].add(key, image, label)
    return splits


def _in_order(batches: dict, spec: DatasetSpec) -> Iterator[tuple[str, np.ndarray, int]]:
    height, width, channels = spec.image_shape
    index = {"train": 0, "test": 0}
    for stem in _STEMS:
        split = "test" if stem == "test_batch" else "train"
        pixels, labels = batches[stem]
        images = pixels.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
        for image, label in zip(images, labels, strict=True):
            yield f"{split}/{index[split]:05d}", image, int(label)
            index[split] += 1


def _from_records(content: bytes, place: str, spec: DatasetSpec) -> tuple[np.ndarray, np.ndarray]:
    length = 1 + int(np.prod(spec.image_shape))
    if len(content) % length:
        raise CorruptDataError(
            f"{place} has {len(content):,} bytes, which is no multiple of a record's {length:,}."
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, length)
    return _checked(records[:, 1:], records[:, 0], place, spec)


def _from_pickle(content: bytes, place: str, spec: DatasetSpec) -> tuple[np.ndarray, np.ndarray]:
    batch = _unpickle(content, place)
    try:
        pixels, labels = batch[b"data"], np.asarray(batch[b"labels"], np.int64)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptDataError(f"{place} holds no `data` and `labels` of a batch.") from error
    return _checked(pixels, labels, place, spec)


def _checked(
    pixels: np.ndarray, labels: np.ndarray, place: str, spec: DatasetSpec
) -> tuple[np.ndarray, np.ndarray]:
    expected = (len(labels), int(np.prod(spec.image_shape)))
    shape, dtype = getattr(pixels, "shape", None), getattr(pixels, "dtype", None)
    if shape != expected or dtype != np.uint8:
        raise CorruptDataError(
            f"{place}: the pixels are {dtype} of shape {shape}; they should be uint8 of "
            f"shape {expected}."
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(spec.class_names):
        raise CorruptDataError(
            f"{place}: a label is {labels.max()}; there are {len(spec.class_names)} classes."
        )
    return pixels, labels


def _class_names(path: PurePosixPath, content: bytes, place: str) -> tuple[str, ...]:
    if path.suffix == ".txt":
        return tuple(content.decode("ascii", "replace").split())
    try:
        return tuple(name.decode("ascii") for name in _unpickle(content, place)[b"label_names"])
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise CorruptDataError(f"{place} holds no `label_names`.") from error


def _unpickle(content: bytes, place: str) -> object:
    try:
        # Written by Python 2: its strings are bytes.
        return _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
    except DataError as error:
        raise DataError(f"{place}: {error}") from error
    except Exception as error:  # a damaged pickle can raise anything
        raise CorruptDataError(f"{place} cannot be unpickled: {error}") from error


class _ArraysOnly(pickle.Unpickler):
    """Unpickles built-in values and NumPy arrays; an archive may come from anywhere."""

    def find_class(self, module: str, name: str) -> object:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            module = "numpy.multiarray"
        allowed = {
            ("numpy.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            # How Python 3 writes bytes in the protocol that Python 2 reads.
            ("_codecs", "encode"): lambda text, _encoding: text.encode("latin-1"),
        }
        if (module, name) not in allowed:
            raise DataError(
                f"the pickle asks for {module}.{name}, which CIFAR-10's files never do; "
                "it is not loaded."
            )
        return allowed[module, name]


def _listed(names: tuple[str, ...] | None) -> str:
    return ", ".join(names) if names else "missing"
