"""`verify_compact`, and the check that the graph makes of itself."""

import shutil

import numpy as np
import pytest

import bnkeras
from bnkeras.compact import verify
from bnkeras.compact.digests import file_digest
from bnkeras.compact.graph import frozen as graph
from bnkeras.compact.manifest import read_manifest
from bnkeras.errors import ExportError

GRAPH = "saved_model.pb"


@pytest.fixture
def use_graph(forge):
    """Put a graph into an export as a forger would, with its digests right."""

    def _use(export, content):
        (export / GRAPH).write_bytes(content)

        def change(manifest):
            record = {"bytes": len(content), "sha256": file_digest(export / GRAPH)}
            manifest["files"][GRAPH] = record

        forge(export, change)

    return _use


def test_what_it_reports(pristine):
    assert bnkeras.verify_compact(str(pristine)) == {
        "files": 4,
        "variables": 47,
        "probes": 8,
        "rounded": 0,
        "largest_difference": 0.0,
        "since_saved": pytest.approx(0.0, abs=1e-6),
    }
    checks = list(verify.run_checks(pristine))
    assert tuple(check.name for check in checks) == verify.CHECKS
    assert checks[2].figures == {"variables": 47, "seeded": 9, "stored": 38, "external": 0}


def test_the_graph_of_another_seed(export, small, use_graph, tmp_path):
    other = bnkeras.save_compact(small(seed=55), tmp_path / "other")
    use_graph(export, (other / GRAPH).read_bytes())
    bnkeras.load_compact(export)  # does not look at the graph
    with pytest.raises(ExportError, match="It does not belong to this manifest") as caught:
        bnkeras.verify_compact(export)
    assert str(export) in str(caught.value)
    assert "the graph does not fill the variable 'group1_block0_conv1/kernel'" in str(caught.value)


def test_the_graph_of_other_values(export, small, use_graph, tmp_path, monkeypatch):
    """Weights of the same names that another generator drew."""
    from bnkeras.seeding import graph as generator

    quantiles = generator.quantiles
    monkeypatch.setattr(generator, "draw", _scaled(generator.draw, 1.01))
    other = bnkeras.save_compact(small(seed=5), tmp_path / "other")
    monkeypatch.undo()
    assert generator.quantiles is quantiles
    use_graph(export, (other / GRAPH).read_bytes())
    with pytest.raises(ExportError, match=r"other values of the variable 'group1_block0_conv1/ke"):
        bnkeras.verify_compact(export)


def test_a_graph_that_rounds_otherwise_is_told_apart(
    export, small, use_graph, tmp_path, monkeypatch
):
    from bnkeras.seeding import graph as generator

    monkeypatch.setattr(generator, "draw", _scaled(generator.draw, 1 + 2**-23))
    other = bnkeras.save_compact(small(seed=5), tmp_path / "other")
    monkeypatch.undo()
    use_graph(export, (other / GRAPH).read_bytes())
    checked = bnkeras.verify_compact(export)
    assert checked["rounded"] == 9
    assert 0 < checked["largest_difference"] < 1e-5
    (weights,) = (check for check in verify.run_checks(export) if check.name == "weights")
    assert "regenerates 0 bit for bit, and 9 but for rounding, by at most 1" in weights.found


def _scaled(draw, factor):
    return lambda *arguments: draw(*arguments) * np.float32(factor)


def test_the_graph_of_another_number_of_classes(export, small, use_graph, tmp_path):
    other = bnkeras.save_compact(small(seed=5, classes=7), tmp_path / "other")
    use_graph(export, (other / GRAPH).read_bytes())
    with pytest.raises(ExportError, match=r"cannot (load|run) the graph|does not belong"):
        bnkeras.verify_compact(export)


@pytest.mark.parametrize("content", [b"", b"no protocol buffer", bytes(1000)])
def test_what_is_no_graph(export, use_graph, content):
    use_graph(export, content)
    with pytest.raises(ExportError, match="TensorFlow cannot load the graph"):
        bnkeras.verify_compact(export)


def test_damage_is_found_before_the_graph_is_loaded(export, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.saved_model, "load", lambda path: pytest.fail("it was loaded"))
    file = export / GRAPH
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ExportError, match="bytes; it was written with"):
        bnkeras.verify_compact(export)


def test_a_network_that_diverged_is_what_it_is(small, tmp_path):
    model = small(seed=14)
    gamma = model.get_layer("stem_bn").gamma
    gamma.assign(np.full(gamma.shape, np.nan, np.float32))
    for storage in ("float32", "float16"):
        path = bnkeras.save_compact(model, tmp_path / "export", storage=storage)
        assert bnkeras.verify_compact(path)["largest_difference"] == 0.0
        # JSON has no word for NaN.
        assert read_manifest(path).probe.change is None


def test_images_too_large_to_probe_with(export, forge):
    # A convolutional network has the same variables for every size of image.
    forge(
        export,
        lambda manifest: manifest["architecture"]["arguments"].update(
            input_shape=[10**6, 10**6, 1]
        ),
    )
    with pytest.raises(ExportError, match="too large to probe with"):
        bnkeras.verify_compact(export)


def test_a_tensorflow_with_other_quantiles_does_not_load(small, tmp_path, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(graph, "_TABLE_CHECKSUM", graph._TABLE_CHECKSUM + 1)
    export = bnkeras.save_compact(small(seed=15), tmp_path / "export")
    message = "This TensorFlow computes other normal quantiles than bnkeras is defined with"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        tf.saved_model.load(str(export))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:  # noqa: SIM117
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            tf.compat.v1.saved_model.load(session, ["serve"], str(export))
    with pytest.raises(ExportError, match=message):
        bnkeras.verify_compact(export)
    # What needs no TensorFlow to regenerate is not concerned.
    bnkeras.load_compact(export)


def test_the_checksum_is_that_of_the_specified_table():
    from bnkeras.seeding.reference import quantiles

    table = (quantiles().astype(np.float64) * 2**20).astype(np.int64)
    assert int((np.arange(65536) * table).sum()) == graph._TABLE_CHECKSUM


def test_two_exports_of_one_seed_do_not_disturb_each_other(pristine, small, logits, tmp_path):
    """In one process with the networks themselves, loaded in turn, one of them twice."""
    import tensorflow as tf

    model = small(seed=5, values=99)
    other = bnkeras.save_compact(model, tmp_path / "other")
    copy = shutil.copytree(pristine, tmp_path / "copy")
    loaded = [tf.saved_model.load(str(path)) for path in (pristine, other, copy, other)]
    images = np.random.default_rng(0).normal(size=(3, 8, 8, 1)).astype(np.float32)
    given = [m.signatures["serving_default"](image=images)["logits"].numpy() for m in loaded]
    first = logits(bnkeras.load_compact(pristine), images)
    second = logits(model, images)
    assert not np.array_equal(first, second)
    for result, wanted in zip(given, (first, second, first, second), strict=True):
        np.testing.assert_array_equal(result, wanted)
