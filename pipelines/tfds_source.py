"""Image classification datasets of TFDS, by name."""

import shutil
import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bnkeras.errors import DataError, did_you_mean
from bnkeras.pipelines.builder import quiet_tfds
from bnkeras.pipelines.download import ask
from bnkeras.pipelines.raw import Progress
from bnkeras.pipelines.registry import DatasetSpec
from bnkeras.pipelines.tfds_directory import (
    TfdsImages,
    find_directory,
    open_directory,
    records_sha256,
)


@dataclass(frozen=True)
class TfdsSource:
    """A dataset that TFDS has prepared.

    Attributes:
        images: its records.
        splits: what is read for each split, such as `{"train": "train[:80%]", ...}`.
        notes: what there is to say of the splits.
        sha256: of the lengths of the records.
        downloads: what was downloaded for it alone, to be removed at the end.
        kind: what it is.
    """

    images: TfdsImages
    splits: dict[str, str]
    notes: list[str]
    sha256: str
    downloads: Path | None
    kind: str = "TFDS records"

    def write(
        self,
        spec: DatasetSpec,
        description: Mapping[str, Any],
        data_dir: Path,
        progress: Progress,
        skip_corrupt: bool,
    ) -> None:
        """Write the records of `spec`.

        Raises:
            DataError: a record has no label; else as `image_records.write_images`.
            CorruptDataError: a record is damaged.
        """
        from bnkeras.pipelines.image_records import write_images

        spec = replace(spec, class_names=self.images.class_names)
        splits = {split: self.images.images(part) for split, part in self.splits.items()}
        description = {**description, "notes": self.notes}
        write_images(spec, splits, description, data_dir, progress, skip_corrupt)
        if self.downloads:
            shutil.rmtree(self.downloads)


def recognise_tfds(
    spec: DatasetSpec, path: Path | None, downloads: Path, progress: Progress
) -> TfdsSource:
    """Return the dataset `tfds/NAME`, which TFDS prepares first where there is no source.

    Args:
        spec: the dataset.
        path: TFDS' data directory, or the dataset's in it; None downloads.
        downloads: where to.
        progress: called now and then.

    Raises:
        DataError: there is no such dataset, or it is no image classification dataset, or
            it cannot be downloaded.
        CorruptDataError: a file is damaged.
    """
    name = spec.name.partition("/")[2]
    if path is None:
        images = _downloaded(name, downloads, progress)
    elif directory := find_directory(path, name):
        images = open_directory(directory)
    else:
        raise DataError(
            f"{name} is not prepared in {path}. A source of {spec.name} is TFDS' data directory, "
            f"in which {name}/VERSION/dataset_info.json lies; without --source it is downloaded."
        )
    splits, notes = _splits(images)
    offsets = images.offsets(images.builder.info.splits, progress)
    sha256 = records_sha256(images.builder.info.full_name, offsets)
    return TfdsSource(images, splits, notes, sha256, None if path else downloads)


def check_known(spec: DatasetSpec) -> None:
    """Raise a DataError if TFDS knows no dataset `tfds/NAME`."""
    import tensorflow_datasets as tfds

    name = spec.name.partition("/")[2]
    known = tfds.list_builders(with_community_datasets=False)
    if name not in known:
        hint = did_you_mean(spec.name, [f"tfds/{one}" for one in known])
        raise DataError(f"TFDS knows no dataset {name!r}.{hint}")


def _splits(images: TfdsImages) -> tuple[dict[str, str], list[str]]:
    """Return what is read for each split, and what there is to say about it."""
    known = images.builder.info.splits
    if "train" not in known:
        raise DataError(f"{images.name} has no split 'train', but {', '.join(known) or 'none'}.")
    labelled = [
        split for split in ("test", "validation") if split in known and images.is_labelled(split)
    ]
    if labelled == ["test", "validation"]:
        return {"train": "train", "test": "test", "validation": "validation"}, []
    if labelled:
        note = [] if labelled == ["test"] else ["the test split is TFDS' validation split"]
        return {"train": "train", "test": labelled[0]}, note
    note = "there is no labelled test split: the last fifth of the training records is held out"
    return {"train": "train[:80%]", "test": "train[80%:]"}, [note]


def _downloaded(name: str, downloads: Path, progress: Progress) -> TfdsImages:
    import tensorflow_datasets as tfds

    with quiet_tfds():
        builder = tfds.builder(name, data_dir=downloads, try_gcs=False)
        # TFDS prints these two whatever one asks for.
        builder._log_download_bytes = builder._log_download_done = lambda: None
        images = TfdsImages(builder)
        if builder.is_prepared():
            return images
        _check_reachable(builder)
        progress(0, None, f"TFDS downloads and prepares {name}")
        try:
            builder.download_and_prepare(
                download_dir=downloads / "archives",
                # Or TFDS asks Google's storage for records of its own.
                download_config=tfds.download.DownloadConfig(try_download_gcs=False),
            )
        except Exception as error:  # of TFDS, requests, the dataset's own code, …
            raise DataError(f"TFDS cannot prepare {name}: {error}\n{_remedy(name)}") from error
    return images


def _check_reachable(builder: Any) -> None:
    # TFDS retries for 204 seconds before it gives up.
    for url in list(builder.url_infos or ())[:1]:
        try:
            ask(url)
        except urllib.error.HTTPError:
            pass  # not everybody answers such a question, and the host is there
        except OSError as error:
            raise DataError(
                f"{builder.name} cannot be downloaded: {url} does not answer "
                f"({getattr(error, 'reason', error)}).\n{_remedy(builder.name)}"
            ) from error


def _remedy(name: str) -> str:
    return (
        f"Where TFDS has prepared it already, give its data directory:\n"
        f"  bnkeras data prepare tfds/{name} --source ~/tensorflow_datasets"
    )
