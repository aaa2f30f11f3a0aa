"""The datasets that can be prepared: names, shapes, counts and normalisation constants."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from bnkeras.errors import DataError, did_you_mean

Kind = Literal["pixels", "jpegs", "texts"]

# ImageNet's statistics, from its training images; what the papers normalise photographs with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Download:
    """A file that TFDS can fetch: its address, length in bytes and SHA-256."""

    url: str
    bytes: int
    sha256: str

    @property
    def filename(self) -> str:
        """The last part of the address."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class DatasetSpec:
    """What is known of a dataset before any of it is read.

    Of a dataset of a family, such as `folder/flowers`, this is its name; class names,
    kind, shape and statistics are learned when it is prepared, and `find` returns them.

    Attributes:
        name: what it is called on the command line and in recipes.
        title: one line for people.
        class_names: the class of each label, in label order; empty when not known yet.
        splits: how many records each split has; other counts are refused, but for None.
        kind: `"pixels"` for images of one small size, stored raw; `"jpegs"` for images of
            any size, stored as the files they came in; `"texts"`; None when not known yet.
        image_shape: (height, width, channels) of every image, of kind `"pixels"`.
        mean: per channel, in units of [0, 1].
        std: per channel, in units of [0, 1].
        balanced: whether every class has equally many images in each split.
        auto: whether it is prepared on first use, from an installed package.
        download: the file to fetch when no source is given.
        description: where it comes from and what is particular to it.
    """

    name: str
    title: str
    class_names: tuple[str, ...]
    splits: Mapping[str, int | None]
    kind: Kind | None = "pixels"
    image_shape: tuple[int, int, int] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    balanced: bool = False
    auto: bool = False
    download: Download | None = None
    description: str = field(default="", compare=False)

    @property
    def family(self) -> str | None:
        """The family that the dataset belongs to: `folder` of `folder/flowers`."""
        family, slash, _ = self.name.partition("/")
        return family if slash else None


def _imagenet_classes() -> tuple[str, ...]:
    # TFDS carries them. Its place is looked up without importing it, which takes a second.
    return tuple(tfds_resource("datasets/imagenet2012/labels.txt").read_text("utf-8").split())


def tfds_resource(path: str) -> Path:
    """Return the place of a file that the package `tensorflow_datasets` carries."""
    return Path(find_spec("tensorflow_datasets").origin).parent / path


CIFAR10 = DatasetSpec(
    name="cifar10",
    title="CIFAR-10: 60,000 colour photographs of 32×32 pixels in ten classes",
    image_shape=(32, 32, 3),
    class_names=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    splits={"train": 50_000, "test": 10_000},
    # These are ImageNet's statistics, not CIFAR-10's own (0.491, 0.482, 0.447 and
    # 0.247, 0.243, 0.262), and they are right here: the authors' code normalises
    # CIFAR-10 with them (facebookresearch/open_lth, datasets/cifar10.py).
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    balanced=True,
    download=Download(
        url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        bytes=170_052_171,
        sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ),
    description="Krizhevsky, Learning multiple layers of features from tiny images, 2009.",
)

DIGITS = DatasetSpec(
    name="digits",
    title="Digits: scikit-learn's 1,797 handwritten digits of 8×8 grey pixels",
    image_shape=(8, 8, 1),
    class_names=tuple(str(digit) for digit in range(10)),
    splits={"train": 1_437, "test": 360},
    # Of the training images; a test computes them again.
    mean=(0.30580,),
    std=(0.37605,),
    auto=True,
    description="The test set of UCI's optical recognition of handwritten digits (Alpaydin, "
    "Kaynak, 1998), which scikit-learn carries with it.",
)

IMAGENET = DatasetSpec(
    name="imagenet",
    title="ImageNet: 1,281,167 training and 50,000 validation photographs in 1,000 classes",
    class_names=_imagenet_classes(),
    splits={"train": None, "test": None},
    kind="jpegs",
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    description="ILSVRC 2012 (Russakovsky et al. 2015), or a subset of it. The test split is the "
    "challenge's validation set; the labels of its test set were never published.",
)

TWEETS = DatasetSpec(
    name="tweets",
    title="Tweets: negative and positive ones, in the format of Sentiment140",
    class_names=("negative", "positive"),
    splits={"train": None, "test": None},
    kind="texts",
    description="Go, Bhayani, Huang, Twitter sentiment classification using distant "
    "supervision, 2009.",
)

DATASETS: dict[str, DatasetSpec] = {spec.name: spec for spec in (CIFAR10, DIGITS, IMAGENET, TWEETS)}

# Datasets that are named `FAMILY/NAME`, and what they are.
FAMILIES = {
    "folder": "images of your own, in class folders",
    "tfds": "an image classification dataset of TensorFlow Datasets",
}


def get_spec(dataset: str | DatasetSpec) -> DatasetSpec:
    """Return the specification called `dataset`; a specification is returned as it is.

    Raises:
        DataError: no dataset has this name.

    >>> get_spec("cifar10").image_shape
    (32, 32, 3)
    >>> get_spec("folder/flowers").class_names
    ()
    """
    if isinstance(dataset, DatasetSpec):
        return dataset
    if dataset in DATASETS:
        return DATASETS[dataset]
    family, slash, name = dataset.partition("/")
    if not slash or family not in FAMILIES:
        hint = did_you_mean(dataset, [*DATASETS, *(f"{family}/{name}" for family in FAMILIES)])
        raise DataError(
            f"Unknown dataset {dataset!r}.{hint} Known: {', '.join(DATASETS)}, "
            f"{', '.join(f'{family}/NAME' for family in FAMILIES)}."
        )
    # It becomes the name of a folder and, through TFDS, of files.
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise DataError(
            f"The NAME of {family}/NAME is a lower-case letter and then lower-case letters, "
            f"digits and underscores; received {name!r}."
        )
    return DatasetSpec(
        name=dataset,
        title=f"{name}: {FAMILIES[family]}",
        class_names=(),
        splits={"train": None, "test": None},
        kind=None,
    )
