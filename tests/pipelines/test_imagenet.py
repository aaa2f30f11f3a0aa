"""ImageNet from miniatures of its archives, from a subset in class folders, and in place."""

import io
import json
import shutil
import signal
import subprocess
import sys
import tarfile
import textwrap

import numpy as np
import pytest

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines import DATASETS, find, imagenet, load_encoded, prepare
from bnkeras.pipelines.registry import tfds_resource

from .photos import encoded, photo, pixels

CLASSES = DATASETS["imagenet"].class_names
IDS = ("n01440764", "n02102040", "n15075141")  # the 1st, the 218th, the last
VALIDATION = tfds_resource("datasets/imagenet2012/validation_labels.txt").read_text().split()


def records(prepared, split):
    """Return {file_name: (label, content)}."""
    read = load_encoded(prepared, split)
    found = [read[index] for index in range(len(read))]
    assert len({record.file_name for record in found}) == len(found)
    return {record.file_name: (record.label, record.image) for record in found}


def pack(path, members, **attributes):
    """Write a tar of {name: content}."""
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for key, value in attributes.items():
                setattr(member, key, value)
            tar.addfile(member, io.BytesIO(content))
    return path


def packed(members, **attributes):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for key, value in attributes.items():
                setattr(member, key, value)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


@pytest.fixture(scope="session")
def train_images():
    """One image of each class, two of some: {id: {name: content}}."""
    content = photo(12, 16, 0)
    images = {name: {f"{name}_1.JPEG": content} for name in CLASSES}
    for seed, name in enumerate(IDS):
        images[name][f"{name}_22.JPEG"] = photo(20, 14, seed)
    return images


@pytest.fixture
def official(tmp_path, train_images, monkeypatch):
    """Return a function that writes both archives; arguments replace what lies in them."""
    monkeypatch.setitem(imagenet.COUNTS, "train", 1003)
    monkeypatch.setitem(imagenet.COUNTS, "test", 5)

    def write(train=None, validation=None, inner=None):
        folder = tmp_path / "ilsvrc"
        folder.mkdir(exist_ok=True)
        tars = {f"{name}.tar": packed(images) for name, images in train_images.items()}
        pack(folder / imagenet.TARS["train"], {**tars, **(inner or {})} if train is None else train)
        images = {f"ILSVRC2012_val_{n:08d}.JPEG": photo(30, 20 + n, n) for n in (5, 1, 2, 4, 3)}
        pack(folder / imagenet.TARS["test"], images if validation is None else validation)
        return folder

    return write


@pytest.fixture
def subset(tmp_path):
    """Three classes in folders, of many sizes: the 10-class archive in small."""
    for folder, count in (("train", 4), ("val", 2)):
        for place, name in enumerate(IDS):
            target = tmp_path / "subset" / folder / name
            target.mkdir(parents=True)
            for number in range(count):
                seed = 10 * place + number + (folder == "val") * 100
                content = photo(60 + 3 * seed % 40, 50 + 7 * seed % 60, seed)
                (target / f"{name}_{seed}.JPEG").write_bytes(content)
    return tmp_path / "subset"


def test_official_archives(official, train_images, tmp_path):
    steps = []
    prepared = prepare("imagenet", official(), tmp_path / "data", lambda *step: steps.append(step))
    assert prepared.counts == {"train": 1003, "test": 5}
    assert (prepared.kind, prepared.notes, prepared.skipped) == ("official tars", (), ())
    assert prepared.spec == DATASETS["imagenet"]

    train = records(prepared, "train")
    assert set(train) == {f"{name}/{file}" for name in CLASSES for file in train_images[name]}
    for name, images in train_images.items():
        for file, content in images.items():
            assert train[f"{name}/{file}"] == (CLASSES.index(name), content)

    test = records(prepared, "test")
    for number in range(1, 6):
        name = VALIDATION[number - 1]
        label, content = test[f"{name}/ILSVRC2012_val_{number:08d}.JPEG"]
        assert label == CLASSES.index(name)
        assert content == photo(30, 20 + number, number)

    assert (1003, 1003, "sorting train records") in steps
    assert any(step[2].startswith("taking the fingerprint") for step in steps)
    assert (prepared.path / "record_offsets.npz").is_file()
    assert find("imagenet", tmp_path / "data") == prepared
    # Once more, from a copy elsewhere: the same content is the same dataset.
    moved = shutil.move(tmp_path / "ilsvrc", tmp_path / "elsewhere")
    assert prepare("imagenet", moved, tmp_path / "data") == prepared


def test_the_labels_of_tfds_are_the_challenge_s():
    assert len(CLASSES) == 1000
    assert list(CLASSES) == sorted(CLASSES)
    assert (CLASSES[0], CLASSES[217], CLASSES[999]) == ("n01440764", "n02102040", "n15075141")
    assert np.bincount([CLASSES.index(name) for name in VALIDATION]).tolist() == [50] * 1000


def test_archive_cut_at_a_class(official, train_images, tmp_path):
    kept = {f"{name}.tar": packed(train_images[name]) for name in CLASSES[:998]}
    with pytest.raises(DataError, match=r"998 of 1,000 classes, and not n13133613") as caught:
        prepare("imagenet", official(train=kept), tmp_path / "data")
    assert imagenet.TARS["train"] in str(caught.value)


def test_archive_cut_in_the_middle(official, tmp_path):
    folder = official()
    path = folder / imagenet.TARS["train"]
    path.write_bytes(path.read_bytes()[:-30_000])
    with pytest.raises(CorruptDataError, match=r"img_train\.tar is damaged or incomplete"):
        prepare("imagenet", folder, tmp_path / "data")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"inner": {"n01440764.tar": packed({"n01440764_1.JPEG": photo(8, 8, 0)})}},
            r"img_train\.tar holds 1,002 images; ImageNet has 1,003 training images",
        ),
        (
            {"validation": {"ILSVRC2012_val_00000001.JPEG": photo(8, 8, 0)}},
            r"img_val\.tar holds 1 images; ImageNet has 5 validation images",
        ),
        (
            {"validation": {"ILSVRC2012_val_00050001.JPEG": photo(8, 8, 0)}},
            r"holds ILSVRC2012_val_00050001\.JPEG; its files are .* to 00050000",
        ),
        (
            {"validation": {"n01440764/ILSVRC2012_val_1.JPEG": photo(8, 8, 0)}},
            r"holds n01440764/ILSVRC2012_val_1\.JPEG; its files are",
        ),
        (
            {"inner": {"n99999999.tar": packed({"n99999999_1.JPEG": photo(8, 8, 0)})}},
            r"holds n99999999\.tar, which is no class of ImageNet or there twice",
        ),
        ({"inner": {"n01440764.tar": b"no tar" * 500}}, r"n01440764\.tar: .*header"),
        (
            {"inner": {"n01440764.tar": packed({"../n01440764_1.JPEG": photo(8, 8, 0)})}},
            r"n01440764\.tar: the member '\.\./n01440764_1\.JPEG' leads out of the archive",
        ),
        (
            {"inner": {"n01440764.tar": packed({"a.JPEG": b""}, type=tarfile.SYMTYPE)}},
            r"n01440764\.tar: the member 'a\.JPEG' is a link or a device",
        ),
    ],
)
def test_wrong_content(official, tmp_path, change, message):
    with pytest.raises((DataError, CorruptDataError), match=message):
        prepare("imagenet", official(**change), tmp_path / "data")
    assert not list((tmp_path / "data").glob("imagenet/*/*"))


def test_image_twice_in_an_archive(official, tmp_path):
    folder = official()
    with tarfile.open(folder / imagenet.TARS["test"], "a") as tar:
        content = photo(8, 8, 0)
        member = tarfile.TarInfo("ILSVRC2012_val_00000003.JPEG")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    with pytest.raises(DataError, match=r"holds ILSVRC2012_val_00000003\.JPEG twice"):
        prepare("imagenet", folder, tmp_path / "data")


def test_one_archive_is_not_enough(official, tmp_path):
    folder = official()
    with pytest.raises(DataError, match=rf"two archives; give their folder: {folder}"):
        prepare("imagenet", folder / imagenet.TARS["train"], tmp_path / "data")
    (folder / imagenet.TARS["test"]).unlink()
    with pytest.raises(DataError, match=r"one of ImageNet's two archives; ILSVRC2012_img_val\.tar"):
        prepare("imagenet", folder, tmp_path / "data")
    (folder / imagenet.TARS["test"]).symlink_to("missing")
    with pytest.raises(DataError, match=r"_img_val\.tar is a link to missing, which does not"):
        prepare("imagenet", folder, tmp_path / "data")


def test_links_to_class_folders(subset, tmp_path):
    content = prepare("imagenet", subset, tmp_path / "data").sha256
    for folder in ("train", f"val/{IDS[0]}"):
        target = tmp_path / folder.replace("/", "_")
        (subset / folder).rename(target)
        (subset / folder).symlink_to(target)
    prepared = prepare("imagenet", subset, tmp_path / "again")
    assert prepared.counts == {"train": 12, "test": 6}
    assert prepared.sha256 == content


@pytest.mark.parametrize("form", ["folder", "tar"])
def test_subset(subset, tmp_path, form):
    source = subset
    if form == "tar":
        with tarfile.open(tmp_path / "subset.tar", "w") as tar:
            tar.add(subset, ".")
        source = tmp_path / "subset.tar"
    prepared = prepare("imagenet", source, tmp_path / "data")
    assert prepared.counts == {"train": 12, "test": 6}
    assert prepared.notes == (
        "a subset: 12 of 1,281,167 training images, 6 of 50,000 validation images, 3 of 1,000 "
        "classes",
    )
    for split, folder in (("train", "train"), ("test", "val")):
        found = records(prepared, split)
        assert {label for label, _ in found.values()} == {0, 217, 999}
        for path in (subset / folder).rglob("*.JPEG"):
            name = path.parent.name
            assert found[f"{name}/{path.name}"] == (CLASSES.index(name), path.read_bytes())


def test_unusual_encodings_are_kept_as_they_are(subset, tmp_path):
    unusual = {
        "png.JPEG": encoded(pixels(40, 50, 1), "PNG"),  # ImageNet has one such,
        "cmyk.JPEG": encoded(pixels(40, 50, 2), mode="CMYK"),  # and some twenty of these
        "grey.JPEG": encoded(pixels(40, 50, 3), mode="L"),
        "progressive.JPEG": encoded(pixels(40, 50, 4), progressive=True),
    }
    for name, content in unusual.items():
        (subset / "train" / IDS[0] / name).write_bytes(content)
    found = records(prepare("imagenet", subset, tmp_path / "data"), "train")
    for name, content in unusual.items():
        assert found[f"{IDS[0]}/{name}"][1] == content


def test_class_that_is_not_imagenet_s(subset, tmp_path):
    (subset / "val" / IDS[0]).rename(subset / "val" / "tench")
    with pytest.raises(DataError, match=r"val/tench is none of ImageNet's 1,000 ids") as caught:
        prepare("imagenet", subset, tmp_path / "data")
    assert f"bnkeras data prepare folder/NAME --source {subset}" in str(caught.value)


def test_missing_and_empty_folders(subset, tmp_path):
    (subset / "train" / "n01443537").mkdir()
    with pytest.raises(DataError, match=r"class folder train/n01443537 has no image in it"):
        prepare("imagenet", subset, tmp_path / "data")
    (subset / "train" / "n01443537").rmdir()
    shutil.rmtree(subset / "val")
    with pytest.raises(DataError, match=r"has no val/nXXXXXXXX/\*\.JPEG"):
        prepare("imagenet", subset, tmp_path / "data")
    shutil.rmtree(subset / "train")
    with pytest.raises(DataError, match=r"(?s)looks like ImageNet.*img_train\.tar.*TFDS prepared"):
        prepare("imagenet", subset, tmp_path / "data")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (photo(60, 60, 0)[:-200], "cannot be decoded; the file is damaged or incomplete"),
        (photo(60, 60, 0)[:3], "cannot be decoded"),
        (b"<html>404</html>", "is not an image: it begins like neither a JPEG nor a PNG file"),
        (b"", "is not an image"),
        (encoded(pixels(40, 50, 1), "PNG")[:-2000], "cannot be decoded"),
    ],
)
def test_corrupt_image(subset, tmp_path, content, message):
    bad = subset / "train" / IDS[1] / "bad.JPEG"
    bad.write_bytes(content)
    with pytest.raises(CorruptDataError, match=rf"train/n02102040/bad\.JPEG {message}.*--skip-"):
        prepare("imagenet", subset, tmp_path / "data")
    with pytest.raises(DataError, match="is not prepared"):
        find("imagenet", tmp_path / "data")

    prepared = prepare("imagenet", subset, tmp_path / "data", skip_corrupt=True)
    assert prepared.skipped == ("train/n02102040/bad.JPEG",)
    assert prepared.counts == {"train": 12, "test": 6}
    assert find("imagenet", tmp_path / "data").skipped == prepared.skipped
    assert f"{IDS[1]}/bad.JPEG" not in records(prepared, "train")


def test_official_counts_include_what_is_left_out(official, train_images, tmp_path):
    images = {**train_images["n01440764"], "n01440764_1.JPEG": photo(60, 60, 0)[:-200]}
    folder = official(inner={"n01440764.tar": packed(images)})
    with pytest.raises(CorruptDataError, match=r"n01440764\.tar: n01440764_1\.JPEG cannot be"):
        prepare("imagenet", folder, tmp_path / "data")
    prepared = prepare("imagenet", folder, tmp_path / "data", skip_corrupt=True)
    assert prepared.counts == {"train": 1002, "test": 5}
    assert prepared.skipped == ("train/n01440764/n01440764_1.JPEG",)


KILLED = """
    import os, signal, sys
    from bnkeras.pipelines import prepare

    def progress(done, total, what):
        if what == sys.argv[3]:
            os.kill(os.getpid(), signal.SIGKILL)

    prepare("imagenet", sys.argv[1], sys.argv[2], progress)
"""


def test_killed_while_writing(subset, tmp_path):
    data = tmp_path / "data"
    arguments = [sys.executable, "-c", textwrap.dedent(KILLED), subset, data]
    killed = subprocess.run([*arguments, "sorting test records"], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert list(data.glob("imagenet/*/incomplete.*"))
    with pytest.raises(DataError, match="is not prepared"):
        find("imagenet", data)
    prepared = prepare("imagenet", subset, data)
    assert prepared.counts == {"train": 12, "test": 6}
    assert not list(data.rglob("incomplete.*"))


def test_no_room(subset, tmp_path, monkeypatch):
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    with pytest.raises(DataError, match=r"The records take 0\.0 GB and .*/data has room for 0\.0"):
        prepare("imagenet", subset, tmp_path / "data")


def test_without_a_source(tmp_path):
    with pytest.raises(DataError, match=r"only to registered users") as caught:
        prepare("imagenet", data_dir=tmp_path)
    message = str(caught.value)
    assert f"\n  bnkeras data prepare imagenet --source PATH --data-dir {tmp_path}\n" in message
    assert all(kind in message for kind in imagenet.KINDS)
    with pytest.raises(DataError, match=r"data prepare imagenet --source PATH"):
        find("imagenet", tmp_path)


@pytest.fixture
def tfds_directory(tmp_path, monkeypatch):
    """TFDS' own form of the dataset, in small: its data directory."""
    import tensorflow_datasets as tfds

    monkeypatch.setitem(imagenet.COUNTS, "train", 30)
    monkeypatch.setitem(imagenet.COUNTS, "test", 7)

    class Records(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("5.1.0")
        name = "imagenet2012"

        def _info(self):
            features = {
                "image": tfds.features.Image(encoding_format="jpeg"),
                "label": tfds.features.ClassLabel(names=CLASSES),
                "file_name": tfds.features.Text(),
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):
            return {
                "train": self._generate_examples(0, 30),
                "validation": self._generate_examples(30, 37),
            }

        def _generate_examples(self, start, end):
            for number in range(start, end):
                yield (
                    number,
                    {
                        "image": io.BytesIO(photo(40, 30 + number, number)),
                        "label": CLASSES[27 * number],
                        "file_name": f"{number}.JPEG",
                    },
                )

    config = tfds.download.DownloadConfig(try_download_gcs=False, num_shards=2)
    Records(data_dir=tmp_path / "tfds").download_and_prepare(download_config=config)
    return tmp_path / "tfds"


def test_records_of_tfds_are_used_in_place(tfds_directory, tmp_path):
    path = tfds_directory / "imagenet2012" / "5.1.0"
    prepared = prepare("imagenet", path, tmp_path / "data")
    assert prepared.counts == {"train": 30, "test": 7}
    assert (prepared.kind, prepared.linked) == ("TFDS records, in place", path)
    for split, first, last in (("train", 0, 30), ("test", 30, 37)):
        assert records(prepared, split) == {
            f"{number}.JPEG": (27 * number, photo(40, 30 + number, number))
            for number in range(first, last)
        }
        assert all(shard.is_symlink() for shard in prepared.shards(split))
    assert len(load_encoded(prepared, "train[:50%]")) == 15
    # The data directory is the same source.
    assert prepare("imagenet", tfds_directory, tmp_path / "data") == prepared
    assert not list((tmp_path / "data").rglob("incomplete.*"))

    shard = prepared.shards("train")[0]
    shard.resolve().write_bytes(shard.read_bytes()[:-10])
    with pytest.raises(CorruptDataError, match=rf"{shard.name} is damaged") as caught:
        load_encoded(prepared, "train")
    assert f"links to {path}, which TFDS has to prepare again before" in str(caught.value)
    shutil.rmtree(path)
    with pytest.raises(CorruptDataError, match=r"tfrecord-.* is missing or"):
        find("imagenet", tmp_path / "data")


def test_incomplete_records_of_tfds(tfds_directory, tmp_path, monkeypatch):
    monkeypatch.setitem(imagenet.COUNTS, "test", 8)
    with pytest.raises(DataError, match=r"7 images in 'validation'; ImageNet has 8\. TFDS takes"):
        prepare("imagenet", tfds_directory, tmp_path / "data")
    monkeypatch.setitem(imagenet.COUNTS, "test", 7)
    path = tfds_directory / "imagenet2012" / "5.1.0" / "dataset_info.json"
    info = json.loads(path.read_text())
    info["splits"][0]["shardLengths"] = ["14", "16"]
    path.write_text(json.dumps(info))
    with pytest.raises(CorruptDataError, match=r"00000-of-00002 has \d\d records and should have"):
        prepare("imagenet", tfds_directory, tmp_path / "data")


def test_the_real_subset(shared_data, tmp_path):
    source = shared_data / "imagenette160-subset.tar"
    if not source.exists():
        pytest.skip(f"there is no {source}")
    prepared = prepare("imagenet", source, tmp_path)
    assert prepared.counts == {"train": 1000, "test": 300}
    assert prepared.fingerprint == "b223437f9f080189"
    labels = {record[0] for record in records(prepared, "test").values()}
    # The ten classes of Imagenette, by their numbers in ImageNet.
    assert labels == {0, 217, 482, 491, 497, 566, 569, 571, 574, 701}
