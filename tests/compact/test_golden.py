"""Exports of earlier versions of the format: loaded, verified and inspected for ever."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import bnkeras
from bnkeras.compact.manifest import MANIFEST, read_manifest
from bnkeras.errors import ExportError

ROOT = Path(__file__).resolve().parents[2]
VERSION_1 = [
    ROOT / "saved_models" / "digits_resnet14_bnonly",
    ROOT / "results" / "resnet14_bnonly_20epochs" / "seed0" / "export",
]
VERSION_2 = [
    ROOT / "results" / "mlp_bnoutput" / "seed0" / "export",
    ROOT / "results" / "resnet14_random2_20epochs" / "seed0" / "export",
]
VERSION_3 = sorted((Path(__file__).parent / "golden" / "version3").glob("*/export"))
NEW = {2: {"inputs", "outputs", "front", "external"}, 3: {"projections", "probe", "slim"}}


@pytest.fixture(
    scope="module",
    params=[(1, path) for path in VERSION_1] + [(2, path) for path in VERSION_2],
    ids=lambda param: f"{param[0]}-{param[1].parent.name}",
)
def versioned(request):
    return request.param


@pytest.fixture(scope="module")
def golden(versioned):
    return versioned[1]


def test_it_is_of_its_version(versioned):
    version, path = versioned
    fields = json.loads((path / MANIFEST).read_bytes())["manifest"]
    assert fields["format_version"] == version
    for since, names in NEW.items():
        assert (names <= set(fields)) == (version >= since)


@pytest.mark.parametrize("path", [*VERSION_1, *VERSION_2], ids=lambda path: path.parent.name)
def test_it_is_verified(path):
    checked = bnkeras.verify_compact(path)
    # Another machine may sum in another order.
    assert checked["largest_difference"] < 1e-3
    assert (checked["rounded"], checked["since_saved"]) == (0, None)


@pytest.mark.parametrize("path", VERSION_3, ids=lambda path: path.parent.name)
def test_version_3_gives_the_logits_that_it_gave(path):
    """The network, one in half the bytes, two tasks, and a slim one."""
    checked = bnkeras.verify_compact(path)
    assert checked["rounded"] == 0
    assert checked["since_saved"] < 1e-4
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype(np.float32)
    wanted = np.load(path.parent / "logits.npz")
    signatures = tf.saved_model.load(str(path)).signatures
    for task, logits in wanted.items():
        name = None if task == "serving_default" else task
        model = bnkeras.load_compact(path, task=name)
        # What was saved beside the one in half the bytes is of the whole one.
        tolerance = 1e-2 if path.parent.name == "float16" else 1e-5
        scale = np.abs(logits).max()
        for given in (signatures[task](image=images)["logits"], model(images, training=False)):
            assert np.abs(given - logits).max() < tolerance * scale


def test_there_are_all_kinds_of_version_3():
    assert [path.parent.name for path in VERSION_3] == ["float16", "network", "slim", "tasks"]


def test_saved_again_it_is_of_today(golden, tmp_path):
    model = bnkeras.load_compact(golden)
    old, new = (
        read_manifest(path) for path in (golden, bnkeras.save_compact(model, tmp_path / "export"))
    )
    assert new.format_version == 3
    assert new.variables == old.variables
    assert (new.seed, new.regime, new.generator) == (old.seed, old.regime, old.generator)
    again = bnkeras.load_compact(tmp_path / "export")
    for mine, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(mine, other)


def _set(*keys, value):
    def change(manifest):
        for key in keys[:-1]:
            manifest = manifest[key]
        manifest[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("front", value=None), "front: version 1 has no such field"),
        (_set("external", value=None), "external: version 1 has no such field"),
        (_set("variables", 0, 2, value="int32"), "version 1 has seeded and stored ones of float32"),
        (_set("variables", 0, 3, value="external"), "seeded and stored ones of float32"),
        (
            _set("architecture", value={"name": "a", "config": {}}),
            "architecture: version 1 has a name and arguments",
        ),
        (_set("format_version", value=2), "Field required"),
    ],
)
def test_what_came_later_is_not_of_version_1(tmp_path, forge, change, message):
    export = Path(shutil.copytree(VERSION_1[0], tmp_path / "export"))
    forge(export, change)
    with pytest.raises(ExportError) as caught:
        read_manifest(export)
    assert message in str(caught.value)
