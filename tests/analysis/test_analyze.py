"""Whole analyses: of an export with data, without, of a run, written and read again."""

import csv
import json
from dataclasses import replace

import keras
import numpy as np
import pytest

import bnkeras
from bnkeras.analysis.activations import MOSTLY_ZERO
from bnkeras.analysis.analysis import NUMBERS, Analysis, LeftOut, read_analysis
from bnkeras.analysis.analyze import analysis_of_run, analyze
from bnkeras.compact.digests import file_digest
from bnkeras.compact.manifest.records import MANIFEST
from bnkeras.errors import ExportError, InputError


@pytest.fixture(scope="module")
def steps():
    """What `progress` was called with."""
    return []


@pytest.fixture(scope="module")
def found(digits_export, tmp_path_factory, steps):
    data_dir = tmp_path_factory.mktemp("data")
    return analyze(digits_export, data_dir, batches=3, progress=lambda *step: steps.append(step))


def test_what_it_is_of(found, digits_export):
    subject = found.subject
    assert subject.manifest_sha256 == file_digest(digits_export / MANIFEST)
    assert (subject.network, subject.regime) == ("resnet_cifar", "bnonly")
    assert subject.recipe == subject.title == "digits_resnet14_bnonly"  # not as shipped: depth 8
    assert subject.parameters["batchnorm"] == 672
    assert subject.dataset["name"] == "digits"
    assert found.left_out == ()
    assert found.is_complete


def test_the_parts_belong_together(found, digits_export):
    model = bnkeras.load_compact(digits_export)
    assert found.gamma.size == found.beta.size == 336
    assert found.shares[0.01] == np.mean(np.abs(found.gamma) < 0.01)
    assert found.clamping.examples == found.recalibration.examples == 360
    assert found.clamping.scales == 336
    assert found.accuracy == found.recalibration.accuracy_before
    at = found.clamping.thresholds.tolist().index(0.01)
    assert found.clamping.share[at] == found.shares[0.01] > 0
    names = [layer.name for layer in model.layers if isinstance(layer, keras.layers.ReLU)]
    assert [relu.layer for relu in found.activations] == names
    assert found.activations[0].positions == 360 * 64
    assert found.mostly_zero == np.mean(found.zero_probabilities > MOSTLY_ZERO)
    # γ < 0 on what is symmetric, and a β of 0: the stem is zero in about half of the places.
    assert 0.2 < found.activations[0].probability.mean() < 0.8
    assert (found.recalibration.batches, found.recalibration.batch_size) == (3, 64)
    assert len(found.recalibration.shifts) == 9
    assert found.filters.kernels.shape == (16, 3, 3, 1)


def test_progress_is_told(found, steps):
    by_part = {part: (done, total) for part, done, total in steps}
    assert by_part == {"clamping": (2, 2), "activations": (2, 2), "recalibration": (7, 7)}
    assert steps[0] == ("clamping", 0, 2)


def test_what_is_written_is_read_again(found, tmp_path):
    found.write(tmp_path / "new")
    again = read_analysis(tmp_path / "new")
    assert again == found
    assert again.gamma.dtype == np.float32
    assert again.gamma.tobytes() == found.gamma.tobytes()
    assert again.zero_probabilities.tobytes() == found.zero_probabilities.tobytes()
    assert again.filters.scaled.tobytes() == found.filters.scaled.tobytes()
    again.write(tmp_path / "again")
    names = {file.name for file in (tmp_path / "new").iterdir()}
    assert {"analysis.json", "scales.csv", "clamping.csv", "activations.csv"} <= names
    for name in names:
        first, second = ((tmp_path / folder / name).read_bytes() for folder in ("new", "again"))
        assert first == second
    assert replace(found, left_out=(LeftOut("filters", "no"),)) != found


def test_tables_hold_the_numbers(found, tmp_path):
    found.write(tmp_path)

    def rows(name):
        with (tmp_path / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    assert [float(row["gamma"]) for row in rows("scales")] == pytest.approx(found.gamma)
    assert [int(row["right"]) for row in rows("clamping")] == found.clamping.right.tolist()
    zeros = [float(row["zero_probability"]) for row in rows("activations")]
    assert zeros == found.zero_probabilities.tolist()
    assert len(rows("norms")) == len(rows("recalibration")) == 9
    assert len(rows("relus")) == 7
    content = json.loads((tmp_path / NUMBERS).read_text("utf-8"))
    assert content["summary"]["gamma_below"]["0.01"] == found.shares[0.01]
    assert content["summary"]["accuracy"] == found.accuracy


def test_a_table_of_an_earlier_analysis_does_not_stay(found, tmp_path):
    found.write(tmp_path)
    replace(found, clamping=None).write(tmp_path)
    assert not (tmp_path / "clamping.csv").exists()
    assert read_analysis(tmp_path).accuracy is None


def test_without_data(digits_export):
    found = analyze(digits_export, measured=False)
    assert (found.clamping, found.activations, found.recalibration) == (None, None, None)
    assert found.accuracy is None
    assert found.mostly_zero is None
    assert not found.is_complete
    assert found.gamma.size == 336
    assert found.filters.of == 16
    assert {one.part for one in found.left_out} == {"clamping", "activations", "recalibration"}
    assert {one.why for one in found.left_out} == {"it was not asked for"}


def test_where_the_dataset_is_not_prepared(digits_export, tmp_path):
    model = bnkeras.build("resnet_cifar", depth=8, seed=0)
    recipe = bnkeras.recipe.load("resnet14_bnonly", ["model.depth=8"]).as_dict()
    export = bnkeras.save_compact(model, tmp_path / "export", training={"recipe": recipe})
    found = analyze(export, tmp_path / "data")
    assert {one.part for one in found.left_out} == {"clamping", "activations", "recalibration"}
    for one in found.left_out:
        assert f"cifar10 is not prepared in {tmp_path / 'data'}" in one.why
        assert "bnkeras data prepare cifar10" in one.why


def test_a_model_of_another_origin(tmp_path):
    """γ and β alone: there is no recipe, and the first layer takes no image."""
    layers = keras.layers
    inputs = keras.Input((6,))
    x = layers.BatchNormalization(name="bn")(layers.Dense(4)(inputs))
    model = keras.Model(inputs, layers.Dense(2)(layers.ReLU()(x)), name="mine")
    model.get_layer("bn").gamma.assign([0.0, 0.5, 1.0, -0.02])
    found = analyze(bnkeras.save_compact(model, tmp_path / "export"))
    assert (found.subject.network, found.subject.recipe) == ("mine", None)
    assert found.shares == {0.01: 0.25, 0.05: 0.5, 0.1: 0.5}
    reasons = {one.part: one.why for one in found.left_out}
    assert reasons["clamping"] == "the export names no recipe, and so no data"
    assert reasons["filters"] == "the first layer takes no image"
    assert read_analysis(found.write(tmp_path / "numbers")) == found


@pytest.fixture
def run_directory(digits_export, tmp_path):
    """A finished run of the export."""
    import shutil

    directory = tmp_path / "run"
    shutil.copytree(digits_export, directory / "export")
    (directory / "result.json").write_text("{}")
    return directory


def test_the_analysis_of_a_run_is_kept(found, run_directory, monkeypatch):
    module = "bnkeras.analysis.analyze.analyze"
    monkeypatch.setattr(module, lambda *a, **k: replace(found))
    first = analysis_of_run(run_directory)
    assert first == read_analysis(run_directory / "analysis") == found

    def again(*arguments, **options):
        raise AssertionError("it is there already")

    monkeypatch.setattr(module, again)
    assert analysis_of_run(run_directory) == found
    partial = replace(found, clamping=None)
    other = replace(found, subject=replace(found.subject, manifest_sha256="0"))
    for kept in (partial, other):  # what is not the whole, or of another export
        kept.write(run_directory / "analysis")
        with pytest.raises(AssertionError, match="it is there already"):
            analysis_of_run(run_directory)
    monkeypatch.setattr(module, lambda *a, **k: found)
    (run_directory / "analysis" / NUMBERS).write_text("{")
    assert analysis_of_run(run_directory) == found


def test_what_is_no_run(run_directory, tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path / 'none'} does not exist"):
        analyze(tmp_path / "none")
    with pytest.raises(InputError, match="neither a finished run"):
        analyze(tmp_path)
    (run_directory / "recipe.toml").write_text("")
    (run_directory / "result.json").unlink()
    with pytest.raises(InputError, match=r"is not finished: it has no result\.json"):
        analyze(run_directory)


def test_a_damaged_export(run_directory):
    file = run_directory / "export" / "saved_model.pb"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ExportError, match=r"saved_model\.pb has \d+ bytes"):
        analyze(run_directory)


def test_what_is_no_analysis(found, tmp_path):
    with pytest.raises(InputError, match=r"holds no analysis: it has no analysis\.json"):
        read_analysis(tmp_path)
    found.write(tmp_path)
    file = tmp_path / NUMBERS
    text = file.read_text("utf-8")
    file.write_text(text.replace('"format_version": 1', '"format_version": 9'), "utf-8")
    with pytest.raises(InputError, match="has format version 9; this version of bnkeras reads 1"):
        read_analysis(tmp_path)
    file.write_text(text.replace('"scales"', '"skales"'), "utf-8")
    with pytest.raises(InputError, match="is damaged"):
        read_analysis(tmp_path)


def test_an_analysis_is_a_value():
    with pytest.raises(TypeError, match="unhashable"):
        hash(Analysis(None, ()))
