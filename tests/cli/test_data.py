"""`bnkeras data` as a user meets it."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    pytest.importorskip("sklearn")
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def prepared(data):
    """What a process of its own prints that prepares the digits."""
    command = [sys.executable, "-m", "bnkeras.cli.main", "data", "prepare", "digits"]
    command += ["--data-dir", str(data)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_prepare_ends_with_a_summary(prepared, data):
    lines = dict(line.split(None, 1) for line in prepared.splitlines())
    assert lines["images"] == "1,437 train, 360 test"
    assert lines["source"] == "scikit-learn (package)"
    assert lines["path"] == f"{data}/digits/{lines['fingerprint']}/1.0.0"
    assert lines["size"] == "0.2 MB"
    assert lines["time"].endswith(" s")


def test_info_for_people(prepared, data, call_bnkeras):
    _, shown, _ = call_bnkeras("data", "info", "--data-dir", data)
    assert shown.startswith(f"Prepared in {data}\n")
    assert "1,437 train, 360 test" in shown
    assert "image size   8×8×1" in shown
    _, shown, _ = call_bnkeras("data", "info", "--data-dir", "/nowhere")
    assert "Nothing is prepared in /nowhere" in shown


def test_info_as_json(prepared, data, call_bnkeras):
    _, shown, _ = call_bnkeras("data", "info", "--json", "--data-dir", data)
    (row,) = json.loads(shown)
    assert row["dataset"] == "digits"
    assert row["counts"] == {"train": 1437, "test": 360}
    assert row["image_shape"] == [8, 8, 1]
    assert row["path"] == f"{data}/digits/{row['fingerprint']}/1.0.0"
    assert row["bytes"] > 100_000
    assert row["problem"] is None
    _, shown, _ = call_bnkeras("data", "info", "--json", "--data-dir", "/nowhere")
    assert json.loads(shown) == []


def test_info_shows_a_damaged_one(call_bnkeras, tmp_path):
    damaged = tmp_path / "digits" / "0123456789abcdef" / "1.0.0"
    damaged.mkdir(parents=True)
    _, shown, _ = call_bnkeras("data", "info", "--data-dir", tmp_path)
    assert f"{damaged} is incomplete" in shown
    _, shown, _ = call_bnkeras("data", "info", "--json", "--data-dir", tmp_path)
    (row,) = json.loads(shown)
    assert row["fingerprint"] == "0123456789abcdef"
    assert "dataset_info.json is missing" in row["problem"]


def test_unknown_dataset(call_bnkeras):
    code, _, error = call_bnkeras("data", "prepare", "digit")
    assert code == 2
    assert error.strip() == (
        "bnkeras: Unknown dataset 'digit'. Did you mean 'digits'? Known: cifar10, digits, "
        "imagenet, tweets, folder/NAME, tfds/NAME."
    )


def test_missing_source(call_bnkeras, tmp_path):
    source = tmp_path / "no"
    code, _, error = call_bnkeras(
        "data", "prepare", "cifar10", "--source", source, "--data-dir", "/x"
    )
    assert code == 2
    assert error.strip() == f"bnkeras: The source {source} does not exist."


def test_help_gives_examples_and_needs_no_tensorflow():
    code = (
        "import sys; from typer.testing import CliRunner; from bnkeras.cli.main import app\n"
        "shown = CliRunner().invoke(app, ['data', 'prepare', '--help']).output\n"
        "assert 'bnkeras data prepare cifar10 --source' in shown, shown\n"
        "assert 'bnkeras data prepare folder/flowers --source' in shown, shown\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def photos(tmp_path):
    """Class folders without a test split, one image corrupt."""
    for number in range(20):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (70, 80, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes()[:-500])
    return tmp_path / "photos"


def test_corrupt_images_are_named(photos, tmp_path, call_bnkeras):
    place = ("--data-dir", tmp_path / "data")
    arguments = ("data", "prepare", "folder/mine", "--source", photos, *place)
    code, _, err = call_bnkeras(*arguments)
    assert code == 1
    assert err.startswith(f"bnkeras: {photos}: b/19.jpg cannot be decoded")
    assert "--skip-corrupt" in err

    code, out, _ = call_bnkeras(*arguments, "--skip-corrupt")
    assert code == 0
    assert "images       15 train, 4 test\nclasses      2\n" in out
    assert "note         there is no test folder: 4 of 20 images, a fifth of each class" in out
    assert "left out     1 corrupt:\n  train/b/19.jpg\n" in out
    # What was left out is not forgotten.
    assert "train/b/19.jpg" in call_bnkeras("data", "info", *place)[1]

    row = json.loads(call_bnkeras(*arguments, "--json")[1])
    assert row["dataset"] == "folder/mine"
    assert (row["kind"], row["classes"]) == ("jpegs", 2)
    assert row["counts"] == {"train": 15, "test": 4}
    assert row["skipped"] == ["train/b/19.jpg"]
    assert len(row["notes"]) == 1
    assert row.pop("seconds") >= 0
    assert json.loads(call_bnkeras("data", "info", "--json", *place)[1]) == [row]


def test_nothing_can_be_left_out_of_a_fixed_dataset(tmp_path, call_bnkeras):
    code, _, err = call_bnkeras("data", "prepare", "cifar10", "--skip-corrupt")
    assert code == 2
    assert err.startswith("bnkeras: Of cifar10 no image can be left out")


@pytest.mark.parametrize("dataset", ["imagenet", "tweets", "folder/mine"])
def test_what_cannot_be_downloaded(dataset, tmp_path, call_bnkeras):
    code, _, err = call_bnkeras("data", "prepare", dataset, "--data-dir", tmp_path / "data")
    assert code == 2
    command = f"bnkeras data prepare {dataset} --source PATH --data-dir {tmp_path / 'data'}\n"
    assert f"  {command}where PATH is\n  - " in err
    assert not (tmp_path / "data").exists()
