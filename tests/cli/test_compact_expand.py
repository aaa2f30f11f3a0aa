"""`bnkeras compact expand`."""

import json
import shutil
import sys
from functools import partial

import keras
import numpy as np
import pytest

import bnkeras


@pytest.fixture
def run(call_bnkeras):
    return partial(call_bnkeras, "compact", "expand")


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    model = bnkeras.build("mlp", hidden=(20,), input_shape=(4, 4, 1), seed=3)
    model.get_layer("hidden1_bn").beta.assign(np.linspace(-1, 1, 20, dtype=np.float32))
    return bnkeras.save_compact(model, tmp_path_factory.mktemp("exports") / "[b]mine")


def test_expand(run, export):
    code, out, err = run(export)
    assert (code, err) == (0, "")
    file, weights = (export.with_name(f"[b]mine{suffix}") for suffix in (".keras", ".weights.h5"))
    assert f"wrote        {file}, {file.stat().st_size:,} bytes\n" in out
    assert f"wrote        {weights}, {weights.stat().st_size:,} bytes\n" in out
    assert "the export's to " in out
    model = keras.models.load_model(file)
    wanted = bnkeras.load_compact(export)
    for given, variable in zip(model.weights, wanted.weights, strict=True):
        np.testing.assert_array_equal(given.numpy(), variable.numpy())
    code, out, err = run(export)
    assert code == 2
    assert f"bnkeras: {file} exists." in err
    assert "--force" in err
    assert run(export, "--force")[0] == 0


def test_json(run, export, tmp_path):
    out = tmp_path / "new" / "out.keras"
    code, printed, _ = run(export, "--out", out, "--json")
    assert code == 0
    facts = json.loads(printed)
    sizes = {str(file): file.stat().st_size for file in out.parent.iterdir()}
    assert facts.pop("largest_difference") < 2e-6
    assert facts == {"path": str(export), "files": sizes, "needs": [], "recursion_limit": None}


def test_what_is_no_export(run, tmp_path):
    code, out, err = run(tmp_path, "--out", tmp_path / "out.keras")
    assert (code, out) == (2, "")
    assert str(tmp_path) in err


def test_a_wrong_name(run, export, tmp_path):
    code, _, err = run(export, "--out", tmp_path / "out.h5")
    assert code == 2
    assert "out.h5" in err


def test_a_damaged_export(run, export, tmp_path):
    broken = shutil.copytree(export, tmp_path / "broken")
    with (broken / "saved_model.pb").open("ab") as file:
        file.write(b"x")
    code, _, err = run(broken)
    assert code == 1
    assert "saved_model.pb" in err
    assert [file.name for file in tmp_path.iterdir()] == ["broken"]


def test_an_unknown_task(run, export, tmp_path):
    code, _, err = run(export, "--task", "other", "--out", tmp_path / "out.keras")
    assert code in (1, 2)
    assert "'other'" in err


def test_without_tensorflow(run, export, tmp_path, monkeypatch):
    # An import of it is a ModuleNotFoundError.
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    code, out, err = run(export, "--out", tmp_path / "out.keras")
    assert (code, out) == (2, "")
    assert "needs TensorFlow, and none is installed" in err
    assert "KERAS_BACKEND=jax" in err


def test_help_has_examples(run):
    code, out, _ = run("--help")
    assert code == 0
    assert "bnkeras compact expand saved_models/mine" in out
