"""γ, β and statistics in half the bytes, and all weights stored."""

import numpy as np
import pytest

import bnkeras
from bnkeras.compact.manifest import read_manifest
from bnkeras.errors import ExportError


@pytest.fixture(scope="module")
def model(small):
    return small(seed=21)


@pytest.fixture(scope="module")
def halved(model, tmp_path_factory):
    return bnkeras.save_compact(
        model, tmp_path_factory.mktemp("halved") / "export", storage="float16"
    )


def _is_kept_in_half(path):
    return path.endswith(("gamma", "beta", "moving_mean", "moving_variance"))


def test_float16_is_of_norms_and_statistics_alone(halved):
    rows = read_manifest(halved).variables
    assert any(not _is_kept_in_half(row.path) and row.provenance == "stored" for row in rows)
    for row in rows:
        assert row.dtype == ("float16" if _is_kept_in_half(row.path) else "float32"), row.path


def test_the_loaded_network_has_the_rounded_values(model, halved):
    loaded = bnkeras.load_compact(halved)
    changed = 0
    for before, after in zip(model.variables, loaded.variables, strict=True):
        wanted = before.numpy()
        if _is_kept_in_half(before.path):
            wanted = wanted.astype(np.float16).astype(np.float32)
            changed += not np.array_equal(wanted, before.numpy())
        np.testing.assert_array_equal(after.numpy(), wanted)
        assert after.dtype == "float32"
    assert changed > 10


def test_the_graph_computes_with_the_rounded_values(halved, logits):
    import tensorflow as tf

    images = np.random.default_rng(0).normal(size=(3, 8, 8, 1)).astype(np.float32)
    served = tf.saved_model.load(str(halved)).signatures["serving_default"](image=images)
    wanted = logits(bnkeras.load_compact(halved), images)
    np.testing.assert_array_equal(served["logits"], wanted)
    assert bnkeras.verify_compact(halved)["largest_difference"] == 0.0


def test_the_manifest_says_how_much_changed(model, halved, logits):
    from bnkeras.compact.probe import probe_batch

    manifest = read_manifest(halved)
    (images,) = probe_batch(21, manifest.inputs, 2).values()
    before, after = logits(model, images), logits(bnkeras.load_compact(halved), images)
    change = np.abs(after - before).max() / np.abs(before).max()
    assert 0 < change < 0.01
    assert manifest.probe.change == pytest.approx(change, rel=1e-2)


def test_it_takes_half_the_bytes(model, halved, tmp_path):
    whole = read_manifest(bnkeras.save_compact(model, tmp_path / "export"))
    assert whole.probe.change is None
    bytes_of = [
        sum(row.bytes for row in manifest.of("stored") if _is_kept_in_half(row.path))
        for manifest in (whole, read_manifest(halved))
    ]
    assert bytes_of[0] == 2 * bytes_of[1]


def test_saved_again_in_half_nothing_changes(halved, tmp_path):
    again = bnkeras.save_compact(
        bnkeras.load_compact(halved), tmp_path / "export", storage="float16"
    )
    assert read_manifest(again).variables == read_manifest(halved).variables
    assert read_manifest(again).probe.change == 0.0


def test_what_float16_cannot_hold_stays_whole(small, tmp_path):
    model = small(seed=22)
    variance = model.get_layer("stem_bn").moving_variance
    variance.assign(np.full(variance.shape, 70_000, np.float32))
    export = bnkeras.save_compact(model, tmp_path / "export", storage="float16")
    rows = {row.path: row for row in read_manifest(export).variables}
    assert rows["stem_bn/moving_variance"].dtype == "float32"
    assert rows["stem_bn/moving_mean"].dtype == "float16"
    loaded = bnkeras.load_compact(export).get_layer("stem_bn")
    np.testing.assert_array_equal(loaded.moving_variance, variance.numpy())
    assert bnkeras.verify_compact(export)["largest_difference"] == 0.0


def test_full_weights_need_no_generator(model, tmp_path, monkeypatch, logits):
    import tensorflow as tf

    from bnkeras.seeding import reference

    export = bnkeras.save_compact(model, tmp_path / "export", weights="full")
    manifest = read_manifest(export)
    assert {row.provenance for row in manifest.variables} == {"stored"}
    loaded = bnkeras.load_compact(export)
    for before, after in zip(model.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(after.numpy(), before.numpy())
    monkeypatch.setattr(reference, "values", None)
    images = np.random.default_rng(0).normal(size=(3, 8, 8, 1)).astype(np.float32)
    served = tf.saved_model.load(str(export)).signatures["serving_default"](image=images)
    np.testing.assert_array_equal(served["logits"], logits(model, images))
    monkeypatch.undo()
    checked = bnkeras.verify_compact(export)
    assert (checked["rounded"], checked["largest_difference"]) == (0, 0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "none"}, "weights is one of seeded, full; received 'none'"),
        ({"storage": "int8"}, "storage is one of float32, float16; received 'int8'"),
    ],
)
def test_other_choices_are_refused(model, tmp_path, options, message):
    with pytest.raises(ExportError, match=message):
        bnkeras.save_compact(model, tmp_path / "export", **options)
    assert not list(tmp_path.iterdir())
