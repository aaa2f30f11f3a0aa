"""Tweets out of a prepared `sentiment140` of TensorFlow Datasets."""

from itertools import chain
from pathlib import Path

from bnkeras.errors import DataError
from bnkeras.pipelines.raw import Progress
from bnkeras.pipelines.tweet_rows import TweetRows

_FEATURES = {"text": "string", "polarity": "int64"}
_REMEDY = "Prepare the dataset again with TFDS."


def read_records(folder: Path, progress: Progress, skip_corrupt: bool) -> dict[str, TweetRows]:
    """Return the tweets of the splits `train` and `test`.

    Raises:
        DataError: the records are in another format, or there is no training split.
        CorruptDataError: a shard is damaged, or a record is corrupt.
    """
    import tensorflow_datasets as tfds

    from bnkeras.pipelines.shards import read_shard

    info = tfds.builder_from_directory(folder).info
    if info.file_format.value != "tfrecord":
        raise DataError(
            f"The records in {folder} are in the format {info.file_format.value}; only tfrecord "
            f"is read. {_REMEDY}"
        )
    if "train" not in info.splits:
        raise DataError(f"{folder} has no split 'train', but {', '.join(info.splits) or 'none'}.")
    splits = {split: TweetRows() for split in ("train", "test") if split in info.splits}
    for split, rows in splits.items():
        known = info.splits[split]
        for path, length in zip(known.filepaths, known.shard_lengths, strict=True):
            progress(len(rows.texts), None, f"reading tweets of {split!r}")
            shard = read_shard(Path(path), _FEATURES, take=length, remedy=_REMEDY)
            tweets = (zip(batch["text"], batch["polarity"], strict=True) for batch in shard)
            for record, (text, polarity) in enumerate(chain.from_iterable(tweets)):
                try:
                    rows.add(text, int(polarity))
                except ValueError as error:
                    place = f"{path}, record {record}"
                    rows.leave_out(place, error, text.decode("utf-8", "replace"), skip_corrupt)
    return splits
