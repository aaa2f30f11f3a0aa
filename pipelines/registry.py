"""The datasets that can be prepared: names, shapes, counts and normalisation constants."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bnkeras.errors import DataError, did_you_mean


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

    Attributes:
        name: what it is called on the command line and in recipes.
        title: one line for people.
        image_shape: (height, width, channels) of every image.
        class_names: the class of each label, in label order.
        splits: how many images each split has; other counts are refused.
        mean: per channel, in units of [0, 1].
        std: per channel, in units of [0, 1].
        balanced: whether every class has equally many images in each split.
        auto: whether it is prepared on first use, from an installed package.
        download: the file to fetch when no source is given.
        description: where it comes from and what is particular to it.
    """

    name: str
    title: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    splits: Mapping[str, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    balanced: bool = False
    auto: bool = False
    download: Download | None = None
    description: str = field(default="", compare=False)


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
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
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

DATASETS: dict[str, DatasetSpec] = {spec.name: spec for spec in (CIFAR10, DIGITS)}


def get_spec(dataset: str | DatasetSpec) -> DatasetSpec:
    """Return the specification called `dataset`; a specification is returned as it is.

    Raises:
        DataError: no dataset has this name.

    >>> get_spec("cifar10").image_shape
    (32, 32, 3)
    """
    if isinstance(dataset, DatasetSpec):
        return dataset
    if dataset not in DATASETS:
        raise DataError(
            f"Unknown dataset {dataset!r}.{did_you_mean(dataset, DATASETS)} "
            f"Known: {', '.join(DATASETS)}."
        )
    return DATASETS[dataset]
