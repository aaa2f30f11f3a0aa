"""An export as ordinary files of Keras, which need no bnkeras."""

import importlib.util
import json
import sys

import keras
import numpy as np
import pytest

import bnkeras
from bnkeras.compact.slim import slimming
from bnkeras.compact.stock import expand
from bnkeras.compact.stock.expand import expand_compact
from bnkeras.errors import ExportError, InputError

_DIGITS = {"depth": 8, "input_shape": (8, 8, 1)}
_TWEETS = {"name": "tweet_lstm", "vocabulary_size": 50, "embedding": 8, "units": 6}
CASES = {
    "resnet": _DIGITS,
    "tweets": {**_TWEETS, "norm": "group"},
}


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    """Expand every case, with inputs and the outputs of the exported network beside it."""
    folder = tmp_path_factory.mktemp("expanded")
    random = np.random.default_rng(0)
    for seed, (case, arguments) in enumerate(CASES.items(), start=100):
        model = trained(**{"seed": seed, "values": seed, **arguments})
        export, moved, external = folder / "exports" / case, folder / "moved", []
        if case == "tweets":
            vectors = model.get_layer("embedding").embeddings
            vectors.assign(random.normal(0, 1, vectors.shape).astype(np.float32))
            external = ["embedding/*"]
        bnkeras.save_compact(model, export, external=external)
        if external:
            (folder / "exports" / "external").rename(moved)
        expand_compact(export, folder / f"{case}.keras", [moved])
        if case == "tweets":
            inputs = random.integers(0, 50, (5, 9)).astype(np.int32)
        else:
            inputs = random.normal(size=(5, 8, 8, 1)).astype(np.float32)
        np.save(folder / f"{case}.inputs.npy", inputs)
        np.save(folder / f"{case}.wanted.npy", np.asarray(model(inputs, training=False)))
    return folder


def _assert_same_outputs(folder, largest):
    for case in CASES:
        wanted, given = (np.load(folder / f"{case}.{name}.npy") for name in ("wanted", "again"))
        assert wanted.std() > 0
        np.testing.assert_allclose(given, wanted, rtol=0, atol=largest * np.abs(wanted).max())


def test_keras_alone_loads_it(folder, in_fresh_process):
    trains = json.loads(in_fresh_process("expanded.py", folder))
    _assert_same_outputs(folder, 2e-6)
    model = bnkeras.load_compact(folder / "exports" / "resnet")
    assert trains["resnet"] == sorted(variable.path for variable in model.trainable_variables)


@pytest.mark.exhaustive
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
def test_keras_on_jax_loads_it(folder, in_fresh_process):
    in_fresh_process("expanded.py", folder, environment={"KERAS_BACKEND": "jax"})
    _assert_same_outputs(folder, 1e-5)


def test_it_goes_beside_the_export(export, monkeypatch):
    done = expand_compact(export)
    assert done.model == export.with_name("export.keras")
    assert done.weights == export.with_name("export.weights.h5")
    assert done.needs == []
    assert done.recursion_limit is None
    assert done.largest_difference < 2e-6
    assert not list(export.parent.glob(".*"))
    monkeypatch.chdir(export)
    assert expand_compact(".", force=True).model == export.with_name("export.keras")


def test_files_that_are_there_stay(export, tmp_path):
    (tmp_path / "mine.weights.h5").write_text("mine")
    with pytest.raises(InputError, match=r"mine\.weights\.h5 exists\. .*--force"):
        expand_compact(export, tmp_path / "mine.keras")
    assert (tmp_path / "mine.weights.h5").read_text() == "mine"
    assert not (tmp_path / "mine.keras").exists()
    # Of a process that was killed; the number is above all that Linux gives.
    left = tmp_path / ".mine.keras.partial-99999999"
    left.mkdir()
    expand_compact(export, tmp_path / "mine.keras", force=True)
    assert not left.exists()
    assert (tmp_path / "mine.weights.h5").stat().st_size > 100_000
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(InputError, match=r"folder\.keras exists"):
        expand_compact(export, tmp_path / "folder.keras", force=True)


def test_a_place_that_cannot_be_written(export, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match=r"x\.keras cannot be written: .*Not a directory"):
        expand_compact(export, tmp_path / "file" / "x.keras")


@pytest.mark.parametrize("name", ["mine.h5", "mine", "mine.weights.h5"])
def test_the_name_of_the_file(export, tmp_path, name):
    with pytest.raises(InputError, match=rf"named \*\.keras; received '.*{name}'"):
        expand_compact(export, tmp_path / name)


def test_other_outputs_are_refused(export, tmp_path, monkeypatch):
    def wrong(model):
        model.get_layer("stem_bn").beta.assign_add(np.ones(16, np.float32))
        return model

    kept = tmp_path / "mine.keras"
    kept.write_text("before")
    monkeypatch.setattr(expand, "stock_model", lambda model: wrong(bnkeras.load_compact(export)))
    with pytest.raises(ExportError, match=r"gives other outputs, by [\d.]+ of the largest"):
        expand_compact(export, kept, force=True)
    assert kept.read_text() == "before"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["export", "mine.keras"]


def test_one_of_several_tasks(small, tmp_path):
    tasks = {"a": small(seed=5, values=1), "b": small(seed=5, values=2)}
    export = bnkeras.save_compact(tasks, tmp_path / "tasks")
    file = expand_compact(export, task="b").model
    images = np.random.default_rng(0).normal(size=(3, 8, 8, 1)).astype(np.float32)
    given = np.asarray(keras.models.load_model(file)(images))
    a, b = (np.asarray(model(images)) for model in tasks.values())
    np.testing.assert_allclose(given, b, rtol=0, atol=2e-6 * np.abs(b).max())
    assert np.abs(given - a).max() > 0.1
    with pytest.raises(InputError, match="the tasks a, b"):
        expand_compact(export, tmp_path / "all.keras")


def test_a_slim_network(small, tmp_path):
    model = small(seed=5)
    gamma = model.get_layer("group1_block0_bn1").gamma
    gamma.assign(np.where(np.arange(16) < 5, 0, gamma.numpy()))
    slim, _ = slimming.slim(model)
    done = expand_compact(bnkeras.save_compact(slim, tmp_path / "slim"))
    assert done.needs == []
    again = keras.models.load_model(done.model)
    assert 11 <= again.get_layer("group1_block0_conv1").filters <= 12
    images = np.random.default_rng(0).normal(size=(3, 8, 8, 1)).astype(np.float32)
    given, wanted = (np.asarray(network(images)) for network in (again, slim))
    np.testing.assert_allclose(given, wanted, rtol=0, atol=2e-6 * np.abs(wanted).max())


def test_a_model_that_cannot_be_built(tmp_path):
    inputs = keras.Input((4,))
    x = keras.layers.Lambda(lambda x: x + 1, name="one")(keras.layers.Dense(3)(inputs))
    bnkeras.save_compact(keras.Model(inputs, x, name="mine"), tmp_path / "export")
    with pytest.raises(ExportError, match=r"'mine', which cannot be built .*ambda"):
        expand_compact(tmp_path / "export")
    assert [file.name for file in tmp_path.iterdir()] == ["export"]


@pytest.mark.exhaustive
def test_a_deep_network(trained, tmp_path, in_fresh_process):
    model = trained(depth=302, width=0.125, input_shape=(8, 8, 1))
    done = expand_compact(bnkeras.save_compact(model, tmp_path / "deep"))
    assert done.recursion_limit > 1000
    before = sys.getrecursionlimit()
    with pytest.raises(RecursionError):
        keras.models.load_model(done.model)
    try:
        sys.setrecursionlimit(done.recursion_limit)
        keras.models.load_model(done.model)
    finally:
        sys.setrecursionlimit(before)
