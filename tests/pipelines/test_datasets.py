"""The registered datasets: digits in full, and the real CIFAR-10 where it lies at hand."""

import subprocess
import sys

import numpy as np
import pytest

from bnkeras.errors import DataError, MissingDependencyError
from bnkeras.pipelines import DATASETS, data_directory, find, load_split, prepare

from .conftest import content


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    pytest.importorskip("sklearn")
    return find("digits", tmp_path_factory.mktemp("data"))


def test_digits_are_prepared_on_first_use(digits):
    assert digits.counts == {"train": 1437, "test": 360}
    assert find("digits", digits.data_dir) == digits


def test_digits_are_those_of_the_package(digits):
    from sklearn.datasets import load_digits

    package = load_digits()
    expected = sorted(
        (np.rint(image * 255 / 16).astype(np.uint8).tobytes(), int(label))
        for image, label in zip(package.images, package.target, strict=True)
    )
    both = content(load_split(digits, "train")) + content(load_split(digits, "test"))
    assert sorted(both.elements()) == expected


def test_digits_do_not_leak_between_splits(digits):
    train, test = (load_split(digits, split) for split in ("train", "test"))
    seen = {image.tobytes() for image in train.images}
    assert not seen & {image.tobytes() for image in test.images}
    assert len(seen) == 1437


def test_digits_are_stratified(digits):
    train, test = (np.bincount(load_split(digits, split).labels) for split in ("train", "test"))
    assert (abs(4 * test - train) <= 4).all()


def test_digits_constants(digits):
    images = load_split(digits, "train").images / 255
    spec = DATASETS["digits"]
    np.testing.assert_allclose(spec.mean, images.mean(axis=(0, 1, 2)), atol=5e-6)
    np.testing.assert_allclose(spec.std, images.std(axis=(0, 1, 2)), atol=5e-6)


def test_digits_take_no_source(tmp_path):
    with pytest.raises(DataError, match="digits takes no source"):
        prepare("digits", tmp_path, tmp_path)


def test_digits_without_scikit_learn(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'bnkeras\[quickstart\]'"):
        find("digits", tmp_path)


def test_cifar10_is_canonical():
    spec = DATASETS["cifar10"]
    assert list(spec.class_names) == sorted(spec.class_names)
    assert len(spec.class_names) == 10
    assert (spec.class_names[0], spec.class_names[9]) == ("airplane", "truck")
    assert spec.mean == (0.485, 0.456, 0.406)
    assert spec.std == (0.229, 0.224, 0.225)


@pytest.mark.slow
def test_real_cifar10(shared_data, tmp_path):
    source = shared_data / "cifar10-jpeg.tar.xz"
    if not source.exists():
        pytest.skip(f"there is no {source}")
    prepared = prepare("cifar10", source, tmp_path)
    assert prepared.counts == {"train": 50_000, "test": 10_000}
    assert prepared.fingerprint == "270812ebdd57ebd6"
    train, test = (load_split(prepared, split) for split in ("train", "test"))
    assert np.bincount(train.labels).tolist() == [5000] * 10
    assert np.bincount(test.labels).tolist() == [1000] * 10
    seen = {image.tobytes() for image in train.images}
    assert len(seen) == 50_000
    assert not seen & {image.tobytes() for image in test.images}
    held_out = load_split(prepared, "train[90%:]")
    assert np.array_equal(held_out.images, train.images[45_000:])


def test_data_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("BNKERAS_DATA_DIR", str(tmp_path / "variable"))
    assert data_directory(tmp_path / "option") == tmp_path / "option"
    assert data_directory() == tmp_path / "variable"
    monkeypatch.chdir(tmp_path)
    assert data_directory("relative") == tmp_path / "relative"
    monkeypatch.setenv("BNKERAS_DATA_DIR", "")
    assert data_directory().parts[-2:] == ("bnkeras", "data")


def test_importing_and_listing_need_no_tensorflow(tmp_path):
    code = (
        "import sys; from bnkeras import pipelines\n"
        f"pipelines.list_prepared('cifar10', {str(tmp_path)!r})\n"
        "loaded = {'tensorflow', 'tensorflow_datasets', 'keras'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_attribute():
    from bnkeras import pipelines

    with pytest.raises(AttributeError, match="no attribute 'load'"):
        pipelines.load  # noqa: B018
