"""Every kind of source gives the same records; every fault is an error that names it."""

import tarfile

import numpy as np
import pytest

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines import load_split, prepare

from .conftest import content, pack_tree


def _assert_holds(prepared, truth):
    for name, made in truth.items():
        assert content(load_split(prepared, name)) == made.counter()


def test_folder(tree, spec, truth, tmp_path):
    (tree / ".DS_Store").write_bytes(b"x")
    (tree / "README.txt").write_text("about")
    prepared = prepare(spec, tree, tmp_path / "data")
    _assert_holds(prepared, truth)
    assert (prepared.kind, prepared.source) == ("image tree", "tree")
    assert prepared.path == tmp_path / "data" / "cifar10" / prepared.fingerprint / "1.0.0"


@pytest.mark.parametrize(
    ("name", "mode", "lead"),
    [
        ("a.tar", "w", "."),
        ("a.tar.gz", "w:gz", "cifar"),
        ("noname", "w:xz", "x"),
        ("a", "w:bz2", ""),
    ],
)
def test_tar_of_any_compression(tree, spec, truth, tmp_path, name, mode, lead):
    source = pack_tree(tree, tmp_path / name, mode, lead)
    _assert_holds(prepare(spec, source, tmp_path / "data"), truth)


def test_tree_below_a_leading_folder(tree, spec, truth, tmp_path):
    outer = tmp_path / "outer"
    outer.mkdir()
    tree.rename(outer / "cifar")
    _assert_holds(prepare(spec, outer, tmp_path / "data"), truth)


def test_python_archive(python_archive, spec, truth, tmp_path):
    prepared = prepare(spec, python_archive(), tmp_path / "data")
    _assert_holds(prepared, truth)
    assert prepared.kind == "python batches"


def test_binary_archive(binary_archive, spec, truth, tmp_path):
    renamed = binary_archive().rename(tmp_path / "anything.bin")
    prepared = prepare(spec, renamed, tmp_path / "data")
    _assert_holds(prepared, truth)
    assert prepared.kind == "binary batches"


def test_unpacked_archive(binary_archive, spec, truth, tmp_path):
    with tarfile.open(binary_archive()) as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    _assert_holds(prepare(spec, tmp_path / "unpacked", tmp_path / "data"), truth)


def test_jpeg_has_the_pixels_of_pillow(tree, spec, tmp_path):
    from PIL import Image

    expected = []
    for path in sorted((tree / "test").rglob("*.png")):
        Image.open(path).save(path.with_suffix(".jpeg"), quality=90)
        path.unlink()
        image = np.asarray(Image.open(path.with_suffix(".jpeg")))
        expected.append(image.tobytes())
    split = load_split(prepare(spec, tree, tmp_path / "data"), "test")
    assert sorted(image.tobytes() for image in split.images) == sorted(expected)


def test_records_are_in_one_order_wherever_the_source_lies(tree, spec, tmp_path):
    first = load_split(prepare(spec, tree, tmp_path / "one"), "train")
    moved = tree.rename(tmp_path / "elsewhere")
    second = load_split(prepare(spec, moved, tmp_path / "two"), "train")
    assert np.array_equal(first.images, second.images)
    assert np.array_equal(first.labels, second.labels)
    assert not np.array_equal(first.labels, np.sort(first.labels))


def test_fingerprint_of_a_folder_follows_its_content(tree, spec, tmp_path):
    first = prepare(spec, tree, tmp_path / "data")
    path = next((tree / "train" / "cat").iterdir())
    path.rename(path.with_name("renamed.png"))
    second = prepare(spec, tree, tmp_path / "data")
    assert first.fingerprint != second.fingerprint


def test_missing_source(spec, tmp_path):
    with pytest.raises(DataError, match=r"/nowhere does not exist"):
        prepare(spec, tmp_path / "nowhere", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_unrecognised_source(spec, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("hello")
    (tmp_path / "file.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"(?s)looks like a source.*cifar-10-python.*train/CLASS"):
        prepare(spec, tmp_path / "folder", tmp_path / "data")
    with pytest.raises(DataError, match=r"/file is neither a folder nor a tar\.$"):
        prepare(spec, tmp_path / "file", tmp_path / "data")
    with pytest.raises(DataError, match=r"Unpack the zip file"):
        prepare(spec, tmp_path / "file.zip", tmp_path / "data")


def test_too_few_images(tree, spec, tmp_path):
    next((tree / "test" / "ship").iterdir()).unlink()
    with pytest.raises(DataError, match=r"has 19 images in 'test'; cifar10 has 20"):
        prepare(spec, tree, tmp_path / "data")


def test_unbalanced_classes(tree, spec, tmp_path):
    path = next((tree / "test" / "ship").iterdir())
    path.rename(tree / "test" / "frog" / "another.png")
    with pytest.raises(DataError, match=r"3 images of class 'frog' in 'test'; cifar10 has 2"):
        prepare(spec, tree, tmp_path / "data")


def test_unknown_class(tree, spec, tmp_path):
    (tree / "train" / "airplane").rename(tree / "train" / "aeroplane")
    with pytest.raises(DataError, match=r"train/aeroplane is no class.*Did you mean 'airplane'"):
        prepare(spec, tree, tmp_path / "data")


def test_unknown_class_without_images(tree, spec, tmp_path):
    (tree / "train" / "horses").mkdir()
    with pytest.raises(DataError, match=r"train/horses is no class.*Did you mean 'horse'"):
        prepare(spec, tree, tmp_path / "data")
    with pytest.raises(DataError, match=r"train/horses is no class"):
        prepare(spec, pack_tree(tree, tmp_path / "a.tar", "w"), tmp_path / "data")


def test_class_folder_without_images(tree, spec, tmp_path):
    for path in (tree / "train" / "deer").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"train/deer is missing or has no image"):
        prepare(spec, tree, tmp_path / "data")


def test_other_file_among_the_images(tree, spec, tmp_path):
    (tree / "train" / "deer" / "notes.bmp").write_text("x")
    with pytest.raises(DataError, match=r"train/deer/notes\.bmp lies among the images"):
        prepare(spec, tree, tmp_path / "data")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_undecodable_image(tree, spec, tmp_path, suffix):
    from PIL import Image

    for path in tree.rglob("*.png"):
        Image.open(path).save(path.with_suffix(f".{suffix}"))
        if suffix != "png":
            path.unlink()
    bad = sorted((tree / "train" / "deer").iterdir())[0]
    bad.write_bytes(bad.read_bytes()[:500])
    with pytest.raises(CorruptDataError, match=rf"train/deer/{bad.name} cannot be decoded"):
        prepare(spec, tree, tmp_path / "data")


def test_text_with_the_name_of_an_image(tree, spec, tmp_path):
    bad = sorted((tree / "train" / "deer").iterdir())[0]
    bad.write_text("<html>not found</html>")
    with pytest.raises(DataError, match=rf"train/deer/{bad.name} is not an image"):
        prepare(spec, tree, tmp_path / "data")


def test_image_of_another_size(tree, spec, tmp_path):
    from PIL import Image

    bad = sorted((tree / "test" / "bird").iterdir())[0]
    Image.new("RGB", (28, 32)).save(bad)
    expected = rf"test/bird/{bad.name} has 28×32 pixels \(width×height\); 32×32 are expected"
    with pytest.raises(DataError, match=expected):
        prepare(spec, tree, tmp_path / "data")


def test_two_trees(tree, spec, packer, tmp_path):
    image = next(tree.rglob("*.png")).read_bytes()
    pack = packer("two.tar", "w")
    pack.add("a/train/cat/0.png", image)
    pack.add("b/train/cat/1.png", image)
    with pytest.raises(DataError, match=r"more than one tree: b/train/cat/1\.png"):
        prepare(spec, pack.close(), tmp_path / "data")


def test_member_twice(tree, spec, packer, tmp_path):
    image = next(tree.rglob("*.png")).read_bytes()
    pack = packer("twice.tar", "w")
    pack.add("train/cat/0.png", image)
    pack.add("train/cat/0.png", image)
    with pytest.raises(DataError, match=r"holds train/cat/0\.png twice"):
        prepare(spec, pack.close(), tmp_path / "data")
