"""The digits that scikit-learn carries with it."""

import hashlib

import numpy as np

from bnkeras.errors import MissingDependencyError
from bnkeras.pipelines.raw import RawSplit
from bnkeras.pipelines.sources import PixelSource

_EVERY = 5


def digits_source() -> PixelSource:
    """Return `sklearn.datasets.load_digits` in two splits, known by the SHA-256 of its arrays.

    An image is 8×8 values v from 0 to 16; a pixel is round(v · 255 / 16), halves to
    the even neighbour. The images are put in the order of their class, and within a
    class in the order of the package; the 1st, 6th, 11th, … are the test split (360),
    the others the training split (1,437). So each class is split four to one, and the
    split depends on nothing else. Keys are `digit/index in the package`.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingDependencyError(
            "The digits come with scikit-learn, which is not installed: "
            "pip install 'bnkeras[quickstart]'"
        ) from error
    package = load_digits()
    images = np.rint(package.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    labels = package.target.astype(np.int64)
    splits = {"train": RawSplit(), "test": RawSplit()}
    for position, index in enumerate(np.argsort(labels, kind="stable")):
        split = "train" if position % _EVERY else "test"
        splits[split].add(f"{labels[index]}/{index:04d}", images[index], int(labels[index]))
    digest = hashlib.sha256(images.tobytes() + labels.astype("<i8").tobytes())
    return PixelSource(
        "scikit-learn's load_digits", "package", digest.hexdigest(), lambda spec, progress: splits
    )
