"""Faults of archives: members that lead out, damage, batches that are not what they should be."""

import tarfile

import numpy as np
import pytest

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines import prepare

from .conftest import pack_tree


@pytest.mark.parametrize("name", ["../train/cat/0.png", "/train/cat/0.png", "a/../../b.png"])
def test_member_that_leads_out(spec, packer, tmp_path, name):
    pack = packer("evil.tar", "w")
    pack.add(name, b"x")
    with pytest.raises(DataError, match=r"leads out of the archive") as caught:
        prepare(spec, pack.close(), tmp_path / "data")
    assert repr(name) in str(caught.value)


def test_member_that_is_a_link(spec, packer, tmp_path):
    pack = packer("link.tar", "w")
    pack.add("train/cat/0.png", type=tarfile.SYMTYPE, linkname="/etc/passwd")
    with pytest.raises(DataError, match=r"'train/cat/0\.png' is a link or a device"):
        prepare(spec, pack.close(), tmp_path / "data")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
@pytest.mark.parametrize("kept", [0.05, 0.6, 0.98])
def test_truncated_tar(tree, spec, tmp_path, mode, kept):
    path = pack_tree(tree, tmp_path / "cut.tar", mode)
    whole = path.read_bytes()
    # The end of a plain tar is only padding.
    path.write_bytes(whole[: int(len(whole) * min(kept, 0.8 if mode == "w" else 1))])
    with pytest.raises((CorruptDataError, DataError), match=r"cut\.tar"):
        prepare(spec, path, tmp_path / "data")


@pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
def test_flipped_bit_in_a_compressed_tar(tree, spec, tmp_path, mode):
    path = pack_tree(tree, tmp_path / "flipped.tar", mode)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0x10
    path.write_bytes(damaged)
    with pytest.raises(CorruptDataError, match=r"flipped\.tar|cannot be decoded"):
        prepare(spec, path, tmp_path / "data")


def test_missing_batch(binary_archive, spec, tmp_path):
    with pytest.raises(DataError, match=r"is incomplete: there is no data_batch_3"):
        prepare(spec, binary_archive(drop="data_batch_3"), tmp_path / "data")


def test_batch_of_broken_length(binary_archive, spec, tmp_path):
    with pytest.raises(CorruptDataError, match=r"data_batch_1\.bin has .* bytes.*3,073"):
        prepare(spec, binary_archive(cut=5), tmp_path / "data")


def test_other_class_order(binary_archive, python_archive, spec, tmp_path):
    names = (spec.class_names[1], spec.class_names[0], *spec.class_names[2:])
    for write in (binary_archive, python_archive):
        with pytest.raises(DataError, match=r"are automobile, airplane, bird.*has airplane, auto"):
            prepare(spec, write(names=names), tmp_path / "data")


def test_label_out_of_range(python_archive, spec, tmp_path):
    def change(stem, batch):
        return batch | {b"labels": [10, *batch[b"labels"][1:]]}

    with pytest.raises(CorruptDataError, match=r"data_batch_1: a label is 10; there are 10"):
        prepare(spec, python_archive(change=change), tmp_path / "data")


def test_pixels_of_another_type(python_archive, spec, tmp_path):
    def change(stem, batch):
        return batch | {b"data": batch[b"data"].astype(np.float32)}

    with pytest.raises(CorruptDataError, match=r"pixels are float32 of shape \(12, 3072\)"):
        prepare(spec, python_archive(change=change), tmp_path / "data")


class _Evil:
    def __reduce__(self):
        return (eval, ("open('/tmp/never', 'w')",))


def test_pickle_that_runs_code_is_not_loaded(python_archive, spec, tmp_path):
    path = python_archive(change=lambda stem, batch: {**batch, b"extra": _Evil()})
    with pytest.raises(DataError, match=r"data_batch_1: the pickle asks for __builtin__\.eval"):
        prepare(spec, path, tmp_path / "data")


def test_pickle_that_is_cut(python_archive, spec, tmp_path, packer):
    pack = packer("cut.tar")
    pack.add("cifar-10-batches-py/data_batch_1", b"\x80\x02}q\x00(U\x04data")
    with pytest.raises(CorruptDataError, match=r"data_batch_1 cannot be unpickled"):
        prepare(spec, pack.close(), tmp_path / "data")
