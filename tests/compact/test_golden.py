"""Exports of earlier versions of the format: loaded, verified and inspected for ever."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import bnkeras
from bnkeras.compact.manifest import MANIFEST, read_manifest
from bnkeras.errors import ExportError

ROOT = Path(__file__).resolve().parents[2]
VERSION_1 = [
    ROOT / "saved_models" / "digits_resnet14_bnonly",
    ROOT / "results" / "resnet14_bnonly_20epochs" / "seed0" / "export",
]


@pytest.fixture(scope="module", params=VERSION_1, ids=lambda path: path.parent.name)
def golden(request):
    return request.param


def test_it_is_of_version_1(golden):
    fields = json.loads((golden / MANIFEST).read_bytes())["manifest"]
    assert fields["format_version"] == 1
    assert not {"inputs", "outputs", "front", "external"} & set(fields)


def test_it_is_verified(golden):
    # Another machine may sum in another order.
    assert bnkeras.verify_compact(golden)["largest_difference"] < 1e-3


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
