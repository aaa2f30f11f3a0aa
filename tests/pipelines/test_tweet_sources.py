"""Every kind of source gives the same tweets; what was done to them is said."""

import gzip
import hashlib
import json
import zipfile
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines import find, prepare
from bnkeras.pipelines.text_reading import load_texts
from bnkeras.pipelines.tweets import recognise

from .texts import TEST, TRAIN, folder, table

CLASSES = ("negative", "positive")
ORIGINAL = ("training.1600000.processed.noemoticon.csv", "testdata.manual.2009.06.14.csv")


def _content(tweets):
    return Counter((text.encode(), polarity // 4) for polarity, text in tweets if polarity != 2)


def _read(prepared, split):
    texts = load_texts(prepared, split)
    assert texts.class_names == CLASSES
    assert (texts.texts.dtype, texts.labels.dtype) == (object, np.int32)
    return Counter(zip(texts.texts, texts.labels.tolist(), strict=True))


def _assert_holds(prepared, kind):
    assert prepared.kind == kind
    assert _read(prepared, "train") == _content(TRAIN)
    assert _read(prepared, "test") == _content(TEST)
    assert prepared.notes == ("Neutral tweets (polarity 2) left out of 'test': 1",)
    assert prepared.skipped == ()


def _zip(path, files, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def _tfds(path, name="sentiment140", change=lambda tweet: tweet):
    """Write what TFDS' `sentiment140` writes."""
    text, number = tfds.features.Text(), np.int32
    columns = {"date": text, "polarity": number, "query": text, "text": text, "user": text}
    splits = {}
    for split, tweets in {"train": TRAIN, "test": TEST}.items():
        polarities, texts = zip(*map(change, tweets), strict=True)
        other = [""] * len(texts)
        splits[split] = tf.data.Dataset.from_tensor_slices(
            {
                "date": other,
                "polarity": np.array(polarities, np.int32),
                "query": other,
                "text": [text.encode() for text in texts],
                "user": other,
            }
        )
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=tfds.features.FeaturesDict(columns),
        split_datasets=splits,
        data_dir=str(path),
        disable_shuffling=True,
    )
    return path


def test_folder(tmp_path):
    prepared = prepare("tweets", folder(tmp_path / "mine"), tmp_path / "data")
    _assert_holds(prepared, "CSV files")
    assert prepared.source == "mine"
    assert prepared.counts == {"train": 24, "test": 3}
    assert find("tweets", tmp_path / "data") == prepared


def test_folder_of_gzip_files(tmp_path):
    source = folder(tmp_path / "mine")
    for path in list(source.iterdir()):
        (source / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    (source / "notes.csv").write_text("anything")
    _assert_holds(prepare("tweets", source, tmp_path / "data"), "CSV files")


@pytest.mark.parametrize("lead", ["", "data/"])
def test_original_zip(tmp_path, lead):
    files = {lead + ORIGINAL[0]: table(TRAIN), lead + ORIGINAL[1]: table(TEST)}
    files["__MACOSX/._" + ORIGINAL[0]] = b"x"
    source = _zip(tmp_path / "trainingandtestdata.zip", files)
    prepared = prepare("tweets", source, tmp_path / "data")
    _assert_holds(prepared, "zip")
    assert prepared.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()


def test_original_zip_unpacked(tmp_path):
    source = folder(tmp_path / "mine")
    for old, new in zip(("train.csv", "test.csv"), ORIGINAL, strict=True):
        (source / old).rename(source / new)
    _assert_holds(prepare("tweets", source, tmp_path / "data"), "CSV files")


@pytest.mark.parametrize("below", ["", "sentiment140", "sentiment140/1.0.0"])
def test_tfds_directory(tmp_path, below):
    source = _tfds(tmp_path / "tfds") / below
    _assert_holds(prepare("tweets", source, tmp_path / "data"), "TFDS records")


def test_one_file_is_split_by_the_text(tmp_path):
    tweets = [(4 * (index % 2), f"tweet {index // 2}") for index in range(400)]
    source = tmp_path / "all.csv"
    source.write_bytes(table(tweets))
    steps = []
    prepared = prepare("tweets", source, tmp_path / "data", lambda *step: steps.append(step[2]))
    train, test = _read(prepared, "train"), _read(prepared, "test")
    assert train + test == _content(tweets)
    assert not {text for text, _ in train} & {text for text, _ in test}
    for text, _ in test:
        assert int(hashlib.sha256(text).hexdigest()[:16], 16) % 5 == 0
    held_out = sum(test.values())
    assert 40 < held_out < 120
    assert prepared.notes == (
        f"There is no test file: {held_out} of 400 tweets, chosen by a hash of the text, are "
        f"held out as 'test'",
    )
    assert "holding out a fifth of the tweets as the test split" in steps
    again = tmp_path / "shuffled.csv"
    again.write_bytes(table(tweets[::-1], numbered=True))
    assert _read(prepare("tweets", again, tmp_path / "data"), "test") == test


def test_texts_in_both_splits_are_counted(tmp_path):
    test = table([*TEST, (0, "so bad"), (4, "so bad")])
    prepared = prepare("tweets", folder(tmp_path / "mine", test=test), tmp_path / "data")
    assert prepared.notes[-1] == (
        "Texts of 'test' that occur in 'train' too: 2 of 5; they were not removed"
    )
    assert _read(prepared, "test")[(b"so bad", 0)] == 1


def test_the_fingerprint_is_that_of_the_content(tmp_path):
    first, second = folder(tmp_path / "a"), folder(tmp_path / "b")
    (second / "more.txt").write_text("ignored")
    quiet = lambda *_: None  # noqa: E731
    assert recognise(first, quiet).sha256 == recognise(second, quiet).sha256
    (second / "test.csv").write_bytes(table(TEST[:-1]))
    assert recognise(first, quiet).sha256 != recognise(second, quiet).sha256


def test_corrupt_rows_are_refused_or_listed(tmp_path):
    source = folder(tmp_path / "mine", train=table(TRAIN) + b'"4","1","good"\n')
    with pytest.raises(CorruptDataError, match=r"mine/train\.csv, line 25: the row should have 6"):
        prepare("tweets", source, tmp_path / "data")
    assert not list((tmp_path / "data" / "tweets").glob("*/*"))
    prepared = prepare("tweets", source, tmp_path / "data", skip_corrupt=True)
    assert _read(prepared, "train") == _content(TRAIN)
    assert len(prepared.skipped) == 1
    assert "train.csv, line 25: the row should have 6 columns" in prepared.skipped[0]
    stored = json.loads((prepared.path / "metadata.json").read_text("utf-8"))
    assert stored["skipped"] == list(prepared.skipped)


def test_corrupt_records_of_tfds(tmp_path):
    change = lambda tweet: (7, tweet[1]) if tweet[1] == "nice" else tweet  # noqa: E731
    source = _tfds(tmp_path / "tfds", change=change)
    with pytest.raises(CorruptDataError, match=r"test.*, record 3: the row has the polarity 7"):
        prepare("tweets", source, tmp_path / "data")
    prepared = prepare("tweets", source, tmp_path / "data", skip_corrupt=True)
    assert prepared.counts == {"train": 24, "test": 2}
    assert "record 3" in prepared.skipped[0]


def test_a_truncated_shard_of_tfds(tmp_path):
    source = _tfds(tmp_path / "tfds")
    shard = next(source.rglob("*train*tfrecord*"))
    shard.write_bytes(shard.read_bytes()[:-10])
    with pytest.raises(CorruptDataError, match=rf"{shard.name} is damaged"):
        prepare("tweets", source, tmp_path / "data")


@pytest.mark.parametrize("name", ["train.csv.gz", "all.zip"])
def test_damaged_archives(tmp_path, name):
    tweets = [
        (4 * (index % 2), f"{hashlib.sha256(b'%d' % index).hexdigest()}") for index in range(999)
    ]
    source = tmp_path / name
    if name.endswith("zip"):
        _zip(source, {"train.csv": table(tweets)}, zipfile.ZIP_STORED)
        content = bytearray(source.read_bytes())
        content[len(content) // 2] ^= 1
        source.write_bytes(content)
    else:
        source.write_bytes(gzip.compress(table(tweets))[:-2000])
    expected = r"is damaged or incomplete: it can't be read after line \d+"
    with pytest.raises(CorruptDataError, match=expected):
        prepare("tweets", source, tmp_path / "data")


def test_a_cut_zip(tmp_path):
    source = _zip(tmp_path / "all.zip", {"train.csv": table(TRAIN)})
    source.write_bytes(source.read_bytes()[:-30])
    with pytest.raises(CorruptDataError, match=r"all\.zip is damaged or incomplete"):
        prepare("tweets", source, tmp_path / "data")


def test_an_encrypted_zip(tmp_path):
    source = _zip(tmp_path / "all.zip", {"train.csv": table(TRAIN)})
    content = bytearray(source.read_bytes())
    content[6] |= 1  # the flag, in front of the file and in the directory
    content[content.rindex(b"PK\1\2") + 8] |= 1
    source.write_bytes(content)
    with pytest.raises(DataError, match=r"all\.zip: train\.csv cannot be unpacked: .*encrypted"):
        prepare("tweets", source, tmp_path / "data")


def test_no_training_file(tmp_path):
    source = folder(tmp_path / "mine")
    (source / "train.csv").unlink()
    with pytest.raises(DataError, match=r"no file of training tweets in .*mine; it would be calle"):
        prepare("tweets", source, tmp_path / "data")
    with pytest.raises(DataError, match=r"no file of training tweets in .*all\.zip"):
        prepare("tweets", _zip(tmp_path / "all.zip", {"a.csv": b""}), tmp_path / "data")


@pytest.mark.parametrize("name", ["train.csv", "test.csv"])
def test_links_in_a_folder(tmp_path, name):
    source, quiet = folder(tmp_path / "mine"), lambda *_: None
    sha256 = recognise(source, quiet).sha256
    (source / name).rename(tmp_path / "elsewhere.csv")
    (source / name).symlink_to(tmp_path / "elsewhere.csv")
    assert recognise(source, quiet).sha256 == sha256
    (tmp_path / "elsewhere.csv").unlink()
    with pytest.raises(DataError, match=rf"{name} is a link to .*elsewhere\.csv, which does not"):
        recognise(source, quiet)


def test_two_training_files(tmp_path):
    source = folder(tmp_path / "mine")
    (source / "train.csv.gz").write_bytes(gzip.compress(table(TRAIN)))
    with pytest.raises(DataError, match=r"holds train\.csv and train\.csv\.gz; which of them"):
        prepare("tweets", source, tmp_path / "data")


def test_a_class_is_missing(tmp_path):
    source = folder(tmp_path / "mine", test=table([(0, "bad"), (2, "neither")]))
    with pytest.raises(DataError, match=r"mine has no positive tweet in 'test'"):
        prepare("tweets", source, tmp_path / "data")


def test_no_source(tmp_path):
    with pytest.raises(DataError, match=r"tweets cannot be downloaded(.|\n)*trainingandtestdata"):
        prepare("tweets", data_dir=tmp_path)


def test_slices_are_disjoint_and_complete(tmp_path):
    prepared = prepare("tweets", folder(tmp_path / "mine"), tmp_path / "data")
    first, rest = load_texts(prepared, "train[:75%]"), load_texts(prepared, "train[75%:]")
    assert (len(first), len(rest)) == (18, 6)
    assert _read(prepared, "train[:75%]") + _read(prepared, "train[75%:]") == _content(TRAIN)
    for bad in ("validation", "train[24:]"):
        with pytest.raises(DataError, match=r"split 'validation'|'train\[24:\]' of tweets is emp"):
            load_texts(prepared, bad)


def test_a_damaged_shard_is_named(tmp_path):
    prepared = prepare("tweets", folder(tmp_path / "mine"), tmp_path / "data")
    shard = prepared.shards("test")[0]
    content = bytearray(shard.read_bytes())
    content[30] ^= 1
    shard.write_bytes(content)
    with pytest.raises(CorruptDataError, match=rf"{shard.name} is damaged(.|\n)*prepare tweets"):
        load_texts(prepared, "test")


def test_the_real_tweets(shared_data, tmp_path):
    prepared = prepare("tweets", shared_data / "tweets", tmp_path / "data")
    train, test = load_texts(prepared, "train"), load_texts(prepared, "test")
    assert np.bincount(train.labels).tolist() == [49_907, 37_652]
    assert np.bincount(test.labels).tolist() == [12_500, 12_500]
    assert prepared.notes == prepared.skipped == ()
