"""Images of one's own: every layout, both kinds, and every fault."""

import shutil
import tarfile

import numpy as np
import pytest

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines import (
    builder,
    data_directory,
    find,
    get_spec,
    list_prepared,
    load_encoded,
    load_split,
    prepare,
)
from bnkeras.pipelines.class_folders import recognise
from bnkeras.pipelines.registry import IMAGENET_MEAN, IMAGENET_STD

from .photos import encoded, opened, photo, pixels

SPEC = "folder/flowers"


def write(root, layout, make):
    """Write {folder: count} images, `make(seed)` each; returns {class/name: bytes}."""
    written = {}
    for place, (folder, count) in enumerate(layout.items()):
        (root / folder).mkdir(parents=True)
        for number in range(count):
            name, content = f"{number}.jpg", make(100 * place + number)
            (root / folder / name).write_bytes(content)
            written[f"{folder.rpartition('/')[2]}/{name}"] = content
    return written


def large(seed):
    return photo(70 + seed % 7, 90 - seed % 5, seed)


def small(seed):
    return encoded(pixels(20, 24, seed), "PNG")


def grey(seed):
    return encoded(pixels(20, 24, seed), mode="L")


def contents(prepared, split):
    read = load_encoded(prepared, split)
    return {record.file_name: record.image for record in map(read.__getitem__, range(len(read)))}


def test_train_and_test_of_photographs(tmp_path):
    source = tmp_path / "source"
    train = write(source / "train", {"rose": 4, "lily": 3, "Aster": 2}, large)
    test = write(source / "test", {"rose": 1, "lily": 2}, large)
    prepared = prepare(SPEC, source, tmp_path / "data")
    spec = prepared.spec
    assert (spec.kind, spec.image_shape) == ("jpegs", None)
    assert spec.class_names == ("Aster", "lily", "rose")
    assert (spec.mean, spec.std) == (IMAGENET_MEAN, IMAGENET_STD)
    assert spec.splits == prepared.counts == {"train": 9, "test": 3}
    assert (prepared.kind, prepared.notes, prepared.skipped) == ("class folders", (), ())
    assert prepared.path.parts[-4:-2] == ("folder", "flowers")
    assert contents(prepared, "train") == train
    assert contents(prepared, "test") == test
    read = load_encoded(prepared, "train")
    for record in map(read.__getitem__, range(9)):
        assert spec.class_names[record.label] == record.file_name.partition("/")[0]
    assert read[-1] == read[8]
    with pytest.raises(IndexError, match="9 images; received 9"):
        read[9]
    assert find(SPEC, tmp_path / "data") == prepared
    assert get_spec(SPEC).class_names == ()
    with pytest.raises(DataError, match=r"one small size.*load_encoded"):
        load_split(prepared, "train")


@pytest.mark.parametrize(("make", "channels"), [(small, 3), (grey, 1)])
def test_small_images_of_one_size_become_pixels(tmp_path, make, channels):
    source = tmp_path / "source"
    train = write(source / "train", {"a": 5, "b": 6}, make)
    write(source / "val", {"a": 2, "b": 1}, make)
    prepared = prepare(SPEC, source, tmp_path / "data")
    spec = find(SPEC, tmp_path / "data").spec
    assert (spec.kind, spec.image_shape) == ("pixels", (20, 24, channels))
    assert prepared.counts == {"train": 11, "test": 3}
    split = load_split(prepared, "train")
    expected = sorted(opened(content)[..., :channels].tobytes() for content in train.values())
    assert sorted(image.tobytes() for image in split.images) == expected
    assert np.bincount(split.labels).tolist() == [5, 6]
    unit = split.images / 255
    np.testing.assert_allclose(spec.mean, unit.mean(axis=(0, 1, 2)), atol=1e-6)
    np.testing.assert_allclose(spec.std, unit.std(axis=(0, 1, 2)), atol=1e-6)
    with pytest.raises(DataError, match="does not hold image files; read it with `load_split`"):
        load_encoded(prepared, "train")


@pytest.mark.parametrize("size", [(64, 64, "pixels"), (65, 64, "jpegs"), (8, 65, "jpegs")])
def test_up_to_64_pixels_are_small(tmp_path, size):
    height, width, kind = size
    write(tmp_path / "source" / "train", {"a": 2}, lambda seed: photo(height, width, seed))
    write(tmp_path / "source" / "test", {"a": 2}, lambda seed: photo(height, width, seed))
    assert prepare(SPEC, tmp_path / "source", tmp_path / "data").spec.kind == kind


def test_one_image_of_another_size_decides(tmp_path):
    write(tmp_path / "source" / "train", {"a": 3}, small)
    write(tmp_path / "source" / "test", {"a": 2}, small)
    (tmp_path / "source" / "test" / "a" / "z.png").write_bytes(encoded(pixels(20, 25, 0), "PNG"))
    prepared = prepare(SPEC, tmp_path / "source", tmp_path / "data")
    assert prepared.spec.kind == "jpegs"
    assert contents(prepared, "train")["a/0.jpg"] == small(0)  # a PNG, as it was


@pytest.mark.parametrize("layout", ["plain", "below a folder", "train alone"])
@pytest.mark.parametrize("form", ["folder", "tar"])
def test_held_out(tmp_path, layout, form):
    lead = {"plain": "", "below a folder": "flower_photos", "train alone": "train"}[layout]
    source = tmp_path / "source"
    whole = write(source / lead, {"rose": 10, "lily": 13, "aster": 2, "tulip": 1}, large)
    if layout == "below a folder":
        (source / lead / "LICENSE.txt").write_text("as the flower photos of TensorFlow have it")
    (source / ".DS_Store").write_text("")
    if form == "tar":
        with tarfile.open(tmp_path / "flowers.tgz", "w:gz") as tar:
            tar.add(source, "")
        source = tmp_path / "flowers.tgz"
    prepared = prepare(SPEC, source, tmp_path / "data")
    assert prepared.counts == {"train": 20, "test": 6}
    assert prepared.notes == (
        "there is no test folder: 6 of 26 images, a fifth of each class, are held out as the "
        "test split",
    )
    train, test = contents(prepared, "train"), contents(prepared, "test")
    assert not set(train) & set(test)
    assert {**train, **test} == whole
    classes = [name.partition("/")[0] for name in test]
    assert {name: classes.count(name) for name in prepared.spec.class_names} == {
        "aster": 1,
        "lily": 3,
        "rose": 2,
        "tulip": 0,
    }
    # A function of the names alone.
    if layout == "plain" and form == "folder":
        shutil.move(tmp_path / "source", tmp_path / "moved")
        again = prepare(SPEC, tmp_path / "moved", tmp_path / "other")
        assert contents(again, "test") == test


@pytest.mark.parametrize("linked", ["train", "train/a", "test/a", "train/a/0.jpg"])
def test_links_are_followed(tmp_path, linked):
    source, elsewhere = tmp_path / "source", tmp_path / "elsewhere"
    train = write(source / "train", {"a": 3, "b": 2}, large)
    test = write(source / "test", {"a": 2}, large)
    sha256 = recognise(source, lambda *_: None).sha256
    (source / linked).rename(elsewhere)
    (source / linked).symlink_to(elsewhere)
    prepared = prepare(SPEC, source, tmp_path / "data")
    assert contents(prepared, "train") == train
    assert contents(prepared, "test") == test
    assert prepared.sha256 == sha256


@pytest.mark.parametrize("link", ["train/a/9.jpg", "train/b", "val"])
def test_links_that_lead_nowhere(tmp_path, link):
    source = tmp_path / "source"
    write(source / "train", {"a": 3}, large)
    write(source / "test", {"a": 2}, large)
    (source / link).symlink_to("missing")
    with pytest.raises(DataError, match=rf"{link} is a link to missing, which does not exist"):
        prepare(SPEC, source, tmp_path / "data", skip_corrupt=True)


@pytest.mark.parametrize(
    ("links", "message"),
    [
        ({"train/b": "."}, r"train/b is a link to .*/source/train, a folder that it lies in"),
        ({"train/b": "../.."}, r"train/b is a link to .*, a folder that it lies in itself"),
        ({"train/b": "b"}, r"train/b is a link to b, which cannot be read: Too many levels"),
        (
            {"train/a/x": "../../../other", "../other/y": "../source/train/a"},
            r"train/a/x/y is a link to .*/train/a, a folder that it lies in itself",
        ),
    ],
)
def test_links_in_a_circle(tmp_path, links, message):
    source = tmp_path / "source"
    write(source / "train", {"a": 3}, large)
    write(source / "test", {"a": 2}, large)
    (tmp_path / "other").mkdir()
    for link, target in links.items():
        (source / link).symlink_to(target)
    with pytest.raises(DataError, match=message):
        prepare(SPEC, source, tmp_path / "data")


def test_validation_beside_test_is_kept_for_the_user(tmp_path):
    for folder, count in (("train", 4), ("test", 3), ("val", 2)):
        write(tmp_path / "source" / folder, {"a": count}, large)
    prepared = prepare(SPEC, tmp_path / "source", tmp_path / "data")
    assert prepared.counts == {"train": 4, "validation": 2, "test": 3}
    assert list(prepared.spec.splits) == ["train", "test", "validation"]
    assert len(load_encoded(prepared, "validation")) == 2


def test_several_datasets_are_told_apart(tmp_path):
    for name, make in (("one", small), ("two", large)):
        write(tmp_path / name / "train", {"a": 2, "b": 2}, make)
        write(tmp_path / name / "test", {"a": 1}, make)
        prepare(f"folder/{name}", tmp_path / name, tmp_path / "data")
    found = list_prepared(data_dir=tmp_path / "data")
    assert [(one.spec.name, one.spec.kind) for one in found] == [
        ("folder/one", "pixels"),
        ("folder/two", "jpegs"),
    ]
    with pytest.raises(DataError, match=r"folder/three is not prepared") as caught:
        find("folder/three", tmp_path / "data")
    command = f"bnkeras data prepare folder/three --source PATH --data-dir {tmp_path / 'data'}\n"
    assert command in str(caught.value)

    (found[1].path / "label.labels.txt").unlink()
    with pytest.raises(CorruptDataError, match=r"label\.labels\.txt is missing"):
        find("folder/two", tmp_path / "data")
    (damaged,) = list_prepared("folder/two", tmp_path / "data")
    assert f"prepare folder/two --source PATH --data-dir {tmp_path / 'data'}" in damaged.message


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"train/a": 2, "train/b": 0, "test/a": 1}, r"class folder train/b has no image in it"),
        ({"train/a": 2, "test/a": 1, "test/b": 0}, r"class folder test/b has no image in it"),
        ({"a": 2, "b": 0}, r"class folder b has no image in it"),
        ({"train/a": 2, "test/c": 1}, r"class folder test/c has no counterpart in train, .* a\."),
        ({"test/a": 2}, r"has a folder test and no folder train"),
        ({"train": 2, "test": 1}, r"test/0\.jpg lies in no class folder, such as test/CLASS/0"),
        ({"a/b/c/d": 2}, r"(?s)a/b/c/d/0\.jpg does not lie in a class folder.*Accepted are"),
        ({"x/a": 2, "y/b": 2}, r"y/b/0\.jpg does not lie in a class folder"),
        ({"": 2}, r"0\.jpg does not lie in a class folder"),
        ({"a": 0}, r"(?s)no image in .*\.jpg, \.jpeg, \.png.*Accepted are"),
    ],
)
def test_layouts_that_are_refused(tmp_path, layout, message):
    source = tmp_path / "source"
    source.mkdir()
    for folder, count in layout.items():
        (source / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (source / folder / f"{number}.jpg").write_bytes(large(number))
    with pytest.raises(DataError, match=message) as caught:
        prepare(SPEC, source, tmp_path / "data")
    assert str(source) in str(caught.value)
    assert not list(data_directory(tmp_path / "data").glob("folder/flowers/*/*"))


@pytest.mark.parametrize("make", [small, large])
def test_corrupt_image(tmp_path, make, capfd):
    source = tmp_path / "source"
    write(source / "train", {"a": 3, "b": 3}, make)
    write(source / "test", {"a": 2}, make)
    (source / "train" / "a" / "0.jpg").write_bytes(make(0)[:-90])
    (source / "test" / "a" / "1.jpg").write_text("not an image")
    with pytest.raises(CorruptDataError, match=r"(train/a/0|test/a/1)\.jpg (cannot be|is not an)"):
        prepare(SPEC, source, tmp_path / "data")
    prepared = prepare(SPEC, source, tmp_path / "data", skip_corrupt=True)
    assert sorted(prepared.skipped) == ["test/a/1.jpg", "train/a/0.jpg"]
    assert prepared.counts == {"train": 5, "test": 1}
    assert prepared.spec.kind == ("pixels" if make is small else "jpegs")
    assert "Premature end" not in capfd.readouterr().err  # TensorFlow's words for a cut JPEG


@pytest.mark.parametrize("make", [small, large])
def test_class_of_which_nothing_is_left(tmp_path, make):
    source = tmp_path / "source"
    write(source / "train", {"a": 2, "b": 1}, make)
    write(source / "test", {"a": 1}, make)
    (source / "train" / "b" / "0.jpg").write_text("")
    with pytest.raises(DataError, match=r"folder/flowers has no sound training image of class 'b'"):
        prepare(SPEC, source, tmp_path / "data", skip_corrupt=True)
    with pytest.raises(DataError, match="is not prepared"):
        find(SPEC, tmp_path / "data")


@pytest.mark.parametrize("make", [small, large])
def test_split_of_which_nothing_is_left(tmp_path, make):
    write(tmp_path / "source" / "train", {"a": 2}, make)
    write(tmp_path / "source" / "test", {"a": 1}, lambda seed: b"")
    with pytest.raises(DataError, match=r"folder/flowers has no sound image in 'test'"):
        prepare(SPEC, tmp_path / "source", tmp_path / "data", skip_corrupt=True)


@pytest.mark.parametrize("make", [small, large])
def test_large_split_beside_a_small_one(tmp_path, make, monkeypatch):
    monkeypatch.setattr(builder, "_SHARD_BYTES", 5000)
    monkeypatch.setattr(builder, "_JPEG_SHARD_BYTES", 5000)
    write(tmp_path / "source" / "train", {"a": 30}, make)
    write(tmp_path / "source" / "test", {"a": 3}, make)
    (tmp_path / "source" / "test" / "a" / "0.jpg").write_bytes(b"")
    prepared = prepare(SPEC, tmp_path / "source", tmp_path / "data", skip_corrupt=True)
    assert prepared.counts == {"train": 30, "test": 2}


def test_constant_channel(tmp_path):
    black = encoded(np.zeros([10, 10, 3], np.uint8), "PNG")
    write(tmp_path / "source" / "train", {"a": 2}, lambda seed: black)
    write(tmp_path / "source" / "test", {"a": 1}, lambda seed: black)
    prepared = prepare(SPEC, tmp_path / "source", tmp_path / "data")
    assert (prepared.spec.mean, prepared.spec.std) == ((0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize("name", ["Flowers", "my-flowers", "1st", "", "a/b", "../x", "a b"])
def test_names(name, tmp_path):
    with pytest.raises(DataError, match=r"lower-case letters, digits and underscores; received"):
        prepare(f"folder/{name}", tmp_path, tmp_path / "data")


def test_without_a_source(tmp_path):
    with pytest.raises(DataError, match=r"(?s)images of your own.*folder/x --source PATH.*CLASS"):
        prepare("folder/x", data_dir=tmp_path / "data")
    assert not (tmp_path / "data").exists()
