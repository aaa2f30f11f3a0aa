"""ImageNet as TFDS has prepared it, used where it lies."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnkeras.errors import DataError
from bnkeras.pipelines.imagenet import COUNTS
from bnkeras.pipelines.prepared import FORMAT_VERSION, ID_LENGTH
from bnkeras.pipelines.raw import Progress
from bnkeras.pipelines.record_index import Offsets, keep_offsets
from bnkeras.pipelines.registry import DatasetSpec, get_spec
from bnkeras.pipelines.tfds_directory import TfdsImages, open_directory, records_sha256

# What our splits are called there.
_SPLITS = {"train": "train", "test": "validation"}


@dataclass(frozen=True)
class LinkedRecords:
    """Records of TFDS that are not copied.

    Attributes:
        images: the records.
        offsets: where each of them begins, by our names of the splits.
        sha256: of their lengths.
        kind: what it is.
    """

    images: TfdsImages
    offsets: Offsets
    sha256: str
    kind: str = "TFDS records, in place"

    def write(
        self,
        spec: DatasetSpec,
        description: Mapping[str, Any],
        data_dir: Path,
        progress: Progress,
        skip_corrupt: bool,
    ) -> None:
        """Write links to the records, and the description of a dataset of our own.

        The images are not looked at: that would take as long as preparing them.
        """
        home = data_dir / spec.name / self.sha256[:ID_LENGTH]
        folder = home / "incomplete.links"
        folder.mkdir(parents=True)
        for split, theirs in _SPLITS.items():
            shards = self.images.shards(theirs)
            for index, path in enumerate(shards):
                name = f"{spec.name}-{split}.tfrecord-{index:05d}-of-{len(shards):05d}"
                (folder / name).symlink_to(path.absolute())
        for name in ("features.json", "label.labels.txt"):
            shutil.copyfile(self.images.path / name, folder / name)
        info = json.loads((self.images.path / "dataset_info.json").read_text("utf-8"))
        known = {split["name"]: split for split in info["splits"]}
        template = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
        info["name"] = spec.name
        info["splits"] = [
            {**known[theirs], "name": split, "filepathTemplate": template}
            for split, theirs in _SPLITS.items()
        ]
        (folder / "dataset_info.json").write_text(json.dumps(info), "utf-8")
        metadata = {**description, "records": str(self.images.path)}
        (folder / "metadata.json").write_text(json.dumps(metadata), "utf-8")
        keep_offsets(folder, self.offsets)
        os.replace(folder, home / FORMAT_VERSION)


def recognise_linked(path: Path, progress: Progress) -> LinkedRecords:
    """Return the records in `path`, TFDS' directory of imagenet2012.

    Raises:
        DataError: they are not all of ImageNet.
        CorruptDataError: a file is damaged.
    """
    images = open_directory(path)
    if images.class_names != get_spec("imagenet").class_names:
        raise DataError(f"{path} has other classes than ImageNet.")
    known = images.builder.info.splits
    for split, theirs in _SPLITS.items():
        count = known[theirs].num_examples if theirs in known else 0
        if count != COUNTS[split]:
            # Then the validation labels are wrong: TFDS gives them to the files in order.
            raise DataError(
                f"{path} has {count:,} images in {theirs!r}; ImageNet has {COUNTS[split]:,}. TFDS "
                "takes incomplete archives without a word; prepare it again from whole ones."
            )
    offsets = images.offsets(_SPLITS.values(), progress)
    ours = {split: offsets[theirs] for split, theirs in _SPLITS.items()}
    return LinkedRecords(images, ours, records_sha256(images.builder.info.full_name, offsets))
