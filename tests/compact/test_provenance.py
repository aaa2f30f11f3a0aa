"""What an export regenerates and what it stores."""

import numpy as np
import pytest

import bnkeras
from bnkeras.compact.digests import values_digest
from bnkeras.compact.manifest import read_manifest
from bnkeras.models.variables import Group, grouped_variables
from bnkeras.regimes import REGIMES
from bnkeras.seeding import reference

# The groups of kernels that a regime leaves as they were seeded.
_FROZEN = {
    "all": set(),
    "bnonly": {"features", "shortcut", "output"},
    "bnoutput": {"features", "shortcut"},
    "output": {"features", "shortcut"},
    "bnshortcutoutput": {"features"},
    "shortcutoutput": {"features"},
    "frozenbn": set(),
}


def _provenances(export):
    return {row.path: row.provenance for row in read_manifest(export).variables}


def test_every_regime_is_here():
    assert set(_FROZEN) == set(REGIMES)


@pytest.mark.parametrize("regime", REGIMES)
def test_frozen_kernels_are_seeded_and_the_rest_is_stored(trained, tmp_path, regime):
    model = trained(depth=14, seed=3, regime=regime)
    manifest = read_manifest(bnkeras.save_compact(model, tmp_path / "export"))
    assert manifest.regime == regime
    rows = {row.path: row for row in manifest.variables}
    entries = grouped_variables(model)
    assert [entry.path for entry in entries] == list(rows)
    for path, group, variable in entries:
        row, values = rows[path], variable.numpy()
        seeded = group.value in _FROZEN[regime] and values.size >= 256
        assert row.provenance == ("seeded" if seeded else "stored"), path
        assert row.law == ("he_normal" if seeded else None)
        assert row.shape == values.shape
        assert row.digest == values_digest(values)
    # All kernels but none of the vectors: 16 convolutions' and the output layer's.
    expected = {"all": 0, "frozenbn": 0, "bnonly": 16, "bnoutput": 15, "output": 15}
    assert len(manifest.of("seeded")) == expected.get(regime, 13)


@pytest.mark.parametrize("index", [0, -1])
@pytest.mark.parametrize("direction", [-np.inf, np.inf])
def test_one_last_place_makes_a_kernel_stored(small, tmp_path, index, direction):
    model = small(seed=2)
    kernel = model.get_layer("group1_block0_conv1").kernel
    values = kernel.numpy()
    values.flat[index] = np.nextafter(values.flat[index], np.float32(direction))
    kernel.assign(values)
    export = bnkeras.save_compact(model, tmp_path / "export")
    stored = {path for path, provenance in _provenances(export).items() if provenance == "stored"}
    assert kernel.path in stored
    assert "group1_block0_conv2/kernel" not in stored
    loaded = bnkeras.load_compact(export).get_layer("group1_block0_conv1").kernel.numpy()
    np.testing.assert_array_equal(loaded.view(np.uint32), values.view(np.uint32))


def test_the_sign_of_zero_counts(small, tmp_path):
    model = small(seed=2, features="constant(0)")
    kernel = model.get_layer("group1_block0_conv1").kernel
    kernel.assign(-kernel)
    provenances = _provenances(bnkeras.save_compact(model, tmp_path / "export"))
    assert provenances[kernel.path] == "stored"
    assert provenances["group1_block0_conv2/kernel"] == "seeded"


def test_batch_norm_is_stored_even_where_it_is_as_seeded(tmp_path):
    # 512 channels: far above the size from which kernels are seeded.
    model = bnkeras.build("mlp", hidden=(512,), input_shape=(4, 4, 1), seed=1)
    provenances = _provenances(bnkeras.save_compact(model, tmp_path / "export"))
    assert {path: kind for path, kind in provenances.items() if kind == "seeded"} == {
        "hidden1_dense/kernel": "seeded",
        "hidden1_dense/bias": "seeded",
        "output/kernel": "seeded",
    }


@pytest.mark.parametrize("law", ["orthogonal", "orthogonal(2)"])
def test_what_is_seeded_to_rounding_only_is_stored(tmp_path, law):
    model = bnkeras.build("resnet_cifar", depth=8, seed=4, features=law)
    kernel = model.get_layer("stem_conv").kernel
    # On this machine it does regenerate: that is no promise for another.
    np.testing.assert_array_equal(reference.values(law, 4, kernel.path, kernel.shape), kernel)
    export = bnkeras.save_compact(model, tmp_path / "export")
    assert set(_provenances(export).values()) == {"stored"}


@pytest.mark.parametrize(
    "law", ["he_normal", "he_uniform", "binary", "normal(0.1)", "uniform(-1, 1)", "constant(0.1)"]
)
def test_reproducible_laws_are_seeded(small, tmp_path, law):
    manifest = read_manifest(bnkeras.save_compact(small(features=law), tmp_path / "export"))
    assert {row.law for row in manifest.of("seeded")} == {law}
    assert len(manifest.of("seeded")) == 9


@pytest.mark.parametrize(("units", "provenance"), [(15, "stored"), (16, "seeded")])
def test_from_256_values_on_a_kernel_is_seeded(tmp_path, units, provenance):
    model = bnkeras.build("mlp", hidden=(units,), input_shape=(4, 4, 1), seed=1)
    provenances = _provenances(bnkeras.save_compact(model, tmp_path / "export"))
    assert provenances["hidden1_dense/kernel"] == provenance


def test_statistics_are_stored(small, tmp_path):
    model = small()
    provenances = _provenances(bnkeras.save_compact(model, tmp_path / "export"))
    statistics = [path for path, group, _ in grouped_variables(model) if group is Group.STATISTICS]
    assert len(statistics) == 18
    assert {provenances[path] for path in statistics} == {"stored"}
