"""`bnkeras compact slim`."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from bnkeras.cli import console

DIGITS = Path(__file__).parents[2] / "saved_models" / "digits_resnet14_bnonly"


@pytest.fixture
def run(call_bnkeras):
    return partial(call_bnkeras, "compact")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Exports of a small network: by hand, and behind a front with a recipe."""
    import tensorflow as tf

    import bnkeras

    class Pixels(tf.Module):
        spec = tf.TensorSpec([None, 8, 8, 1], tf.uint8, name="pixels")

        def __call__(self, pixels):
            return tf.cast(pixels, tf.float32) / 255

    model = bnkeras.build("resnet_cifar", depth=8, input_shape=(8, 8, 1), seed=3)
    bnkeras.set_regime(model, "bnonly")
    for name in ("group1_block0_bn1", "group3_block0_bn1"):
        layer = model.get_layer(name)
        gamma = np.full(layer.gamma.shape, 0.5)
        gamma[[1, 2, 5]] = 0.004
        layer.gamma.assign(gamma)
        layer.beta.assign(np.where(np.arange(len(gamma)) == 1, -0.1, 0.1))
    folder = tmp_path_factory.mktemp("made")
    training = {"result": {"recipe": "mine", "test_accuracy": 0.75, "test_loss": 1.0}}
    bnkeras.save_compact(model, folder / "bare", class_names=["a"], training=training)
    bnkeras.save_compact(model, folder / "front", front=Pixels())
    return folder


def test_the_accuracy_before_and_after(run, tmp_path):
    """On the digits that the committed network was trained on."""
    arguments = ("--threshold", 0.1, "--data-dir", tmp_path / "data", "--json")
    code, out, err = run("slim", DIGITS, "--out", tmp_path / "slim", *arguments)
    assert code == 0, err
    facts = json.loads(out)
    test = facts["test"]
    assert (test["dataset"], test["examples"]) == ("digits", 360)
    recorded = json.loads((DIGITS / "assets.extra" / "bnkeras.json").read_text())["manifest"]
    assert test["before"] == pytest.approx(recorded["training"]["result"]["test_accuracy"])
    assert abs(test["after"] - test["before"]) < 0.1
    assert test["same_answers"] > 300
    assert facts["removed"] > 26  # as many have |γ| below 0.02
    assert facts["after"]["parameters"] < facts["before"]["parameters"]
    assert facts["after"]["multiply_adds"] < facts["before"]["multiply_adds"]
    assert 0 < facts["largest_change"] < 0.5
    assert len(facts["norms"]) == 15
    code, out, _ = run("inspect", tmp_path / "slim", "--json")
    inspected = json.loads(out)
    assert inspected["slim"]["threshold"] == 0.1
    assert inspected["test_accuracy"] == test["after"]
    assert inspected["class_names"] == recorded["class_names"]
    assert inspected["preprocessing"] == recorded["preprocessing"]


def test_without_a_recipe(run, made, tmp_path, monkeypatch):
    monkeypatch.setattr(console.out, "width", 160)
    code, out, err = run("slim", made / "bare", "--out", tmp_path / "slim", "--norms")
    assert code == 0, err
    lines = dict(line.split(maxsplit=1) for line in out.splitlines() if line.strip())
    assert lines["wrote"] == str(tmp_path / "slim")
    # One channel of each norm is constantly 0; two are merged into one.
    assert lines["channels"] == "2 of 336 removed, 4 merged"
    # Kernels into and out of 2 channels less: 3×3, of 16 and of 64 or 32 channels.
    saved = 2 * 9 * (16 + 16) + 2 * 9 * (32 + 64) + 2 * 2 * 2
    assert lines["parameters"].startswith(f"77,754 -> {77_754 - saved:,} (-3.0%)")
    assert lines["accuracy"] == "not measured: the export names no recipe"
    assert lines["group1_block0_bn1"].split() == ["16", "3", "1", "2"]
    assert lines["group1_block0_bn2"].endswith("group1_block0_add (Add) needs all channels")
    code, out, _ = run("inspect", tmp_path / "slim")
    assert "slim         76 of 80 channels left of the 2 norms that had |γ| < 0.01\n" in out
    assert "accuracy" not in out  # that of the full network is not its
    training = json.loads((tmp_path / "slim/assets.extra/bnkeras.json").read_text())["manifest"][
        "training"
    ]
    assert training["result"] == {
        "recipe": "mine",
        "slim": {"threshold": 0.01, "full_test_accuracy": 0.75},
    }


def test_refusals(run, made, tmp_path):
    code, _, err = run("slim", made / "bare", "--out", made / "front")
    assert code == 2
    assert f"{made / 'front'} exists" in err.replace("\n", "")
    code, _, err = run("slim", made / "bare", "--out", tmp_path / "new", "--threshold", 1e-6)
    assert code == 1
    assert "that can go has |γ| below 1e-06. Nothing was written" in err
    code, _, err = run("slim", made / "bare", "--out", tmp_path / "new", "--threshold", -1)
    assert code == 2
    assert "a number from 0 on; received -1.0" in err
    assert not (tmp_path / "new").exists()


def test_a_front_is_made_again_or_left_out(run, made, tmp_path):
    code, _, err = run("slim", made / "front", "--out", tmp_path / "slim")
    assert code == 2
    assert "says nothing that bnkeras knows. With --no-front the slim export" in err
    code, _, err = run("slim", made / "front", "--out", tmp_path / "slim", "--no-front")
    assert code == 0, err
    manifest = json.loads((tmp_path / "slim/assets.extra/bnkeras.json").read_text())["manifest"]
    assert manifest["front"] is None
    assert manifest["inputs"][0]["name"] == "image"


@pytest.mark.exhaustive
def test_the_front_of_a_run_is_kept(run, call_bnkeras, tmp_path):
    """Raw images go in, as before."""
    import tensorflow as tf

    code, _, err = call_bnkeras(
        *("recipe", "run", "digits_resnet14_bnonly", "--out", tmp_path / "run"),
        *("--data-dir", tmp_path / "data", "--set", "train.epochs=1"),
    )
    assert code == 0, err
    arguments = ("--threshold", 0.2, "--data-dir", tmp_path / "data")
    code, _, err = run("slim", tmp_path / "run" / "export", "--out", tmp_path / "slim", *arguments)
    assert code == 0, err
    served = tf.saved_model.load(str(tmp_path / "slim")).signatures["serving_default"]
    images = np.random.default_rng(0).integers(0, 17, (3, 8, 8, 1)).astype(np.uint8)
    assert served(image=tf.constant(images))["labels"].shape == (3,)
