"""Texts as TFRecords."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from bnkeras.pipelines.builder import Example, write_records
from bnkeras.pipelines.raw import Progress
from bnkeras.pipelines.registry import DatasetSpec
from bnkeras.pipelines.tweet_rows import TweetRows

_SHARD_BYTES = 64 << 20


def write_text_records(
    spec: DatasetSpec,
    splits: Mapping[str, TweetRows],
    description: Mapping[str, Any],
    data_dir: Path,
    progress: Progress,
) -> None:
    """Write texts: `text` is UTF-8, `label` one int64.

    What was left out, and what else is notable of the splits, is added to `description`
    as `skipped` and `notes`. A record's key is the number of its row.
    """
    size = max(sum(map(len, rows.texts)) for rows in splits.values())
    write_records(
        spec,
        {"text": tfds.features.Text()},
        {name: _examples(name, rows, progress) for name, rows in splits.items()},
        {
            **description,
            "notes": [note for rows in splits.values() for note in rows.notes],
            "skipped": [row for rows in splits.values() for row in rows.skipped],
        },
        data_dir,
        shards=max(1, size // _SHARD_BYTES),
    )


def _examples(name: str, rows: TweetRows, progress: Progress) -> Iterator[Example]:
    for index, (text, label) in enumerate(zip(rows.texts, rows.labels, strict=True)):
        if index % 10_000 == 0:
            progress(index, len(rows.texts), f"writing {name} records")
        yield f"{index:09d}", {"text": text, "label": label}
