"""Models of another origin than `bnkeras.build`: rebuilt from a configuration, or filled."""

import json
import tracemalloc

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import bnkeras
from bnkeras.compact.config import rebuild
from bnkeras.compact.interface import Interface
from bnkeras.compact.manifest import read_manifest
from bnkeras.errors import ExportError


@keras.saving.register_keras_serializable(package="test_foreign")
class Doubling(layers.Layer):
    """A registered layer."""

    def call(self, x):
        return 2 * x


@keras.saving.register_keras_serializable(package="test_foreign")
class Registered(keras.Model):
    """A subclassed model that says how to make it again."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.hidden = layers.Dense(units, name="hidden")
        self.bn = layers.BatchNormalization(name="bn")
        self.head = layers.Dense(3)  # without a name of its own

    def call(self, x, training=False):
        return self.head(self.bn(self.hidden(x), training=training))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Unregistered(keras.Model):
    """A subclassed model that nobody can make again."""

    def __init__(self, units=32):
        super().__init__(name="unregistered")
        self.hidden = layers.Dense(units, name="hidden")
        self.bn = layers.BatchNormalization(name="bn")

    def call(self, x):
        return self.bn(self.hidden(x))


class Noise(layers.Layer):
    """Random in inference, too."""

    def __init__(self):
        super().__init__(name="noisy")
        self.generator = keras.random.SeedGenerator(1)

    def call(self, x):
        return x + keras.random.normal(x.shape[1:], seed=self.generator)


def _functional():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(16, 3, name="conv")(inputs)
    x = layers.Dropout(0.3)(layers.BatchNormalization(name="bn")(x))
    x = Doubling(name="double")(layers.GlobalAveragePooling2D(name="pool")(x))
    return keras.Model(inputs, layers.Dense(10, activation="softmax", name="predictions")(x))


def _sequential():
    return keras.Sequential(
        [keras.Input((16,)), layers.Dense(32, name="one"), layers.RMSNormalization(name="norm")]
    )


def _built_by_a_call():
    model = keras.Sequential([layers.Dense(32, name="one"), layers.Dense(4, name="two")])
    model(np.ones((2, 16), np.float32))
    return model


def _nested():
    def part(name):
        inputs = keras.Input((16,))
        x = layers.BatchNormalization(name=f"{name}_bn")(layers.Dense(32, name=f"{name}_d")(inputs))
        return keras.Model(inputs, x, name=name)

    stem = keras.Sequential([layers.Dense(16, name="stem_dense")], name="stem")
    x = stem(inputs := keras.Input((20,)))
    return keras.Model(inputs, part("left")(x) + part("right")(x))


def _several():
    one, two = keras.Input((16,), name="one"), keras.Input((None,), dtype="int32", name="two")
    x = layers.Dense(32, name="dense")(one)
    y = layers.GlobalMaxPooling1D(name="pool")(layers.Embedding(50, 32, name="embedding")(two))
    x = layers.Add(name="add")([x, y])
    outputs = [layers.Dense(3, name="first")(x), layers.Dense(4, name="second")(x)]
    return keras.Model([one, two], outputs)


def _dictionaries():
    given = {name: keras.Input((16,), name=name) for name in ("b", "a")}
    x = layers.Concatenate(name="join")([given["a"], given["b"]])
    outputs = {"p": layers.Dense(30, name="x")(x), "q": layers.Dense(40, name="y")(x)}
    return keras.Model(given, outputs)


def _attention():
    inputs = keras.Input((6, 16), name="steps")
    x = layers.MultiHeadAttention(2, 16, name="attention")(inputs, inputs)
    return keras.Model(inputs, layers.LayerNormalization(name="norm")(x))


def _recurrent():
    inputs = keras.Input((None,), dtype="int64")
    x = layers.Embedding(40, 16, mask_zero=True, name="embedding")(inputs)
    x = layers.Bidirectional(layers.LSTM(16, dropout=0.2, name="lstm"), name="both")(x)
    return keras.Model(inputs, layers.Dense(2, name="sentiment")(x))


def _normalized():
    scale = layers.Normalization(name="scale")
    scale.adapt(np.random.default_rng(0).normal(3, 2, (100, 16)).astype(np.float32))
    inputs = keras.Input((16,))
    return keras.Model(inputs, layers.Dense(32, name="scores")(scale(inputs)))


def _mixed():
    inputs = keras.Input((16,))
    x = layers.Dense(32, dtype="mixed_float16", name="dense")(inputs)
    return keras.Model(inputs, layers.Dense(4, dtype="mixed_bfloat16", name="head")(x))


def _subclassed():
    model = Registered(24, name="registered")
    model(np.ones((2, 16), np.float32))
    return model


def _altered():
    base = bnkeras.build("resnet_cifar", depth=8, input_shape=(8, 8, 1), seed=3)
    return keras.Model(base.inputs, layers.Dense(3, name="head")(base.layers[-2].output))


# With the inputs and outputs of the signature.
MODELS = {
    _functional: ({"image": "float32"}, {"predictions": "float32"}),
    _sequential: ({"inputs": "float32"}, {"norm": "float32"}),
    _built_by_a_call: ({"inputs": "float32"}, {"two": "float32"}),
    _nested: ({"inputs": "float32"}, {"outputs": "float32"}),
    _several: ({"one": "float32", "two": "int32"}, {"first": "float32", "second": "float32"}),
    _dictionaries: ({"a": "float32", "b": "float32"}, {"p": "float32", "q": "float32"}),
    _attention: ({"steps": "float32"}, {"norm": "float32"}),
    _recurrent: ({"tokens": "int64"}, {"sentiment": "float32"}),
    _normalized: ({"inputs": "float32"}, {"scores": "float32"}),
    _mixed: ({"inputs": "float32"}, {"head": "bfloat16"}),
    _subclassed: ({"inputs": "float32"}, {"outputs": "float32"}),
    _altered: ({"image": "float32"}, {"head": "float32"}),
}


def _assert_equal(model, other):
    assert [v.path for v in model.weights] == [v.path for v in other.weights]
    for mine, loaded in zip(model.weights, other.weights, strict=True):
        assert mine.dtype == loaded.dtype
        np.testing.assert_array_equal(mine.numpy(), loaded.numpy(), mine.path)


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__.strip("_"))
def test_it_is_rebuilt_from_its_configuration(make, tmp_path, perturb):
    model = make()
    if make is not _altered:
        bnkeras.reseed(model, 2**63 + 5)
    perturb(bnkeras.set_regime(model, [("*kernel", "freeze"), ("*", "train")]))
    export = bnkeras.save_compact(model, tmp_path / "export")
    manifest = read_manifest(export)
    inputs, outputs = MODELS[make]
    assert {record.name: record.dtype for record in manifest.inputs} == inputs
    assert {record.name: record.dtype for record in manifest.outputs} == outputs
    assert manifest.architecture.name == model.name
    assert manifest.seed == (3 if make is _altered else 2**63 + 5)
    kernels = [row for row in manifest.variables if row.path.endswith("kernel")]
    frozen = {row.provenance for row in kernels if row.size >= 256 and "head" not in row.path}
    assert frozen == {"seeded"}
    assert manifest.of("stored")

    loaded = bnkeras.load_compact(export)
    _assert_equal(model, loaded)
    # Rounding differs: TensorFlow reorders the products of Keras' own BatchNormalization.
    assert bnkeras.verify_compact(export)["largest_difference"] < 1e-6
    # The laws came along, so that it can be trained on and saved again.
    again = bnkeras.save_compact(loaded, tmp_path / "again")
    assert read_manifest(again).variables == manifest.variables
    assert read_manifest(again).architecture == manifest.architecture


@pytest.mark.parametrize(
    "name",
    [
        "MobileNet",
        *(
            pytest.param(name, marks=pytest.mark.exhaustive)
            for name in ("MobileNetV2", "EfficientNetB0", "ResNet50", "ConvNeXtTiny")
        ),
    ],
)
def test_an_application_of_keras(name, tmp_path, perturb):
    model = getattr(keras.applications, name)(weights=None, input_shape=(32, 32, 3))
    bnkeras.set_regime(bnkeras.reseed(model, 7), "bnonly")
    export = bnkeras.save_compact(perturb(model), tmp_path / "export")
    size = sum(file.stat().st_size for file in export.rglob("*") if file.is_file())
    assert size < 0.07 * 4 * model.count_params()
    loaded = bnkeras.load_compact(export)
    assert bnkeras.regime_of(loaded) == "bnonly"
    _assert_equal(model, loaded)
    assert bnkeras.verify_compact(export)["largest_difference"] < 1e-6


def test_what_was_compiled_is_not_kept(tmp_path):
    model = bnkeras.reseed(_functional(), 1)
    model.compile("adam", "sparse_categorical_crossentropy")
    export = bnkeras.save_compact(model, tmp_path / "export")
    assert "compile_config" not in json.dumps(read_manifest(export).architecture.config)
    assert not bnkeras.load_compact(export).compiled


def test_random_states_are_left_out(tmp_path):
    model = bnkeras.reseed(_functional(), 1)
    assert any("seed_generator" in variable.path for variable in model.variables)
    export = bnkeras.save_compact(model, tmp_path / "export")
    assert not any("seed" in row.path for row in read_manifest(export).variables)


def test_noise_of_inference_is_that_of_the_export(tmp_path):
    inputs = keras.Input((16,))
    model = keras.Model(inputs, Noise()(layers.Dense(32, name="dense")(inputs)))
    served = tf.saved_model.load(str(bnkeras.save_compact(model, tmp_path / "export")))
    images = tf.random.normal((3, 16))
    one, other = (served.signatures["serving_default"](inputs=images)["noisy"] for _ in range(2))
    np.testing.assert_array_equal(one, other)
    # As the model would have computed it next.
    np.testing.assert_allclose(one, model(images), rtol=1e-5, atol=1e-6)


def test_saving_draws_no_noise(tmp_path):
    inputs = keras.Input((16,))
    noisy = Noise()(layers.Dense(32, name="dense")(inputs))
    model = keras.Model(inputs, layers.BatchNormalization(name="bn")(noisy))
    states = [variable.numpy() for variable in model.variables if variable.dtype == "uint32"]
    export = bnkeras.save_compact(model, tmp_path / "export", storage="float16")
    for variable, state in zip(
        (v for v in model.variables if v.dtype == "uint32"), states, strict=True
    ):
        np.testing.assert_array_equal(variable, state)
    # γ, β and statistics are 0 and 1: with the same noise nothing changes.
    assert read_manifest(export).probe.change == 0.0
    assert bnkeras.verify_compact(export, into=model)["since_saved"] < 1e-5


def _called():
    model = Unregistered()
    model(np.ones((2, 16), np.float32))
    return model


def test_a_model_without_a_configuration_fills_one(tmp_path, perturb, logits):
    model = perturb(bnkeras.reseed(_called(), 4))
    export = bnkeras.save_compact(model, tmp_path / "export")
    vectors = np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32)
    served = tf.saved_model.load(str(export)).signatures["serving_default"]
    wanted = logits(model, vectors)
    np.testing.assert_allclose(served(inputs=tf.constant(vectors))["outputs"], wanted, rtol=1e-5)

    message = (
        r"cannot be built from the export: .* 'Unregistered' .* load_compact\(path, into=model"
    )
    with pytest.raises(ExportError, match=message):
        bnkeras.load_compact(export)
    other = _called()
    assert bnkeras.load_compact(export, into=other) is other
    _assert_equal(model, other)
    assert bnkeras.verify_compact(export, into=_called())["largest_difference"] < 1e-6
    trained = _called()
    for variable in trained.weights:
        variable.assign(variable + 1)
    _assert_equal(model, bnkeras.load_compact(export, into=bnkeras.reseed(trained, 5)))
    again = bnkeras.save_compact(other, tmp_path / "again")
    assert read_manifest(again).variables == read_manifest(export).variables


def test_without_a_network_the_weights_are_verified_and_the_graph_is_run(tmp_path, forge):
    export = bnkeras.save_compact(bnkeras.reseed(_called(), 4), tmp_path / "export")
    assert read_manifest(export).of("seeded")
    assert bnkeras.verify_compact(export)["largest_difference"] is None

    def change(manifest):
        row = next(row for row in manifest["variables"] if row[3] == "seeded")
        row[5] = "0" * 16
        manifest["projections"][0] += 1

    forge(export, change)
    with pytest.raises(ExportError, match="the manifest says 0000000000000000"):
        bnkeras.verify_compact(export)


def test_a_model_to_fill_that_does_not_fit(tmp_path):
    export = bnkeras.save_compact(bnkeras.reseed(_called(), 4), tmp_path / "export")
    wider = Unregistered(33)
    wider(np.ones((2, 16), np.float32))
    with pytest.raises(
        ExportError, match=r"has the shape \(16, 32\) and .* 'unregistered' \(16, 33\)"
    ):
        bnkeras.load_compact(export, into=wider)
    with pytest.raises(ExportError, match=r"the export lacks the variable 'sequential.*/norm/sc"):
        bnkeras.load_compact(export, into=_sequential())
    with pytest.raises(ExportError, match=r"'unregistered' has none yet\. Call it on"):
        bnkeras.load_compact(export, into=Unregistered())


def test_an_export_of_build_fills_a_model_too(small, tmp_path, perturb):
    model = small(seed=3)
    export = bnkeras.save_compact(model, tmp_path / "export")
    _assert_equal(model, bnkeras.load_compact(export, into=small(seed=3, values=9)))


def test_a_layer_that_is_registered_elsewhere(tmp_path, monkeypatch):
    export = bnkeras.save_compact(bnkeras.reseed(_functional(), 1), tmp_path / "export")
    monkeypatch.delitem(keras.saving.get_custom_objects(), "test_foreign>Doubling")
    with pytest.raises(ExportError, match=r"'Doubling' of .* nor registered in this process\. Imp"):
        bnkeras.load_compact(export)


def _refused(model, tmp_path, message):
    with pytest.raises(ExportError, match=message):
        bnkeras.save_compact(model, tmp_path / "export")
    assert not list(tmp_path.iterdir())


def test_a_model_without_weights(tmp_path):
    _refused(keras.Sequential([layers.Dense(3)], name="empty"), tmp_path, "'empty' has no weights")


def test_two_variables_of_one_path(tmp_path):
    def part():
        inputs = keras.Input((4,))
        return keras.Model(inputs, layers.Dense(4, name="dense")(inputs))

    inputs = keras.Input((4,))
    model = keras.Model(inputs, part()(part()(inputs)), name="twice")
    _refused(model, tmp_path, "'twice' has more than one of the path 'dense/kernel'. Give its lay")


def test_a_table_inside(tmp_path):
    inputs = keras.Input((1,), dtype="string")
    x = layers.StringLookup(vocabulary=["a", "b"])(inputs)
    model = keras.Model(inputs, layers.Embedding(4, 2, name="embedding")(x))
    _refused(model, tmp_path, "such as the table of a StringLookup layer. Tables belong in a front")


def test_inputs_that_are_not_known(tmp_path):
    class Two(keras.Model):
        def __init__(self):
            super().__init__(name="two")
            self.dense = layers.Dense(3, name="dense")

        def call(self, pair):
            return self.dense(pair[0] + pair[1])

    model = Two()
    model([np.ones((2, 4), np.float32), np.ones((2, 4), np.float32)])
    _refused(model, tmp_path, "The inputs of 'two' are not known")


class Ids(keras.Model):
    """A model whose code alone says that it takes integers."""

    def __init__(self, look_up):
        super().__init__(name="ids")
        self.look_up = look_up
        self.dense = layers.Dense(3, name="dense")

    def call(self, ids):
        return self.dense(self.look_up(ids))


_IDS = np.array([[3, 7, 4, 0], [9, 0, 0, 0]], np.int32)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_a_sequential_takes_what_its_input_says(tmp_path, dtype, logits):
    model = keras.Sequential(
        [
            keras.Input((None,), dtype=dtype, name="ids"),
            layers.Embedding(50, 8, name="embedding"),
            layers.LSTM(5, name="lstm"),
            layers.BatchNormalization(name="bn"),
            layers.Dense(3, name="scores"),
        ]
    )
    ids = _IDS.astype(dtype)
    wanted = logits(model, ids)
    export = bnkeras.save_compact(model, tmp_path / "export")
    (record,) = read_manifest(export).inputs
    assert (record.name, record.dtype, record.shape) == ("ids", dtype, (None, None))
    served = tf.saved_model.load(str(export)).signatures["serving_default"]
    np.testing.assert_allclose(served(ids=tf.constant(ids))["scores"], wanted, rtol=1e-5, atol=1e-7)
    assert bnkeras.verify_compact(export)["largest_difference"] < 1e-6


def _called_on_ids(model):
    model(_IDS)
    return model


def _after_a_functional_model():
    inputs = keras.Input((None,), dtype="int32", name="ids")
    part = keras.Model(inputs, layers.Embedding(50, 8, name="embedding")(inputs))
    return keras.Sequential([part, layers.Dense(3, name="dense")], name="ids")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Ids(layers.Embedding(50, 8)), "it takes integers"),
        (lambda: Ids(layers.Embedding(50, 8, dtype="mixed_float16")), "it takes integers"),
        (lambda: Ids(lambda ids: keras.ops.one_hot(ids, 50)), "it takes integers"),
        (lambda: Ids(lambda ids: tf.gather(tf.eye(50), ids)), "it cannot be called on float32"),
        (
            lambda: keras.Sequential([layers.Embedding(50, 8), layers.Dense(3)], name="ids"),
            "it takes integers",
        ),
        (_after_a_functional_model, "it takes integers"),
    ],
)
def test_integers_that_keras_does_not_know_of(make, reason, tmp_path):
    model = _called_on_ids(make())
    _refused(model, tmp_path, rf"The inputs of 'ids' are not known: {reason}.* keras\.Model\(inp")
    # The remedy.
    inputs = keras.Input((4,), dtype="int32", name="tokens")
    export = bnkeras.save_compact(keras.Model(inputs, model(inputs)), tmp_path / "export")
    served = tf.saved_model.load(str(export)).signatures["serving_default"]
    (given,) = served(tokens=tf.constant(_IDS)).values()
    np.testing.assert_allclose(given, model(_IDS), rtol=1e-5, atol=1e-6)


def test_sparse_inputs(tmp_path):
    inputs = keras.Input((16,), sparse=True)
    model = keras.Model(inputs, layers.Dense(3, name="dense")(inputs), name="sparse")
    _refused(model, tmp_path, "The inputs of an export are dense; 'sparse' takes others")


def test_names_of_inputs_and_outputs():
    def names(shape, dtype, name=None, output=None):
        inputs = keras.Input(shape, dtype=dtype, name=name)
        model = keras.Model(inputs, layers.Flatten(name=output)(inputs))
        interface = Interface(model, classifier=False)
        (record,) = interface.inputs
        (answer,) = interface.call({record.name: keras.ops.zeros((1, *shape), dtype)})
        return record.name, answer

    assert names((4, 4, 1), "float32") == ("image", "outputs")
    assert names((4, 4, 1), "uint8") == ("image", "outputs")
    assert names((4,), "int32") == ("tokens", "outputs")
    assert names((4,), "float32") == ("inputs", "outputs")
    assert names((4, 4, 1), "float32", "my photo", "my-scores") == ("my_photo", "my_scores")


def test_names_that_would_be_the_same():
    inputs = [keras.Input((4,)), keras.Input((4,))]
    outputs = [layers.Dense(1, name="a.b")(inputs[0]), layers.Dense(2, name="a_b")(inputs[1])]
    interface = Interface(keras.Model(inputs, outputs), classifier=False)
    assert [record.name for record in interface.inputs] == ["input_0", "input_1"]
    given = interface.call(dict.fromkeys(["input_0", "input_1"], keras.ops.zeros((3, 4))))
    assert {name: value.shape for name, value in given.items()} == {
        "output_0": (3, 1),
        "output_1": (3, 2),
    }


# Hostile configurations. Each manifest has a right SHA-256.


@pytest.fixture
def export(tmp_path):
    model = bnkeras.reseed(_functional(), 1)
    return bnkeras.save_compact(model, tmp_path / "export")


def _layer(manifest, name):
    config = manifest["architecture"]["config"]["config"]
    return next(layer for layer in config["layers"] if layer["name"] == name)


def _change(layer, **values):
    def change(manifest):
        _layer(manifest, layer).update(values)

    return change


def _configure(name, **values):
    def change(manifest):
        _layer(manifest, name)["config"].update(values)

    return change


def _function(module, name):
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def _object(module, name, **config):
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


_CODE = {"class_name": "__lambda__", "config": {"value": ["4wAAAA==", None, None]}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_change("pool", module="keras.layers", class_name="Lambda"), "'Lambda', which can run"),
        (_change("pool", module="keras.layers", class_name="TFSMLayer"), "'TFSMLayer', which can"),
        (_change("pool", compile_config={"optimizer": "sgd"}), "which can run any code"),
        (_configure("predictions", activation=_CODE), "'__lambda__' of 'None', which is neither"),
        (_change("pool", module="os", class_name="system"), "'system' of 'os', which is neither"),
        (_change("pool", module="keras.utils", class_name="FeatureSpace"), "of 'keras.utils'"),
        (_change("pool", module="keras.src.utils.x", class_name="A"), "of 'keras.src.utils.x'"),
        (_change("pool", module=None, class_name="Dense"), "'Dense' of 'None'"),
        (_change("pool", module=["keras"], class_name="Dense"), "'Dense' of \"['keras']\""),
        (_configure("predictions", activation=_function("keras.utils", "get_file")), "'get_file'"),
        (_configure("predictions", activation=_function("os", "system")), "'system' of 'os'"),
        (
            _configure(
                "predictions",
                activation={
                    **_function("keras.utils", "get_source_inputs"),
                    "registered_name": "test_foreign>Doubling",
                },
            ),
            "'get_source_inputs' of 'keras.utils'",
        ),
        (
            _configure("predictions", kernel_initializer=_object("subprocess", "Popen")),
            "'Popen' of 'subprocess'",
        ),
        (_configure("predictions", units=10**9), "a 'units' of 1000000000, above 16777216"),
        (_configure("predictions", units=2**24), "of shape (16, 16777216) without a row"),
        (_configure("conv", filters=17), "of shape (3, 3, 3, 17) without a row"),
        (_configure("conv", kernel_size=[3000, 3000]), "cannot be built"),
        (_change("pool", name=3), "cannot be built"),
        (lambda m: m["architecture"]["config"].pop("config"), "cannot be built"),
        (lambda m: m["architecture"]["config"]["config"].update(layers=[]), "cannot be built"),
        (lambda m: m["architecture"].update(config={}), "cannot be built"),
        (lambda m: m["architecture"].update(config=[]), "architecture"),
    ],
)
def test_a_hostile_configuration_does_no_harm(export, forge, change, message):
    forge(export, change)
    tracemalloc.start()
    try:
        with pytest.raises(ExportError) as caught:
            bnkeras.load_compact(export)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert message in str(caught.value)
    assert peak < 50e6


def test_layers_of_other_threads_are_not_bounded(export, monkeypatch):
    from threading import Thread

    built = []
    deserialize = keras.saving.deserialize_keras_object

    def build():
        built.append(keras.Sequential([keras.Input((7,)), layers.Dense(9)]))

    def meanwhile(*args, **kwargs):
        thread = Thread(target=build)
        thread.start()
        thread.join()
        return deserialize(*args, **kwargs)

    monkeypatch.setattr(keras.saving, "deserialize_keras_object", meanwhile)
    bnkeras.load_compact(export)
    assert built[0].layers[0].kernel.shape == (7, 9)
    add_weight = layers.Layer.add_weight
    with pytest.raises(ExportError):
        rebuild.build_from({"class_name": "Lambda", "config": {}}, ())
    assert layers.Layer.add_weight is add_weight


def test_another_law_than_the_layer_has(export, forge):
    def change(manifest):
        row = next(row for row in manifest["variables"] if row[3] == "seeded")
        row[4] = "orthogonal"

    forge(export, change)
    with pytest.raises(ExportError, match="a law that seeds to rounding only: orthogonal"):
        bnkeras.load_compact(export)


def test_no_seed_for_what_is_seeded(export, forge):
    forge(export, lambda manifest: manifest.update(seed=None))
    with pytest.raises(ExportError, match="seed: there is none for the seeded variables"):
        bnkeras.load_compact(export)
