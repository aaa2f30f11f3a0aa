"""Image classification datasets of TFDS, offline: tiny ones, prepared into a temporary folder."""

import time

import numpy as np
import pytest
import tensorflow_datasets as tfds

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines import find, load_encoded, load_split, prepare, tfds_source
from bnkeras.pipelines.builder import quiet_tfds

from .photos import photo, pixels

CONFIG = tfds.download.DownloadConfig(try_download_gcs=False, num_shards=2)


def builder(features, examples, splits, dataset="flowers", version="2.1.0"):
    """Return a class of TFDS builders; `examples(number)` is the record of a number."""

    class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version(version)
        name = dataset

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(*span) for split, span in splits.items()}

        def _generate_examples(self, start, end):
            for number in range(start, end):
                yield number, examples(number)

    return Builder


def write(root, *arguments, **options):
    with quiet_tfds():
        made = builder(*arguments, **options)(data_dir=root)
        made.download_and_prepare(download_config=CONFIG)
    return root


LABEL = tfds.features.ClassLabel(names=["rose", "lily", "aster"])
GREY = {"image": tfds.features.Image(shape=(12, 10, 1)), "label": LABEL}
PHOTOS = {"picture": tfds.features.Image(), "note": tfds.features.Text(), "kind": LABEL}


def grey(number):
    return {"image": pixels(12, 10, number)[..., :1], "label": number % 3}


def picture(number):
    return {"picture": photo(80, 70 + number, number), "note": "", "kind": number % 3}


def numbers(split):
    """Return the number of each grey image, from its pixels."""
    known = {pixels(12, 10, number)[..., :1].tobytes(): number for number in range(60)}
    return [known[image.tobytes()] for image in split.images]


@pytest.mark.parametrize("given", ["", "flowers", "flowers/2.1.0"])
def test_small_images(tmp_path, given, capfd):
    write(tmp_path / "tfds", GREY, grey, {"train": (0, 30), "test": (30, 37)})
    capfd.readouterr()
    prepared = prepare("tfds/flowers", tmp_path / "tfds" / given, tmp_path / "data")
    spec = prepared.spec
    assert (spec.kind, spec.image_shape) == ("pixels", (12, 10, 1))
    assert spec.class_names == ("rose", "lily", "aster")
    assert prepared.counts == {"train": 30, "test": 7}
    assert (prepared.kind, prepared.notes) == ("TFDS records", ())
    train, test = (load_split(prepared, split) for split in ("train", "test"))
    assert sorted(numbers(train)) == list(range(30))
    assert sorted(numbers(test)) == list(range(30, 37))
    assert train.labels.tolist() == [number % 3 for number in numbers(train)]
    np.testing.assert_allclose(spec.mean, (train.images / 255).mean(), atol=1e-6)
    assert find("tfds/flowers", tmp_path / "data") == prepared
    assert capfd.readouterr().out == ""


def test_photographs_keep_their_bytes(tmp_path):
    write(tmp_path / "tfds", PHOTOS, picture, {"train": (0, 9), "validation": (9, 12)})
    prepared = prepare("tfds/flowers", tmp_path / "tfds", tmp_path / "data")
    assert prepared.spec.kind == "jpegs"
    assert prepared.notes == ("the test split is TFDS' validation split",)
    for split, span in (("train", range(9)), ("test", range(9, 12))):
        read = load_encoded(prepared, split)
        found = {(record.image, record.label) for record in map(read.__getitem__, range(len(read)))}
        assert found == {(picture(number)["picture"], number % 3) for number in span}


def test_all_three_splits(tmp_path):
    splits = {"train": (0, 8), "validation": (8, 11), "test": (11, 13)}
    write(tmp_path / "tfds", GREY, grey, splits)
    prepared = prepare("tfds/flowers", tmp_path / "tfds", tmp_path / "data")
    assert prepared.counts == {"train": 8, "test": 2, "validation": 3}


@pytest.mark.parametrize("unlabelled", [{}, {"test": (50, 55)}])
def test_held_out(tmp_path, unlabelled):
    def challenge(number):
        return grey(number) | ({"label": -1} if number >= 50 else {})

    write(tmp_path / "tfds", GREY, challenge, {"train": (0, 50), **unlabelled})
    prepared = prepare("tfds/flowers", tmp_path / "tfds", tmp_path / "data")
    assert prepared.counts == {"train": 40, "test": 10}
    assert "the last fifth of the training records is held out" in prepared.notes[0]
    train, test = (numbers(load_split(prepared, split)) for split in ("train", "test"))
    assert sorted(train + test) == list(range(50))


def test_unlabelled_training_images(tmp_path):
    write(
        tmp_path / "tfds",
        GREY,
        lambda number: grey(number) | {"label": -1 if number == 3 else 0},
        {"train": (0, 5), "test": (5, 7)},
    )
    with pytest.raises(DataError, match=r"record \d has the label -1; flowers has 3 classes"):
        prepare("tfds/flowers", tmp_path / "tfds", tmp_path / "data")


@pytest.mark.parametrize(
    ("features", "example"),
    [
        ({"image": tfds.features.Image(), "text": tfds.features.Text()}, {"text": "x"}),
        (
            {"a": LABEL, "b": LABEL, "image": tfds.features.Image()},
            {"a": 0, "b": 0},
        ),
        (
            {"image": tfds.features.Image(dtype=np.uint16, encoding_format="png"), "label": LABEL},
            {"image": np.zeros([4, 4, 3], np.uint16), "label": 0},
        ),
    ],
)
def test_another_kind_of_dataset(tmp_path, features, example):
    image = np.zeros([4, 4, 3], np.uint8)
    write(tmp_path / "tfds", features, lambda number: {"image": image} | example, {"train": (0, 2)})
    expected = rf"no image classification dataset: .* features are .*{next(iter(features))}"
    with pytest.raises(DataError, match=expected):
        prepare("tfds/flowers", tmp_path / "tfds", tmp_path / "data")


def test_no_training_split(tmp_path):
    write(tmp_path / "tfds", GREY, grey, {"test": (0, 2)})
    with pytest.raises(DataError, match=r"flowers has no split 'train', but test"):
        prepare("tfds/flowers", tmp_path / "tfds", tmp_path / "data")


def test_source_without_the_dataset(tmp_path):
    write(tmp_path / "tfds", GREY, grey, {"train": (0, 2), "test": (2, 4)})
    with pytest.raises(DataError, match=r"trees is not prepared in .*trees/VERSION/dataset_info"):
        prepare("tfds/trees", tmp_path / "tfds", tmp_path / "data")
    write(tmp_path / "tfds", GREY, grey, {"train": (0, 2), "test": (2, 4)}, version="3.0.0")
    with pytest.raises(DataError, match=r"holds flowers 2 times.*(?s:.*)2\.1\.0\n.*3\.0\.0"):
        prepare("tfds/flowers", tmp_path / "tfds", tmp_path / "data")


def test_damage(tmp_path):
    write(tmp_path / "tfds", GREY, grey, {"train": (0, 20), "test": (20, 22)})
    folder = tmp_path / "tfds" / "flowers" / "2.1.0"
    shard = sorted(folder.glob("*train*"))[1]
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-5])
    with pytest.raises(CorruptDataError, match=rf"{shard.name} is damaged \(record \d+, at byte"):
        prepare("tfds/flowers", tmp_path / "tfds", tmp_path / "data")
    shard.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(CorruptDataError, match=rf"{shard.name} is damaged"):
        prepare("tfds/flowers", tmp_path / "tfds", tmp_path / "data")
    shard.write_bytes(whole)
    (folder / "dataset_info.json").write_text("{}")
    with pytest.raises(CorruptDataError, match=r"dataset_info\.json is damaged"):
        prepare("tfds/flowers", tmp_path / "tfds", tmp_path / "data")


def test_corrupt_images_of_tfds(tmp_path):
    def bad(number):
        return picture(number) | ({"picture": b"\xff\xd8\xff"} if number == 4 else {})

    write(tmp_path / "tfds", PHOTOS, bad, {"train": (0, 9), "test": (9, 12)})
    with pytest.raises(CorruptDataError, match=r"flowers-train\..*: record \d cannot be decoded"):
        prepare("tfds/flowers", tmp_path / "tfds", tmp_path / "data")
    prepared = prepare("tfds/flowers", tmp_path / "tfds", tmp_path / "data", skip_corrupt=True)
    assert prepared.counts == {"train": 8, "test": 3}
    assert len(prepared.skipped) == 1
    assert prepared.skipped[0].startswith("train/lily/")


def test_unknown_name(tmp_path):
    with pytest.raises(DataError, match=r"knows no dataset 'mnits'\. Did you mean 'tfds/mnist'\?"):
        prepare("tfds/mnits", data_dir=tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_not_prepared(tmp_path):
    expected = r"data prepare tfds/mnist --source PATH .*\n\(without --source it is downloaded\)"
    with pytest.raises(DataError, match=expected):
        find("tfds/mnist", tmp_path)


def test_no_network(tmp_path, monkeypatch, capfd):
    # Nothing listens there.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    start = time.perf_counter()
    with pytest.raises(DataError, match=r"mnist cannot be downloaded: .*does not answer") as caught:
        prepare("tfds/mnist", data_dir=tmp_path / "data")
    assert time.perf_counter() - start < 20
    assert "bnkeras data prepare tfds/mnist --source" in str(caught.value)
    # Again, with what TFDS may have left behind, of which it would warn.
    with pytest.raises(DataError, match="does not answer"):
        prepare("tfds/mnist", data_dir=tmp_path / "data")
    assert capfd.readouterr() == ("", "")


def test_download(tmp_path, monkeypatch, capfd):
    made = builder(GREY, grey, {"train": (0, 6), "test": (6, 8)})
    monkeypatch.setattr(tfds, "list_builders", lambda **_: ["flowers"])
    monkeypatch.setattr(tfds, "builder", lambda name, data_dir, try_gcs: made(data_dir=data_dir))
    prepared = prepare("tfds/flowers", data_dir=tmp_path / "data")
    assert prepared.counts == {"train": 6, "test": 2}
    assert prepared.source == "TensorFlow Datasets"
    command = f"bnkeras data prepare tfds/flowers --data-dir {tmp_path / 'data'}"
    assert prepared.remedy.endswith(f"rm -r {prepared.path}\n  {command}")
    # What TFDS had written is not needed twice.
    assert not (tmp_path / "data" / "tfds" / "flowers" / "downloads").exists()
    assert capfd.readouterr().out == ""


def test_download_that_fails(tmp_path, monkeypatch):
    def fail(number):
        raise ConnectionError("the host went away")

    made = builder(GREY, fail, {"train": (0, 6)})
    monkeypatch.setattr(tfds, "list_builders", lambda **_: ["flowers"])
    monkeypatch.setattr(tfds, "builder", lambda name, data_dir, try_gcs: made(data_dir=data_dir))
    monkeypatch.setattr(tfds_source, "_check_reachable", lambda builder: None)
    with pytest.raises(DataError, match=r"(?s)TFDS cannot prepare flowers: the host went.*--sourc"):
        prepare("tfds/flowers", data_dir=tmp_path / "data")
