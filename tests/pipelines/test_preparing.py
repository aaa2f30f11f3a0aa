"""Preparing once, again, at the same time as another, and after a SIGKILL."""

import signal
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace

import pytest
from filelock import FileLock

from bnkeras.errors import CorruptDataError, DataError
from bnkeras.pipelines import DATASETS, find, list_prepared, load_split, prepare

from .conftest import content

KILLED = """
    import os, signal, sys
    from dataclasses import replace
    from bnkeras.pipelines import DATASETS, prepare

    def progress(done, total, what):
        if what == sys.argv[3]:
            os.kill(os.getpid(), signal.SIGKILL)

    spec = replace(DATASETS["cifar10"], splits={"train": 60, "test": 20})
    prepare(spec, sys.argv[1], sys.argv[2], progress)
"""


def _files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("moment", ["reading images", "writing test records"])
def test_killed_in_the_middle(tree, spec, truth, tmp_path, moment):
    data = tmp_path / "data"
    arguments = [sys.executable, "-c", textwrap.dedent(KILLED), str(tree), str(data), moment]
    killed = subprocess.run(arguments, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    leftovers = list(data.glob("cifar10/*/incomplete.*"))
    assert bool(leftovers) == (moment == "writing test records")
    with pytest.raises(DataError, match="is not prepared"):
        find(spec, data)

    prepared = prepare(spec, tree, data)

    assert content(load_split(prepared, "train")) == truth["train"].counter()
    assert content(load_split(prepared, "test")) == truth["test"].counter()
    assert _files(data) == {
        "cifar10/.lock",
        *(
            f"cifar10/{prepared.fingerprint}/1.0.0/{name}"
            for name in (
                "cifar10-test.tfrecord-00000-of-00001",
                "cifar10-train.tfrecord-00000-of-00001",
                "dataset_info.json",
                "features.json",
                "label.labels.txt",
                "metadata.json",
            )
        ),
    }
    assert not list(data.glob("cifar10/*/incomplete.*"))


def test_a_second_time_nothing_is_written(tree, spec, tmp_path):
    first = prepare(spec, tree, tmp_path)
    times = {path: path.stat().st_mtime_ns for path in first.path.iterdir()}
    steps = []
    second = prepare(spec, tree, tmp_path, lambda done, total, what: steps.append(what))
    assert second == first
    assert {path: path.stat().st_mtime_ns for path in first.path.iterdir()} == times
    assert set(steps) == {"taking the fingerprint of the source, in MiB"}


def test_progress_is_reported(tree, spec, tmp_path, capfd):
    steps = []
    prepare(spec, tree, tmp_path, lambda *step: steps.append(step))
    assert (80, 80, "reading images") in steps
    assert (0, 60, "writing train records") in steps
    assert steps[-1] == (80, 80, "done")
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "WARNING:absl" not in printed.err


def test_waits_for_another_process(tree, spec, tmp_path):
    (tmp_path / "cifar10").mkdir()
    lock = FileLock(tmp_path / "cifar10" / ".lock")
    lock.acquire()
    waiting = threading.Event()
    results = []

    def progress(done, total, what):
        if what == "waiting for another process that prepares cifar10":
            waiting.set()

    thread = threading.Thread(
        target=lambda: results.append(prepare(spec, tree, tmp_path, progress))
    )
    thread.start()
    assert waiting.wait(20)
    assert results == []
    lock.release()
    thread.join(60)
    assert results[0].counts == {"train": 60, "test": 20}


@pytest.mark.parametrize(
    "lost", ["dataset_info.json", "metadata.json", "features.json", "cifar10-test.tfrecord-*"]
)
def test_lost_file(tree, spec, truth, tmp_path, lost):
    path = prepare(spec, tree, tmp_path).path
    (file,) = path.glob(lost)
    file.unlink()
    with pytest.raises(CorruptDataError) as caught:
        find(spec, tmp_path)
    assert f"{file} is missing" in str(caught.value)
    assert f"bnkeras data prepare cifar10 --source PATH --data-dir {tmp_path}" in str(caught.value)
    # The command of the message repairs it.
    prepare(spec, tree, tmp_path)
    assert content(load_split(find(spec, tmp_path), "test")) == truth["test"].counter()


def test_damaged_description(tree, spec, tmp_path):
    path = prepare(spec, tree, tmp_path).path
    (path / "dataset_info.json").write_text('{"splits": []}')
    with pytest.raises(CorruptDataError, match=r"damaged description .*splits none"):
        find(spec, tmp_path)
    (path / "dataset_info.json").write_text('{"spl')
    with pytest.raises(CorruptDataError, match="damaged description"):
        find(spec, tmp_path)


def test_unwritable_data_directory(tree, spec, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"file/data cannot be written \(Not a directory\)"):
        prepare(spec, tree, tmp_path / "file" / "data")


def test_not_prepared(tmp_path):
    with pytest.raises(DataError) as caught:
        find("cifar10", tmp_path)
    message = str(caught.value)
    assert f"cifar10 is not prepared in {tmp_path}" in message
    assert f"\n  bnkeras data prepare cifar10 --source PATH --data-dir {tmp_path}\n" in message


def test_the_default_directory_is_not_repeated_in_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("BNKERAS_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError, match=r"data prepare cifar10 --source PATH\n"):
        find("cifar10")


def test_several_fingerprints(tree, python_archive, spec, tmp_path):
    first = prepare(spec, tree, tmp_path / "data")
    second = prepare(spec, python_archive(), tmp_path / "data")
    with pytest.raises(DataError, match=r"prepared from 2 sources") as caught:
        find(spec, tmp_path / "data")
    for prepared in (first, second):
        assert f"  {prepared.fingerprint}  {prepared.source} ({prepared.kind})" in str(caught.value)
        assert find(spec, tmp_path / "data", prepared.fingerprint) == prepared
        assert find(spec, tmp_path / "data", prepared.fingerprint[:6].upper()) == prepared
        assert find(spec, tmp_path / "data", prepared.sha256) == prepared
    assert "--set data.fingerprint=" in str(caught.value)
    with pytest.raises(DataError, match=rf"(?s)fingerprint 'xyz'.*{second.fingerprint}"):
        find(spec, tmp_path / "data", "xyz")

    # A damaged one is neither chosen nor silently passed over.
    (second.path / "dataset_info.json").unlink()
    assert len(list_prepared(spec, tmp_path / "data")) == 2
    with pytest.raises(DataError, match=rf"{second.fingerprint}  damaged"):
        find(spec, tmp_path / "data")
    with pytest.raises(CorruptDataError, match=second.fingerprint):
        find(spec, tmp_path / "data", second.fingerprint)
    assert find(spec, tmp_path / "data", first.fingerprint) == first


def test_tfds_reads_what_was_written(tree, spec, truth, tmp_path):
    import tensorflow_datasets as tfds

    prepared = prepare(spec, tree, tmp_path)
    dataset = tfds.builder_from_directory(prepared.path).as_dataset(split="test")
    images = [record["image"].tobytes() for record in tfds.as_numpy(dataset)]
    assert sorted(images) == sorted(image.tobytes() for image in truth["test"].images)


def test_unknown_dataset():
    with pytest.raises(DataError, match=r"'cifar'\. Did you mean 'cifar10'\? Known: cifar10"):
        prepare("cifar")


def test_specification_can_be_given(tree, tmp_path):
    spec = replace(DATASETS["cifar10"], name="mine", splits={"train": 60, "test": 20})
    assert prepare(spec, tree, tmp_path).path.parts[-3] == "mine"
    assert find(spec, tmp_path).counts == {"train": 60, "test": 20}
