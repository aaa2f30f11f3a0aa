"""Slices are disjoint and complete; damage is an error that names the file."""

import struct
from collections import Counter

import numpy as np
import pytest

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines import builder, load_split, prepare

from .conftest import content


@pytest.fixture
def prepared(tree, spec, tmp_path, monkeypatch):
    """Four shards in each split."""
    monkeypatch.setattr(builder, "_SHARD_BYTES", 20 * 32 * 32 * 3)
    return prepare(spec, tree, tmp_path / "data")


def test_shapes_and_types(prepared, spec):
    split = load_split(prepared, "train")
    assert split.images.shape == (60, 32, 32, 3)
    assert split.images.dtype == np.uint8
    assert split.labels.shape == (60,)
    assert split.labels.dtype == np.int32
    assert len(split) == 60
    assert split.class_names == spec.class_names


def test_a_split_is_its_shards_in_order(prepared, truth):
    assert len(prepared.shards("train")) == 4
    assert content(load_split(prepared, "train")) == truth["train"].counter()


@pytest.mark.parametrize(
    "cuts", [("[:90%]", "[90%:]"), ("[:7]", "[7:31]", "[31:]"), ("[:33%]", "[33%:50%]", "[50%:]")]
)
def test_slices_are_disjoint_and_complete(prepared, cuts):
    whole = load_split(prepared, "train")
    parts = [load_split(prepared, f"train{cut}") for cut in cuts]
    assert np.array_equal(np.concatenate([part.images for part in parts]), whole.images)
    assert np.array_equal(np.concatenate([part.labels for part in parts]), whole.labels)
    assert max(sum((content(part) for part in parts), Counter()).values()) == 1


def test_slices_are_the_same_every_time(prepared):
    first, second = (load_split(prepared, "train[90%:]") for _ in range(2))
    assert len(first) == 6
    assert np.array_equal(first.images, second.images)


@pytest.mark.parametrize("name", ["valid", "train[", "train[:x]", ""])
def test_unknown_split(prepared, name):
    with pytest.raises(DataError, match=r"no split .* of cifar10\. Splits are .*train") as caught:
        load_split(prepared, name)
    assert repr(name) in str(caught.value)


def test_empty_slice(prepared):
    with pytest.raises(DataError, match=r"'train\[60:\]' of cifar10 is empty; .*60 records in tr"):
        load_split(prepared, "train[60:]")


def _records(content):
    """Return the (start, end) of each record of a TFRecord file."""
    places, start = [], 0
    while start < len(content):
        (length,) = struct.unpack_from("<Q", content, start)
        places.append((start, start + length + 16))
        start = places[-1][1]
    return places


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("flip", "is damaged"),
        ("flip in the length", "is damaged"),
        ("truncate", "is damaged"),
        ("cut between records", r"has lost its end: 14 records are left of at least 15"),
        ("empty", r"has lost its end: 0 records are left of at least 15"),
        ("remove", "is damaged"),
    ],
)
def test_damaged_shard_is_named(prepared, damage, words):
    shard = prepared.shards("train")[2]
    whole = shard.read_bytes()
    places = _records(whole)
    assert len(places) == 15
    match damage:
        case "flip":
            at = places[7][0] + 1000
            shard.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        case "flip in the length":
            at = places[7][0]
            shard.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        case "truncate":
            shard.write_bytes(whole[:-100])
        case "cut between records":
            shard.write_bytes(whole[: places[-1][0]])
        case "empty":
            shard.write_bytes(b"")
        case "remove":
            shard.unlink()
    with pytest.raises(CorruptDataError, match=words) as caught:
        load_split(prepared, "train")
    message = str(caught.value)
    assert f"The shard {shard} " in message
    assert f"rm -r {prepared.path}\n" in message
    assert "bnkeras data prepare cifar10 --source /path/to/tree --data-dir" in message
    # The other split is whole.
    assert len(load_split(prepared, "test")) == 20
