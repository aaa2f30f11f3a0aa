"""Tweets, files of them, and the papers' rule in Python."""

import csv
import gzip
import io
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bnkeras.pipelines.text_reading import TextSplit
from bnkeras.pipelines.tweet_rows import read_rows

# (polarity, text)
TRAIN = [(4, "So good, so GOOD!"), (0, "so bad"), (4, "caf\xe9 ol\xe9"), (0, "bad, bad day")] * 6
TEST = [(4, "good day"), (0, "bad day"), (2, "a day"), (4, "nice")]


def rule(text: str) -> list[str]:
    """Torri's rule."""
    return re.sub("[.,!?'()=]", " ", text).lower().split()


def table(tweets: Iterable[tuple[int, str]], *, numbered=False, header=None, quoting=csv.QUOTE_ALL):
    """Return the bytes of a CSV file."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=quoting, lineterminator="\n")
    if header:
        writer.writerow(header)
    for index, (polarity, text) in enumerate(tweets):
        row = [polarity, 1000 + index, "Mon Apr 06", "NO_QUERY", "someone", text]
        writer.writerow([500 + index, *row] if numbered else row)
    return file.getvalue().encode("iso-8859-1")


def folder(path: Path, train: bytes | None = None, test: bytes | None = None) -> Path:
    """Write a folder of the two files and return it."""
    path.mkdir()
    (path / "train.csv").write_bytes(table(TRAIN) if train is None else train)
    (path / "test.csv").write_bytes(table(TEST) if test is None else test)
    return path


def real_tweets(shared_data: Path, *names: str) -> TextSplit:
    """Return the real tweets of some of the files `train` and `test`."""
    texts, labels = [], []
    for name in names:
        with gzip.open(shared_data / "tweets" / f"{name}.csv.gz") as file:
            rows = read_rows(file, name, lambda *_: None, skip_corrupt=False)
        texts += rows.texts
        labels += rows.labels
    return make_split(texts, labels)


def make_split(texts: list[bytes], labels: list[int]) -> TextSplit:
    return TextSplit(np.array(texts, object), np.array(labels, np.int32), ("negative", "positive"))
