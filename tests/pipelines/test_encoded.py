"""Any image is read without the others; damage is an error that names the record."""

import os
import struct
from itertools import chain

import numpy as np
import pytest
import tensorflow as tf

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines import builder, load_encoded, prepare, record_index
from bnkeras.pipelines.encoded import decode_whole
from bnkeras.pipelines.record_index import load_offsets, record_offsets

from .photos import photo


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    root = tmp_path_factory.mktemp("source")
    for folder, count in (("train", 40), ("test", 6)):
        for number in range(count):
            path = root / folder / f"class{number % 4}" / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(photo(70, 70 + number, number))
    return root


@pytest.fixture
def prepared(source, tmp_path, monkeypatch):
    """Some shards in each split."""
    monkeypatch.setattr(builder, "_JPEG_SHARD_BYTES", 20_000)
    prepared = prepare("folder/some", source, tmp_path)
    assert len(prepared.shards("train")) > 2
    return prepared


def names(split):
    return [split[index].file_name for index in range(len(split))]


def test_the_order_is_that_of_the_records(prepared):
    found = []
    for path in prepared.shards("train"):
        for record in tf.data.TFRecordDataset(str(path)):
            features = tf.train.Example.FromString(record.numpy()).features.feature
            found.append(features["file_name"].bytes_list.value[0].decode())
    assert names(load_encoded(prepared, "train")) == found
    assert sorted(found) == sorted(f"class{n % 4}/{n}.jpg" for n in range(40))


@pytest.mark.parametrize("cuts", [("[:90%]", "[90%:]"), ("[:7]", "[7:31]", "[31:]")])
def test_slices_are_disjoint_and_complete(prepared, cuts):
    whole = names(load_encoded(prepared, "train"))
    parts = (names(load_encoded(prepared, f"train{cut}")) for cut in cuts)
    assert list(chain.from_iterable(parts)) == whole


def test_unknown_and_empty_splits(prepared):
    with pytest.raises(DataError, match=r"no split 'val' of folder/some\. Splits are t"):
        load_encoded(prepared, "val")
    with pytest.raises(DataError, match=r"'train\[40:\]' of folder/some is empty"):
        load_encoded(prepared, "train[40:]")


def test_examples_come_in_the_order_of_the_indices(prepared):
    split = load_encoded(prepared, "train")
    indices = np.random.default_rng(0).permutation(np.repeat(np.arange(40), 5))
    examples = split.examples(tf.data.Dataset.from_tensor_slices(indices))
    found = [example["file_name"].decode() for example in examples.as_numpy_iterator()]
    whole = names(split)
    assert found == [whole[index] for index in indices]


def test_index(prepared, monkeypatch):
    path = prepared.path / record_index.FILE
    written = path.read_bytes()
    for split, shards in load_offsets(prepared).items():
        for shard, offsets in zip(prepared.shards(split), shards, strict=True):
            content, expected = shard.read_bytes(), [0]
            while expected[-1] < len(content):
                (length,) = struct.unpack_from("<Q", content, expected[-1])
                expected.append(expected[-1] + length + 16)
            assert offsets.tolist() == expected

    # It is not made anew as long as it fits, and is made anew when it does not.
    monkeypatch.setattr(record_index, "find_offsets", None)
    assert len(load_encoded(prepared, "train")) == 40
    monkeypatch.undo()
    for damaged in (None, b"", written[:300], b"PK" + written[2:]):
        path.unlink()
        if damaged is not None:
            path.write_bytes(damaged)
        assert len(names(load_encoded(prepared, "train"))) == 40
        assert path.read_bytes() == written


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_directory_for_reading_only(prepared):
    (prepared.path / record_index.FILE).unlink()
    prepared.path.chmod(0o500)
    try:
        assert len(load_encoded(prepared, "train")) == 40
    finally:
        prepared.path.chmod(0o700)


def test_index_that_cannot_be_kept(prepared, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError

    (prepared.path / record_index.FILE).unlink()
    monkeypatch.setattr(np, "savez", refuse)
    assert len(load_encoded(prepared, "train")) == 40
    assert not list(prepared.path.glob("*.npz"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("truncate", r"is damaged \(record \d+, at byte \d.* is not complete\)"),
        ("cut between records", r"is damaged: it should hold \d+ records and holds \d+ "),
        ("append", r"is damaged"),
        ("length", r"is damaged \(record 2, at byte"),
        ("remove", r"is damaged"),
    ],
)
def test_damage_that_shows_at_once(prepared, damage, message):
    shard = prepared.shards("train")[1]
    whole, offsets = shard.read_bytes(), record_offsets(shard)
    match damage:
        case "truncate":
            shard.write_bytes(whole[:-9])
        case "cut between records":
            shard.write_bytes(whole[: offsets[-2]])
        case "append":
            shard.write_bytes(whole + b"xx")
        case "length":
            (prepared.path / record_index.FILE).unlink()
            start = offsets[2] + 6
            shard.write_bytes(whole[:start] + b"\x01" + whole[start + 1 :])
        case "remove":
            shard.unlink()
    with pytest.raises(CorruptDataError, match=message) as caught:
        load_encoded(prepared, "test" if damage == "remove" else "train")
    assert str(shard) in str(caught.value)
    assert f"rm -r {prepared.path}\n  bnkeras data prepare folder/some" in str(caught.value)


@pytest.mark.parametrize("damage", ["image", "label", "length", "jpeg", "end"])
def test_damage_that_shows_when_reading(prepared, damage):
    split = load_encoded(prepared, "train")
    shard = prepared.shards("train")[1]
    whole, offsets = shard.read_bytes(), record_offsets(shard)
    first = len(record_offsets(prepared.shards("train")[0])) - 1
    record = split[first + 2]
    place = whole.index(record.image)
    file_name = ""
    match damage:
        case "image":
            at = place + len(record.image) // 2
        case "label":
            at = offsets[3] - 20
        case "length":
            at = offsets[2] + 1
        case "jpeg":
            # A record as it should be, around an image that is none: TFDS checks nothing.
            at, file_name = None, rf" \({record.file_name}\)"
            example = tf.train.Example.FromString(whole[offsets[2] + 12 : offsets[3] - 4])
            image = example.features.feature["image"].bytes_list
            image.value[0] = image.value[0][:500] + bytes(len(image.value[0]) - 500)
            with tf.io.TFRecordWriter(str(shard) + ".one") as writer:
                writer.write(example.SerializeToString())
            one = shard.with_name(shard.name + ".one").read_bytes()
            shard.write_bytes(whole[: offsets[2]] + one + whole[offsets[3] :])
        case "end":
            at = None
            shard.write_bytes(whole[: offsets[2]])
    if at is not None:
        shard.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
    expected = rf"(?s)some are damaged.*\n  {shard}: record 2{file_name}\n.*Delete that folder"
    decoded = split.examples(tf.data.Dataset.range(40)).map(lambda x: decode_whole(x["image"]))
    with pytest.raises(CorruptDataError, match=expected), split.naming_corrupt_records():
        list(decoded)
    with split.naming_corrupt_records():
        assert split[first + 1].file_name  # those before it are whole
    if damage != "jpeg":
        with pytest.raises(CorruptDataError, match=r": record 2\n"):
            split[first + 2]


def test_several_damaged_records_are_all_named(prepared):
    split = load_encoded(prepared, "train")
    for path in prepared.shards("train"):
        content = bytearray(path.read_bytes())
        for start, end in zip(record_offsets(path), record_offsets(path)[1:], strict=False):
            content[(start + end) // 2] ^= 1
        path.write_bytes(bytes(content))
    with pytest.raises(CorruptDataError, match=r"record 0\n.*(?s:.*)and 30 more") as caught:
        split[5]
    assert str(caught.value).count(": record") == 10


def test_another_error_passes_through(prepared):
    split = load_encoded(prepared, "train")
    with pytest.raises(tf.errors.InvalidArgumentError), split.naming_corrupt_records():
        tf.linalg.inv(tf.zeros([2, 2]))


def test_images_are_not_written_into_the_graph(prepared):
    split = load_encoded(prepared, "train")
    pending, sizes = [split.examples(tf.data.Dataset.range(40))], []
    while pending:
        one = pending.pop()
        pending += one._inputs()
        sizes += [f.function.graph.as_graph_def().ByteSize() for f in one._functions()]
    assert sizes
    assert sum(sizes) < 20_000
