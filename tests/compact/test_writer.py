"""Writing: what is refused, and what is left when it fails."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import bnkeras
from bnkeras.compact import replacing
from bnkeras.compact.graph import module
from bnkeras.compact.manifest import read_manifest, read_whole_manifest
from bnkeras.compact.manifest.network import Manifest
from bnkeras.errors import ExportError


@pytest.fixture(scope="module")
def model(small):
    return small(seed=9)


def _kept(path):
    """What a failed replacement must not change: all bytes beside and in the export."""
    return {file: file.read_bytes() for file in path.parent.rglob("*") if file.is_file()}


def test_it_returns_the_path_as_it_was_given(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert bnkeras.save_compact(model, "mine") == Path("mine")
    assert bnkeras.save_compact(model, tmp_path / "more" / ".." / "mine")
    bnkeras.load_compact("mine")


def test_parents_are_made(model, tmp_path):
    bnkeras.load_compact(bnkeras.save_compact(model, tmp_path / "a" / "b" / "export"))


def test_only_the_export_is_left(model, tmp_path):
    bnkeras.save_compact(model, tmp_path / "export")
    bnkeras.save_compact(model, tmp_path / "export")
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


def test_an_export_is_replaced(model, small, tmp_path):
    bnkeras.save_compact(model, tmp_path / "export")
    (tmp_path / "export" / "of_before").touch()
    bnkeras.save_compact(small(seed=10), tmp_path / "export")
    assert read_manifest(tmp_path / "export").seed == 10
    assert not (tmp_path / "export" / "of_before").exists()
    bnkeras.verify_compact(tmp_path / "export")


def test_an_empty_folder_is_replaced(model, tmp_path):
    (tmp_path / "export").mkdir()
    bnkeras.load_compact(bnkeras.save_compact(model, tmp_path / "export"))


def test_a_link_is_followed(model, small, tmp_path):
    bnkeras.save_compact(model, tmp_path / "version1")
    (tmp_path / "latest").symlink_to("version1")
    bnkeras.save_compact(small(seed=10), tmp_path / "latest")
    assert (tmp_path / "latest").is_symlink()
    assert read_manifest(tmp_path / "version1").seed == 10
    assert len(list(tmp_path.iterdir())) == 2


def test_something_else_is_not_replaced(model, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("1")
    (tmp_path / "file").write_text("2")
    before = _kept(tmp_path / "thesis")
    for name in ("thesis", "file", "thesis/.."):
        with pytest.raises(ExportError, match="is no compact export, so it is not replaced"):
            bnkeras.save_compact(model, tmp_path / name)
    assert _kept(tmp_path / "thesis") == before


@pytest.mark.parametrize(
    "where",
    [(module.CompactModule, "signatures"), (Manifest, "write"), (replacing, "_move_into_place")],
    ids=["tracing", "manifest", "renaming"],
)
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_previous_export(model, small, tmp_path, monkeypatch, where, error):
    path = bnkeras.save_compact(model, tmp_path / "export")
    before = _kept(path)

    def fail(*arguments, **keywords):
        raise error

    monkeypatch.setattr(*where, fail)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else ExportError
    with pytest.raises(expected):
        bnkeras.save_compact(small(seed=10), path)
    monkeypatch.undo()
    assert _kept(path) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["export"]
    assert read_manifest(path).seed == 9


def test_a_failing_rename_puts_the_previous_export_back(model, small, tmp_path, monkeypatch):
    path = bnkeras.save_compact(model, tmp_path / "export")
    before = _kept(path)
    rename = Path.rename

    def fail(self, target):
        if ".partial-" in self.name:
            raise PermissionError(13, "Permission denied", str(target))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(ExportError, match=r"cannot be written: .*Permission denied"):
        bnkeras.save_compact(small(seed=10), path)
    assert _kept(path) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["export"]


def test_what_a_killed_process_left_is_removed(model, tmp_path):
    # A process that has ended, so its number is no running one's.
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    names = [f".export.partial-{killed.pid}", f".export.partial-{os.getpid()}"]
    others = [f".export.partial-{os.getppid()}", ".other.partial-1", ".export.partial-x"]
    for name in [*names, *others]:
        (tmp_path / name / "variables").mkdir(parents=True)
    bnkeras.save_compact(model, tmp_path / "export")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "export"])


@pytest.mark.parametrize("gone", [True, False])
def test_an_export_that_a_killed_process_set_aside_returns(
    model, small, tmp_path, monkeypatch, gone
):
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    path = bnkeras.save_compact(model, tmp_path / "export")
    before = _kept(path)
    if gone:
        path.rename(tmp_path / f".export.previous-{killed.pid}")
    else:
        (tmp_path / f".export.previous-{killed.pid}").mkdir()

    def fail(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Manifest, "write", fail)
    with pytest.raises(ExportError, match="No space left"):
        bnkeras.save_compact(small(seed=10), path)
    assert _kept(path) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["export"]


def test_the_tasks_of_an_export_that_was_set_aside_stay(small, tmp_path):
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    path = bnkeras.save_compact({"one": small()}, tmp_path / "many")
    path.rename(tmp_path / f".many.previous-{killed.pid}")
    bnkeras.add_task(path, "two", small())
    assert read_whole_manifest(path).names == ["one", "two"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["many"]


@pytest.mark.parametrize("place", ["/proc/nowhere/export", "{file}/export", "{closed}/export"])
def test_a_place_that_cannot_be_written(model, tmp_path, place):
    (tmp_path / "file").touch()
    (tmp_path / "closed").mkdir(mode=0o500)
    if "closed" in place and os.access(tmp_path / "closed", os.W_OK):
        pytest.skip("this user may write everywhere")
    path = place.format(file=tmp_path / "file", closed=tmp_path / "closed")
    with pytest.raises(ExportError, match=f"The export {path} cannot be written: "):
        bnkeras.save_compact(model, path)


def test_variables_of_another_type(tmp_path):
    model = bnkeras.build("mlp", hidden=(4,), input_shape=(2, 2, 1), dtype="float64")
    with pytest.raises(ExportError, match=r"hidden1_dense/kernel: .* received float64"):
        bnkeras.save_compact(model, tmp_path / "export")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"class_names": "abc"}, "class_names is a list of texts; received 'abc'"),
        ({"class_names": [1, 2]}, r"class_names is a list of texts; received \[1, 2\]"),
        ({"class_names": ["a"] * 11}, "class_names has 11 names, and 'resnet8' has 10 logits"),
        ({"preprocessing": {"by": keras}}, "The preprocessing cannot be written as JSON"),
        ({"training": {"data": {1, 2}}}, "set is none of its types"),
        ({"training": {("a", "b"): 1}}, "The training cannot be written as JSON"),
    ],
)
def test_what_a_manifest_cannot_hold(model, tmp_path, record, message):
    with pytest.raises(ExportError, match=message):
        bnkeras.save_compact(model, tmp_path / "export", **record)
    assert not list(tmp_path.iterdir())


def test_class_names_of_numpy(model, tmp_path):
    path = bnkeras.save_compact(model, tmp_path / "export", class_names=np.array(["a", "b"]))
    assert read_manifest(path).class_names == ("a", "b")


def test_saving_changes_nothing_of_the_model(model, tmp_path):
    before = [variable.numpy() for variable in model.variables]
    flags = [variable.trainable for variable in model.variables]
    bnkeras.save_compact(model, tmp_path / "export")
    for variable, values in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), values)
    assert [variable.trainable for variable in model.variables] == flags


def test_the_same_network_twice_has_the_same_rows_and_values(model, tmp_path):
    one, other = (bnkeras.save_compact(model, tmp_path / name) for name in ("one", "other"))
    first, second = read_manifest(one), read_manifest(other)
    assert first.variables == second.variables
    assert first.stored == second.stored
    values = first.stored.file
    assert (one / values).read_bytes() == (other / values).read_bytes()
