"""`bnkeras compact add`, and the other commands on what it makes."""

import json
from functools import partial

import numpy as np
import pytest

import bnkeras
from bnkeras.compact.manifest.records import MANIFEST
from bnkeras.pipelines import ImageFront

NAMES = [f"digit {i}" for i in range(10)]


@pytest.fixture
def run(call_bnkeras):
    return partial(call_bnkeras, "compact")


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """Three exports of one seed, the third of which takes raw images."""
    folder = tmp_path_factory.mktemp("exports")
    fronts = {"one": None, "two": None, "raw": ImageFront(((), ()), (8, 8, 1), scale="unit")}
    paths = {}
    for value, (name, front) in enumerate(fronts.items(), start=1):
        model = bnkeras.build("resnet_cifar", depth=8, input_shape=(8, 8, 1), seed=3)
        beta = bnkeras.set_regime(model, "bnonly").get_layer("stem_bn").beta
        beta.assign(np.full(beta.shape, value / 10, np.float32))
        paths[name] = bnkeras.save_compact(
            model,
            folder / name,
            front=front,
            class_names=NAMES,
            preprocessing={"scale": "unit"},
            training={"result": {"recipe": name, "test_accuracy": value / 4}},
        )
    return paths


def test_exports_become_tasks(run, exports, tmp_path):
    many = tmp_path / "many"
    many.mkdir()
    code, out, err = run("add", many, f"one={exports['one']}", f"raw={exports['raw']}")
    assert (code, err) == (0, "")
    assert "one, raw" in out
    assert f"{many}, " in out
    assert run("add", many, f"two={exports['two']}")[0] == 0

    code, out, _ = run("inspect", many)
    assert code == 0
    assert out.startswith("network 0    resnet_cifar(")
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    assert rows["one"] == ["one", "0", "bnonly", "10", "one", "5,992", "25.00%"]
    assert rows["two"][-1] == "50.00%"
    facts = json.loads(run("inspect", many, "--json")[1])
    assert [task["task"] for task in facts["tasks"]] == ["one", "raw", "two"]
    assert facts["provenance"][0]["variables"] == 9
    assert facts["provenance"][1]["stored_bytes"] == 3 * 5992

    code, out, _ = run("inspect", many, "--task", "raw")
    assert "front        image uint8 [?, 8, 8, 1] -> logits float32" in out
    assert ", labels string [?]" in out
    assert "accuracy     75.00%" in out

    code, out, _ = run("verify", many)
    assert code == 0
    assert "27 regenerated from seed 3 and 114 stored ones of 3 tasks" in out
    assert json.loads(run("verify", many, "--task", "two", "--json")[1])["verified"]


def test_raw_data_stay_raw(run, exports, tmp_path):
    import tensorflow as tf

    run("add", tmp_path / "many", f"raw={exports['raw']}", f"one={exports['one']}")
    run("add", tmp_path / "many", f"two={exports['two']}")
    raw = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1)).astype(np.uint8)
    task = tf.saved_model.load(str(tmp_path / "many")).signatures["raw"](image=raw)
    alone = tf.saved_model.load(str(exports["raw"])).signatures["serving_default"](image=raw)
    for name, wanted in alone.items():
        np.testing.assert_array_equal(task[name], wanted)
    assert task["labels"][0].numpy().decode() in NAMES


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one"], "A task is given as NAME=EXPORT; received 'one'"),
        (["=one"], "A task is given as NAME=EXPORT"),
        (["a=x", "a=y"], "Each task has a name of its own; received a=x, a=y"),
        (["one=nowhere"], "nowhere does not exist"),
    ],
)
def test_bad_input(run, tmp_path, arguments, message):
    code, out, err = run("add", tmp_path / "many", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "many").exists()


def test_what_cannot_be_joined(run, exports, tmp_path):
    other = bnkeras.build("resnet_cifar", depth=8, input_shape=(8, 8, 1), seed=4)
    path = bnkeras.save_compact(bnkeras.set_regime(other, "bnonly"), tmp_path / "other")
    code, _, err = run("add", tmp_path / "many", f"one={exports['one']}", f"other={path}")
    assert code == 1
    assert "Tasks of one export are over one seed" in err
    run("add", tmp_path / "many", f"one={exports['one']}")
    code, _, err = run("add", tmp_path / "many", f"one={exports['two']}")
    assert (code, "has a task 'one' already" in err) == (1, True)
    before = (tmp_path / "many" / MANIFEST).read_bytes()
    assert run("add", tmp_path / "many", f"new={exports['two']}", f"one={exports['two']}")[0] == 1
    code, _, err = run("add", tmp_path / "many", f"new={exports['two']}", f"other={path}")
    assert (code, "is of the seed 3, the task 'other' of 4" in err) == (1, True)
    assert (tmp_path / "many" / MANIFEST).read_bytes() == before
    assert run("add", tmp_path / "many", f"one={exports['two']}", "--replace")[0] == 0
    assert "50.00%" in run("inspect", tmp_path / "many")[1]


def test_another_front_is_not_guessed(run, exports, tmp_path):
    import tensorflow as tf

    class Mine(tf.Module):
        spec = tf.TensorSpec([None, 8, 8, 1], tf.float32, "image")

        def __call__(self, images):
            return images * 2

    path = bnkeras.save_compact(
        bnkeras.load_compact(exports["one"]),
        tmp_path / "mine",
        front=Mine(),
        preprocessing={"scale": "unit"},
    )
    code, _, err = run("add", tmp_path / "many", f"mine={path}")
    assert code == 2
    assert "takes raw data by a front that is in its graph alone, and of which its" in err


def test_external_and_rounded_weights_stay_so(run, tmp_path):
    import keras

    from bnkeras.compact.manifest import read_manifest

    inputs = keras.Input((16,), name="x")
    hidden = keras.layers.Dense(20, name="back")(inputs)
    model = keras.Model(inputs, keras.layers.BatchNormalization(name="bn")(hidden), name="m")
    bnkeras.set_regime(model, "bnonly")
    options = {"external": ["back/*"], "external_origin": "mine"}
    halved = bnkeras.save_compact(model, tmp_path / "half", storage="float16", **options)
    whole = bnkeras.save_compact(model, tmp_path / "whole", **options)
    assert run("add", tmp_path / "one", f"a={halved}")[0] == 0
    assert run("add", tmp_path / "both", f"a={halved}", f"b={whole}")[0] == 0
    for many, dtype in (("one", "float16"), ("both", "float32")):
        manifest = read_manifest(tmp_path / many, "a")
        assert manifest.external == read_manifest(halved).external
        assert {row.dtype for row in manifest.of("stored")} == {dtype}
