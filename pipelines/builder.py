"""The TFDS builder: from examples, one after another, to TFRecords and their description."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging

from bnkeras.pipelines.prepared import FORMAT_VERSION, ID_LENGTH
from bnkeras.pipelines.raw import EncodedImage, Progress, RawSplit
from bnkeras.pipelines.registry import DatasetSpec

# TFDS ignores its own setting for the size of a shard, and its default would put
# CIFAR-10 into two; one number of shards holds for every split.
_SHARD_BYTES = 20 << 20
# Of photographs there are more, and a shard is read from any place, not as a whole.
_JPEG_SHARD_BYTES = 128 << 20

# (key, feature values): TFDS orders the records by a hash of their keys.
Example = tuple[str, dict[str, Any]]


def write_records(
    spec: DatasetSpec,
    features: Mapping[str, Any],
    splits: Mapping[str, Iterable[Example]],
    description: Mapping[str, Any],
    data_dir: Path,
    shards: int = 1,
) -> None:
    """Write `splits` to `data_dir/NAME/FINGERPRINT/VERSION`, which appears when complete.

    A record is a `tf.train.Example`. The examples of a split are asked for once, one
    after another, and none is kept in memory. An error that they raise ends the writing.

    Args:
        spec: what is written.
        features: TFDS' type of each feature; `label` is added.
        splits: the examples, with `label` and `features`.
        description: stored as `metadata.json` when all examples are written, so that a
            value may still change while they are; `sha256` is the source's.
        data_dir: the data directory, with the family's name where `spec` has one.
        shards: files of each split.

    Raises:
        OSError: the disk is full, or cannot be written for another reason.
    """
    name = spec.name.rpartition("/")[2]
    with quiet_tfds():
        builder = _builder_class(name)(
            content=(spec, features, splits, description),
            data_dir=str(data_dir),
            config=tfds.core.BuilderConfig(name=description["sha256"][:ID_LENGTH]),
        )
        try:
            builder.download_and_prepare(
                # TFDS makes this folder, though there is nothing to download. Where it is
                # swept when the process is killed.
                download_dir=data_dir / name / builder.builder_config.name / "incomplete.downloads",
                download_config=tfds.download.DownloadConfig(
                    # Or TFDS asks Google's storage whether it has a dataset of this name.
                    try_download_gcs=False,
                    num_shards=shards,
                ),
            )
        except tf.errors.OpError as error:  # its buckets are files of TensorFlow
            raise OSError(error.message) from error


def write_pixels(
    spec: DatasetSpec,
    splits: Mapping[str, RawSplit],
    description: Mapping[str, Any],
    data_dir: Path,
    progress: Progress,
) -> None:
    """Write images of one shape: `image` is the raw bytes of a uint8 [height, width, channels]."""
    image = tfds.features.Tensor(
        shape=spec.image_shape, dtype=np.uint8, encoding=tfds.features.Encoding.BYTES
    )
    size = sum(image.nbytes for split in splits.values() for image in split.images)
    write_records(
        spec,
        {"image": image},
        {name: _pixels(name, split, progress) for name, split in splits.items()},
        description,
        data_dir,
        _shards(size, _SHARD_BYTES, [len(split.keys) for split in splits.values()]),
    )


def write_jpegs(
    spec: DatasetSpec,
    splits: Mapping[str, Iterable[EncodedImage]],
    description: Mapping[str, Any],
    data_dir: Path,
    size: int,
    counts: Iterable[int],
) -> None:
    """Write image files: `image` is a file's bytes, `file_name` its class and name.

    The features are those of TFDS' own imagenet2012.

    Args:
        spec: what is written.
        splits: the files.
        description: see `write_records`.
        data_dir: see `write_records`.
        size: bytes of the largest split, about.
        counts: how many files each split has, about.
    """
    write_records(
        spec,
        {"image": tfds.features.Image(), "file_name": tfds.features.Text()},
        {name: _files(images) for name, images in splits.items()},
        description,
        data_dir,
        _shards(size, _JPEG_SHARD_BYTES, counts),
    )


def _shards(size: int, each: int, counts: Iterable[int]) -> int:
    # TFDS fails where a split has fewer records than shards. The half leaves room for
    # corrupt images that are left out.
    return max(1, min(size // each, min(counts) // 2))


def _pixels(name: str, split: RawSplit, progress: Progress) -> Iterator[Example]:
    for index, (key, image, label) in enumerate(
        zip(split.keys, split.images, split.labels, strict=True)
    ):
        if index % 1000 == 0:
            progress(index, len(split.keys), f"writing {name} records")
        yield key, {"image": image, "label": label}


def _files(images: Iterable[EncodedImage]) -> Iterator[Example]:
    for image in images:
        content = {"image": image.content, "file_name": image.key, "label": image.label}
        yield image.key, content


@contextmanager
def quiet_tfds() -> Iterator[None]:
    """Keep TFDS from drawing bars, and from warnings such as that a configuration is our own."""
    tfds.disable_progress_bar()
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _builder_class(dataset: str) -> type:
    class Records(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        """Writes the examples that it is given."""

        VERSION = tfds.core.Version(FORMAT_VERSION)
        RELEASE_NOTES: Mapping[str, str] = {FORMAT_VERSION: "Raw uint8 images and labels."}
        name = dataset

        def __init__(self, *, content: tuple, **arguments: Any):
            self._spec, self._features, self._splits, self._description = content
            super().__init__(**arguments)

        def _info(self) -> tfds.core.DatasetInfo:
            spec = self._spec
            label = tfds.features.ClassLabel(names=spec.class_names)
            return tfds.core.DatasetInfo(
                builder=self,
                description=f"{spec.title}. {spec.description}",
                features=tfds.features.FeaturesDict({**self._features, "label": label}),
                supervised_keys=(next(iter(self._features)), "label"),
                metadata=tfds.core.MetadataDict(self._description),
                disable_shuffling=False,
            )

        # TFDS prints these two whatever one asks for.
        def _log_download_bytes(self) -> None: ...

        def _log_download_done(self) -> None: ...

        def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Example]]:
            return {split: self._generate_examples(split) for split in self._splits}

        def _generate_examples(self, split: str) -> Iterator[Example]:
            yield from self._splits[split]

    return Records
