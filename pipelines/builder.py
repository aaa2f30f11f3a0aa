"""The TFDS builder: from images in memory to TFRecords and their description."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from absl import logging

from bnkeras.pipelines.prepared import FORMAT_VERSION, ID_LENGTH
from bnkeras.pipelines.raw import Progress, RawSplit
from bnkeras.pipelines.registry import DatasetSpec

# TFDS ignores its own setting for the size of a shard, and its default would put
# CIFAR-10 into two; one number of shards holds for every split.
_SHARD_BYTES = 20 << 20


def write_records(
    spec: DatasetSpec,
    splits: Mapping[str, RawSplit],
    description: Mapping[str, str],
    data_dir: Path,
    progress: Progress,
) -> None:
    """Write `splits` to `data_dir/NAME/FINGERPRINT/VERSION`, which appears when complete.

    A record is a `tf.train.Example` with `image`, the raw bytes of the uint8 array
    [height, width, channels], and `label`, one int64. TFDS orders the records by a hash
    of their keys.

    Args:
        spec: what is written.
        splits: the images.
        description: stored as `metadata.json`; `sha256` is the source's.
        data_dir: the data directory.
        progress: called after every thousand images.
    """
    home = data_dir / spec.name
    with _quiet():
        builder = _builder_class(spec.name)(
            content=(spec, splits, dict(description), progress),
            data_dir=str(data_dir),
            config=tfds.core.BuilderConfig(name=description["sha256"][:ID_LENGTH]),
        )
        builder.download_and_prepare(
            # TFDS makes this folder, though there is nothing to download. Where it is
            # swept when the process is killed.
            download_dir=home / builder.builder_config.name / "incomplete.downloads",
            download_config=tfds.download.DownloadConfig(
                # Or TFDS asks Google's storage whether it has a dataset of this name.
                try_download_gcs=False,
                num_shards=_shard_count(splits),
            ),
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep TFDS from drawing bars and from warning that the configuration is our own."""
    tfds.disable_progress_bar()
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _shard_count(splits: Mapping[str, RawSplit]) -> int:
    size = sum(image.nbytes for split in splits.values() for image in split.images)
    return max(1, size // _SHARD_BYTES)


def _builder_class(dataset: str) -> type:
    class Records(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        """Writes images that are already in memory."""

        VERSION = tfds.core.Version(FORMAT_VERSION)
        RELEASE_NOTES: Mapping[str, str] = {FORMAT_VERSION: "Raw uint8 images and labels."}
        name = dataset

        def __init__(self, *, content: tuple, **arguments: Any):
            self._spec, self._splits, self._description, self._progress = content
            super().__init__(**arguments)

        def _info(self) -> tfds.core.DatasetInfo:
            spec = self._spec
            return tfds.core.DatasetInfo(
                builder=self,
                description=f"{spec.title}. {spec.description}",
                features=tfds.features.FeaturesDict(
                    {
                        "image": tfds.features.Tensor(
                            shape=spec.image_shape,
                            dtype=np.uint8,
                            encoding=tfds.features.Encoding.BYTES,
                        ),
                        "label": tfds.features.ClassLabel(names=spec.class_names),
                    }
                ),
                supervised_keys=("image", "label"),
                metadata=tfds.core.MetadataDict(self._description),
                disable_shuffling=False,
            )

        # TFDS prints these two whatever one asks for.
        def _log_download_bytes(self) -> None: ...

        def _log_download_done(self) -> None: ...

        def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
            return {split: self._generate_examples(split) for split in self._splits}

        def _generate_examples(self, split: str) -> Iterator[tuple[str, dict]]:
            raw = self._splits[split]
            for index, (key, image, label) in enumerate(
                zip(raw.keys, raw.images, raw.labels, strict=True)
            ):
                if index % 1000 == 0:
                    self._progress(index, len(raw.keys), f"writing {split} records")
                yield key, {"image": image, "label": label}

    return Records
