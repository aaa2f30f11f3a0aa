"""Exports that mean harm: no code is run, no file outside read, no time or memory taken.

Each manifest has a right SHA-256. What single fields may hold is in `test_manifest.py`, what
forged networks do in `test_reader.py`, and single layers in `test_foreign.py`.
"""

import hashlib
import json
import os
import sys
import time

import keras
import numpy as np
import pytest
from keras import layers

import bnkeras
from bnkeras.compact.config import bounds
from bnkeras.compact.config.rebuild import build_from, record_of
from bnkeras.compact.manifest import MANIFEST
from bnkeras.compact.manifest.records import Provenance
from bnkeras.errors import ExportError


def _refused(export, *parts):
    with pytest.raises(ExportError) as caught:
        bnkeras.load_compact(export)
    for part in parts:
        assert part in str(caught.value)
    return str(caught.value)


# Names of files.


@pytest.mark.parametrize(
    "name",
    [
        "//server/share/secret",
        "\\\\server\\share\\secret",
        "\\\\?\\C:\\secret",
        "c:",
        "/",
        "variables/..",
        "variables\\..\\..\\secret",
        "..",
    ],
)
def test_more_ways_out_of_the_export(export, forge, name):
    def change(manifest):
        manifest["files"][name] = {"bytes": 6, "sha256": hashlib.sha256(b"secret").hexdigest()}

    (export.parent / "secret").write_bytes(b"secret")
    forge(export, change)
    _refused(export, f"a file outside of the export: {name!r}")


@pytest.mark.parametrize(
    "name",
    [
        "a" * 5000,
        "a/" * 5000 + "a",
        "saved_model.pb\0",
        "saved_model.pb ",
        "saved_model.pb/",
        "saved_model\u200b.pb",
        "\u202ebp.ledom_devas",
        "ſaved_model.pb",
        "．．/secret",
        "./saved_model.pb",
        "variables/./../saved_model.pb",
        "variables//variables.index",
    ],
)
def test_names_that_are_no_file_or_another_way_to_one(export, forge, name):
    def change(manifest):
        manifest["files"][name] = manifest["files"]["saved_model.pb"]

    forge(export, change)
    _refused(export, str(export))


def test_many_ways_to_one_file_are_not_read(export, forge):
    """A large file that is listed many times would be read many times."""

    def change(manifest):
        record = manifest["files"]["saved_model.pb"]
        manifest["files"] |= {f"{'./' * (i + 1)}saved_model.pb": record for i in range(1000)}

    forge(export, change)
    _refused(export, "roundabout")


def test_a_link_out_of_the_export_is_read_and_nothing_more(export, tmp_path):
    """As copies that share files have them. Its digest must be known to whoever set it."""
    graph = export / "saved_model.pb"
    graph.rename(tmp_path / "elsewhere")
    graph.symlink_to(tmp_path / "elsewhere")
    bnkeras.load_compact(export)
    (tmp_path / "elsewhere").write_bytes(b"other")
    assert "other" not in _refused(export, "has 5 bytes")


# Sizes, and JSON that is none of a manifest.


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([2**31] * 8, "claims a network of"),
        ([10**6, 10**6], "claims a network of"),
        ([0, *[2**31] * 7], "bn/gamma"),
        ([0], "bn/gamma"),
        ([], "bn/gamma"),
        ([16, 1], "bn/gamma"),
    ],
)
@pytest.mark.parametrize("damaged", [False, True])
def test_rows_of_any_shape(export, forge, shape, message, damaged):
    """Also where the stored file is damaged, and its rows are read to say which changed."""

    def change(manifest):
        row = next(row for row in manifest["variables"] if row[0].endswith("gamma"))
        row[1] = shape
        if damaged:
            manifest["files"][manifest["stored"]["file"]]["sha256"] = "0" * 64

    forge(export, change)
    _refused(export, str(export), "" if damaged else message)


@pytest.mark.parametrize("provenance", ["seeded", "stored"])
def test_a_model_without_a_configuration_and_rows_of_any_shape(export, forge, provenance):
    """Nothing but the rows says then what is read and regenerated."""

    def change(manifest):
        manifest["architecture"] = {"name": "mine", "reason": "none"}
        manifest["variables"] = [
            ["w", [0, *[2**31] * 7], "float32", provenance, "he_normal", "0" * 16]
            if provenance == "seeded"
            else ["w", [0, *[2**31] * 7], "float32", provenance, None, "0" * 16]
        ]
        manifest["projections"] = [0.0] if provenance == "seeded" else []

    forge(export, change)
    with pytest.raises(ExportError, match=str(export)):
        bnkeras.verify_compact(export)


@pytest.mark.parametrize("size", [-1, -(10**400), 10**400, 2**70])
def test_a_size_of_a_file_that_none_has(export, forge, size):
    def change(manifest):
        manifest["files"]["fingerprint.pb"]["bytes"] = size

    forge(export, change)
    _refused(export, "fingerprint.pb")


def _write(export, text):
    digest = hashlib.sha256(text.encode()).hexdigest()
    (export / MANIFEST).write_text(f'{{"sha256":"{digest}",\n"manifest":{text}}}\n')


@pytest.mark.parametrize("depth", [900, 10**5, 10**6])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_json_that_is_nested_deeply(export, forge, depth, opening, closing):
    text = json.dumps(json.loads((export / MANIFEST).read_text())["manifest"], sort_keys=True)
    nested = opening * depth + "1" + closing * depth
    _write(export, text.replace('"training": null', f'"training": {{"a": {nested}}}'))
    _refused(export, "is damaged")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"seed":5', '"seed":5,"seed":5'),
        ('"seed":5', '"seed":6,"seed":5'),
        ('"training":null', '"training":{"a":NaN}'),
        ('"training":null', '"training":{"a":Infinity}'),
        ('"training":null', '"training":{"a":1e999}'),
        ('"training":null', '"training":{"a":' + "9" * 5000 + "}"),
        ('"regime":"all"', '"regime":"\\ud800"'),
        ('"seed":5', '"seed":5.0'),
        ('"seed":5', '"seed":true'),
        ('"format_version":', '"format_version":1e0,"was":'),
    ],
)
def test_json_that_a_writer_never_writes(export, old, new):
    text = (export / MANIFEST).read_text().split('"manifest":', 1)[1][:-2]
    assert old in text
    _write(export, text.replace(old, new, 1))
    _refused(export, str(export))


def test_a_manifest_of_a_gigabyte_is_not_read(export):
    os.truncate(export / MANIFEST, 2**30)
    before = time.monotonic()
    _refused(export, f"it has {2**30} bytes")
    assert time.monotonic() - before < 1


# Configurations of Keras.


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """An export of a model by its configuration, in place of one of `bnkeras.build`."""
    folder = tmp_path_factory.mktemp("pristine")
    model = bnkeras.reseed(
        keras.Sequential(
            [
                keras.Input((4, 16)),
                layers.Dense(32, name="dense"),
                layers.BatchNormalization(name="bn"),
            ]
        ),
        5,
    )
    return bnkeras.save_compact(model, folder / "export")


def _object(module, name, config, /, **more):
    fields = {"module": module, "class_name": name, "config": config, "registered_name": None}
    return {**fields, **more}


def _tensor(name, shape, node=0):
    config = {"shape": shape, "dtype": "float32", "keras_history": [name, node, 0]}
    return {"class_name": "__keras_tensor__", "config": config}


def _call(*args):
    return {"args": list(args), "kwargs": {}}


def _layer(module, kind, calls, name="x", **config):
    return _object(module, kind, {"name": name, **config}, name=name, inbound_nodes=calls)


def _input(*shape):
    return _layer("keras.layers", "InputLayer", [], "i", batch_shape=[None, *shape])


def _functional(*parts, name="f", output=None):
    config = {
        "name": name,
        "trainable": True,
        "layers": list(parts),
        "input_layers": [["i", 0, 0]],
        "output_layers": [output or [parts[-1]["name"], 0, 0]],
    }
    return _object("keras.src.models.functional", "Functional", config)


def _one(kind, shape=(4,), module="keras.layers", **config):
    """A model of a single layer."""
    return _functional(
        _input(*shape), _layer(module, kind, [_call(_tensor("i", [None, *shape]))], **config)
    )


def _values(kind, dtype, value):
    return {"class_name": kind, "config": {"value": value, "dtype": dtype}}


def _at_no_tensor(module, kind, call, **config):
    return _functional(_input(4), _layer(module, kind, [call], **config), output=["i", 0, 0])


_LAMBDA = {"class_name": "__lambda__", "config": {"code": "4wAAAA==", "defaults": None}}
_SIDE = 2**17
# No tensor of the model: what stands beside a value is not read.
_NOWHERE = {"class_name": "__bytes__", "config": {"value": "a"}, "b": _tensor("i", [None, 4])}


def _nested(inner):
    """`inner` inside two models, a wrapper, and a list of cells."""
    wrapped = _object("keras.layers", "TimeDistributed", {"layer": inner, "name": "t"})
    sequential = _object("keras.src.models.sequential", "Sequential", {"layers": [wrapped]})
    cells = _object("keras.layers", "StackedRNNCells", {"cells": [sequential]})
    return _object("keras.src.models.sequential", "Sequential", {"layers": [cells], "name": "s"})


@pytest.fixture(scope="module")
def audit():
    """Note the files that Python opens in the list `opened`, where there is one."""
    files = {"opened": None}

    def note(event, args):
        if event == "open" and files["opened"] is not None:
            files["opened"].append(str(args[0]))

    sys.addaudithook(note)  # there is no way to take it off again
    return files


@pytest.fixture
def opened(audit):
    """The files that Python opens during a test."""
    audit["opened"] = []
    yield audit["opened"]
    audit["opened"] = None


@pytest.mark.parametrize(
    ("config", "message"),
    [
        # Code and files, by other names.
        (_nested(_object("keras.layers", "Lambda", {"function": _LAMBDA})), "'Lambda', which can"),
        (_nested({"class_name": "Lambda", "config": {}}), "'Lambda', which can run any code"),
        (_nested(_object("keras.layers", "Activation", {"activation": _LAMBDA})), "'__lambda__'"),
        (_one("layers.Lambda", module="keras", function=_LAMBDA), "'layers.Lambda' of 'keras'"),
        (_one("layers.TFSMLayer", module="keras", filepath="x"), "'layers.TFSMLayer' of 'keras'"),
        (_one("utils.FeatureSpace", module="keras", features={}), "'utils.FeatureSpace' of 'kera"),
        (_one("callbacks.CSVLogger", module="keras", filename="pwned"), "'callbacks.CSVLogger'"),
        (_one("applications.ResNet50", module="keras", weights="x"), "'applications.ResNet50'"),
        (_one("__lambda__", module="keras"), "'__lambda__' of 'keras'"),
        ({**_one("ReLU"), "class_name": "__typespec__", "spec_name": "A"}, "'__typespec__' of"),
        (_one("get_file", module="keras.utils", origin="http://127.0.0.1:9/a"), "'get_file' of"),
        (_one("load_model", module="keras.models", filepath="x"), "'load_model' of 'keras.models'"),
        (_one("Lambda", module="keras.src.layers.core.lambda_layer"), "'Lambda', which can run"),
        (_one("serialization_lib", module="keras.src.layers.layer"), "cannot be built"),
        (_one("StringLookup", vocabulary="/etc/passwd"), "cannot be built"),
        # What would be computed while it is built.
        (_at_no_tensor("keras.src.ops.numpy", "Tile", _call([1.0]), repeats=[_SIDE] * 2), "on no"),
        (_at_no_tensor("keras.src.ops.numpy", "Tile", [], repeats=[_SIDE] * 2), "on no tensor"),
        (_at_no_tensor("keras.src.ops.numpy", "Tile", {}, repeats=[_SIDE] * 2), "on no tensor"),
        (_at_no_tensor("keras.src.ops.numpy", "Tile", _call(_NOWHERE), repeats=[9]), "on no tens"),
        (_one("Normalization", (_SIDE, _SIDE), axis=[1, 2], mean=0.5, variance=1.0), "constants"),
        (_one("Rescaling", scale=_values("__numpy__", "U16000000", ["a"] * 99)), "no numbers"),
        (_one("Rescaling", scale=_values("__tensor__", "string", "a")), "no numbers"),
        (
            _one("Split", (2**24,), "keras.src.ops.numpy", indices_or_sections=2**22),
            "too many steps",
        ),
        (_one("Dense", units="9" * 5000), "cannot be built"),
        (_one("ReLU", name="n" * 10**6), "f"),
    ],
)
def test_a_configuration_is_refused(export, forge, opened, config, message):
    forge(export, lambda manifest: manifest["architecture"].update(config=config))
    before = time.monotonic()
    told = _refused(export, message)
    assert time.monotonic() - before < 5
    assert len(told) < 3000
    assert not {"/etc/passwd", "pwned"} & set(opened)


def test_models_that_call_each_other_twice_do_not_double_the_time(export, forge):
    """Thirty models, each of which calls the one inside it twice, are 2^30 calls."""
    shape = [None, None]
    relu = _layer("keras.layers", "ReLU", [_call(_tensor("i", shape))], "r")
    model = _functional(_input(None), relu, name="m0")
    for level in range(1, 30):
        inner = f"m{level - 1}"
        calls = [_call(_tensor("i", shape)), _call(_tensor(inner, shape))]
        model = {**model, "name": inner, "inbound_nodes": calls}
        outer = _input(None if level < 29 else 4)
        model = _functional(outer, model, name=f"m{level}", output=[inner, 2, 0])
    forge(export, lambda manifest: manifest["architecture"].update(config=model))
    before = time.monotonic()
    _refused(export, "too many steps")
    assert time.monotonic() - before < 20


def _chain(count):
    return [
        _layer(
            "keras.layers", "ReLU", [_call(_tensor(f"r{i - 1}" if i else "i", [None, 4]))], f"r{i}"
        )
        for i in range(count)
    ]


def test_layers_from_the_last_to_the_first_take_no_square_of_time(export, forge):
    """Keras tries all layers over and over until all that each needs is there."""
    config = _functional(_input(4), *reversed(_chain(300)), output=["r299", 0, 0])
    forge(export, lambda manifest: manifest["architecture"].update(config=config))
    _refused(export, "too many steps")


def test_layers_that_wait_for_each_other(export, forge):
    first, second = _chain(2)
    first["inbound_nodes"] = [_call(_tensor("r1", [None, 4]))]
    config = _functional(_input(4), first, second)
    forge(export, lambda manifest: manifest["architecture"].update(config=config))
    _refused(export, "cannot be built")


def _rows(model):
    return [
        Provenance(v.path, tuple(v.shape), "float32", "stored", None, "0") for v in model.weights
    ]


def test_an_initializer_of_a_configuration_is_not_run():
    """An orthogonal matrix of this size takes hours; the row says what comes into it."""

    @keras.saving.register_keras_serializable(package="test_hostile")
    class Slow(keras.initializers.Initializer):
        def __call__(self, shape, dtype=None):
            raise AssertionError("it was run")

    inputs = keras.Input((4,))
    dense = layers.Dense(3, name="dense")
    model = keras.Model(inputs, dense(inputs))
    dense.kernel_initializer = Slow()
    config = record_of(model).config
    built = build_from(config, _rows(model))
    assert isinstance(built.get_layer("dense").kernel_initializer, Slow)
    assert not np.any(built.get_layer("dense").kernel.numpy())


def test_layers_may_say_their_shape_first():
    """`add_weight((n,))`, not only `add_weight(shape=(n,))`."""

    @keras.saving.register_keras_serializable(package="test_hostile")
    class Scale(layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight((shape[-1],), "ones", name="scale")

        def call(self, x):
            return self.scale * x

    inputs = keras.Input((4,))
    model = keras.Model(inputs, Scale(name="scale")(inputs))
    row = Provenance("scale/scale", (4,), "float32", "stored", None, "0")
    assert build_from(record_of(model).config, [row]).weights[0].shape == (4,)
    with pytest.raises(ExportError, match="'scale' has a variable of shape"):
        build_from(record_of(model).config, [row._replace(shape=(5,))])


def test_a_long_model_is_built():
    """Keras takes the square of its layers as many steps for a `Sequential`."""
    chain = [layers.ReLU(name=f"relu{i}") for i in range(80)]
    model = keras.Sequential([keras.Input((4,)), *chain, layers.Dense(2, name="dense")])
    assert len(build_from(record_of(model).config, _rows(model)).layers) == 81


def test_models_of_keras_take_far_fewer_steps_than_are_allowed(monkeypatch):
    model = keras.applications.MobileNet(weights=None, input_shape=(32, 32, 3))
    config = record_of(model).config
    monkeypatch.setattr(bounds, "_STEPS", 0)
    monkeypatch.setattr(bounds, "_STEPS_PER_OBJECT", 1)
    build_from(config, _rows(model))


# All of it in a process that may take little.


@pytest.mark.exhaustive
def test_a_large_manifest_takes_bounded_memory(tmp_path, in_fresh_process):
    """The JSON that takes the most memory for its size, at the bound of the size."""
    (tmp_path / MANIFEST).parent.mkdir()
    text = f'{{"format_version":3,"training":{{"a":[{",".join(["[]"] * (2**26 // 3 - 100))}]}}}}'
    _write(tmp_path, text)
    assert (tmp_path / MANIFEST).stat().st_size <= 2**26
    assert "is damaged" in in_fresh_process("bounded.py", tmp_path, 2**33)


@pytest.mark.exhaustive
def test_a_million_layers(export, forge, in_fresh_process):
    forge(
        export,
        lambda manifest: manifest["architecture"].update(
            config=_object(
                "keras.src.models.sequential",
                "Sequential",
                {"name": "s", "layers": [_object("keras.layers", "ReLU", {})] * 10**6},
            )
        ),
    )
    assert "bytes, and a manifest at most" in in_fresh_process("bounded.py", export, 2**33)
