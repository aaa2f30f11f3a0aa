"""An export gives the bits of the network it was made of, wherever it is loaded."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import bnkeras
from bnkeras.compact.interface import Interface
from bnkeras.models.registry import architecture_of
from bnkeras.regimes import REGIMES

_DIGITS = {"depth": 8, "input_shape": (8, 8, 1)}
_TWEETS = {"name": "tweet_lstm", "vocabulary_size": 50, "embedding": 8, "units": 6}

# Every case but the twin has a seed of its own: none can borrow the weights of another.
BUILT = {regime: {**_DIGITS, "regime": regime} for regime in REGIMES} | {
    "photos": {"depth": 14},
    "mlp": {"name": "mlp", "regime": "bnoutput", "hidden": (64, 48, 32)},
    "digits": {**_DIGITS, "seed": 99},
    "twin": {**_DIGITS, "seed": 99},
    "bfloat16": {"depth": 14, "dtype": "mixed_bfloat16"},
    "bfloat16_by_policy": {**_DIGITS, "policy": "mixed_bfloat16"},
    "width": {"depth": 8, "width": 2},
    "he_uniform": {**_DIGITS, "features": "he_uniform"},
    "binary": {**_DIGITS, "features": "binary", "gamma": "constant(0.5)"},
    "orthogonal": {**_DIGITS, "features": "orthogonal(1.5)", "beta": "uniform(-1, 1)"},
    "normal": {**_DIGITS, "features": "normal(0.1)"},
    "uniform": {**_DIGITS, "features": "uniform(-0.1, 0.2)"},
    "constant": {**_DIGITS, "features": "constant(0.01)"},
    "instance": {**_DIGITS, "norm": "instance"},
    "random2": {**_DIGITS, "regime": "random2"},
    "random1spreadoutput": {**_DIGITS, "regime": "random1spreadoutput"},
    "tweets": _TWEETS,
    "tweets_random3": {**_TWEETS, "regime": "random3"},
    "front": _TWEETS,
    "external": {**_TWEETS, "vocabulary_size": 60},
}
FOREIGN = ("functional", "foreign_random2", "backbone", "copied")
# What the default tests take: each way that weights come into a graph, and each kind of model.
_FEW = {"bnonly", "digits", "twin", "bfloat16", "instance", "random2", "front", "external"}
_FEW |= {"foreign_random2", "copied"}
CASES = [
    pytest.param(case, marks=() if case in _FEW else pytest.mark.exhaustive)
    for case in (*BUILT, *FOREIGN)
]
# Weights of another origin than the seed, as a pretrained backbone has them.
_OTHER = {"external": "embedding/*", "backbone": "*", "copied": "*"}
BATCHES = (1, 5, 32)


def _functional(seed):
    """A model of Keras' own layers, with an integer and a random state among its variables."""
    scale = layers.Normalization(name="scale")
    scale.adapt(np.random.default_rng(1).normal(2, 3, (200, 6, 6, 2)).astype(np.float32))
    inputs = keras.Input((None, None, 2))
    x = scale(inputs)
    x = layers.Conv2D(24, 3, padding="same", use_bias=False, name="conv")(x)
    x = layers.BatchNormalization(name="conv_bn")(x)
    x = layers.Dropout(0.2, name="drop")(layers.ReLU(name="relu")(x))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")(x)
    x = layers.BatchNormalization(name="depthwise_bn")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(7, activation="softmax", name="predictions")(x)
    return bnkeras.reseed(keras.Model(inputs, outputs, name="functional"), seed)


class Words(tf.Module):
    """Maps texts to ids of words, as a front does."""

    spec = tf.TensorSpec([None], tf.string, "text")

    def __init__(self, file):
        super().__init__()
        words = tf.lookup.TextFileInitializer(
            file, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, -1
        )
        self.table = tf.lookup.StaticHashTable(words, -1)

    def __call__(self, texts):
        words = tf.strings.split(texts)
        # 0 is padding, 1 an unknown word.
        ids = words.with_flat_values(2 + self.table.lookup(words.flat_values))
        return tf.cast(ids.to_tensor(), tf.int32)


@pytest.fixture(scope="module")
def folder(request, trained, perturb, tmp_path_factory):
    """Export the cases of the tests that run, with inputs and this process' outputs beside it."""
    ran = [item for item in request.session.items if item.path == request.path]
    cases = {item.callspec.params["case"] for item in ran}
    folder = tmp_path_factory.mktemp("cases")
    words = folder / "words.txt"
    words.write_text("\n".join(f"w{i}" for i in range(40)))
    for seed, case in enumerate((*BUILT, *FOREIGN), start=100):
        if case not in cases:
            continue
        arguments = {"seed": seed, "values": seed, **BUILT.get(case, {})}
        keras.config.set_dtype_policy(arguments.pop("policy", "float32"))
        if case in BUILT:
            model = trained(**arguments)
        else:
            regime = "random2" if case == "foreign_random2" else "bnonly"
            model = perturb(bnkeras.set_regime(_functional(seed), regime), seed)
        keras.config.set_dtype_policy("float32")
        options = {}
        if case in _OTHER:
            pretend(model, seed)
            options = {"external": [_OTHER[case]], "copy_external": case == "copied"}
        if case == "front":
            options = {"front": Words(str(words))}
        (folder / case).mkdir()
        bnkeras.save_compact(model, folder / case / "export", **options)
        _write_expected(folder / case, model, options.get("front"))
    words.unlink()
    return folder


def pretend(model, seed):
    """Give all frozen kernels and embeddings values of no seed."""
    random = np.random.default_rng(seed)
    for variable in model.variables:
        if len(variable.shape) > 1 and not variable.trainable:
            variable.assign(random.normal(0, 0.1, variable.shape).astype(np.float32))


def _write_expected(case, model, front):
    interface = Interface(model, classifier=architecture_of(model) is not None)
    (record,) = interface.inputs
    spec = {record.name: tf.TensorSpec(record.shape, record.dtype)}
    function = tf.function(interface.call, input_signature=[spec], autograph=False)
    random = np.random.default_rng(0)
    for count in BATCHES:
        if front is not None:
            words = [random.integers(0, 50, i % 7 + 1) for i in range(count)]
            lines = [" ".join(f"w{word}" for word in line) for line in words]
            np.savez(case / f"inputs_{count}.npz", text=np.array(lines, "S"))
            inputs = front(tf.constant(lines)).numpy()
        elif record.dtype == "int32":
            inputs = random.integers(0, 50, (count, count + 3)).astype(np.int32)
        else:
            shape = (size or 6 for size in record.shape[1:])
            inputs = random.normal(size=(count, *shape)).astype(np.float32)
        np.savez(case / f"{'network' if front else 'inputs'}_{count}.npz", **{record.name: inputs})
        outputs = function({record.name: tf.constant(inputs)})
        np.savez(case / f"wanted_{count}.npz", **{name: o.numpy() for name, o in outputs.items()})


@pytest.fixture(scope="module")
def tensorflow_2(folder, in_fresh_process):
    in_fresh_process("tensorflow_2.py", folder)
    return folder


@pytest.fixture(scope="module")
def tensorflow_1(folder, in_fresh_process):
    in_fresh_process("tensorflow_1.py", folder)
    return folder


@pytest.fixture(scope="module")
def keras_again(tensorflow_2, in_fresh_process):
    regimes = json.loads(in_fresh_process("keras_again.py", tensorflow_2))
    return tensorflow_2, regimes


def _assert_same_bits(case, way):
    for count in BATCHES:
        wanted, given = (np.load(case / f"{name}_{count}.npz") for name in ("wanted", way))
        assert set(given) == set(wanted)
        for name, outputs in wanted.items():
            assert given[name].dtype == outputs.dtype == np.float32
            assert outputs.std() > 0
            if case.name in FOREIGN:
                # TensorFlow may reorder the products of Keras' own BatchNormalization.
                np.testing.assert_allclose(given[name], outputs, rtol=1e-5)
            else:
                np.testing.assert_array_equal(given[name].view(np.uint32), outputs.view(np.uint32))


@pytest.mark.parametrize("case", CASES)
def test_plain_tensorflow(tensorflow_2, case):
    _assert_same_bits(tensorflow_2 / case, "tensorflow_2")


@pytest.mark.parametrize("case", CASES)
def test_loader_of_tensorflow_1(tensorflow_1, case):
    _assert_same_bits(tensorflow_1 / case, "tensorflow_1")


@pytest.mark.parametrize("case", CASES)
def test_keras_model(keras_again, case):
    folder, regimes = keras_again
    _assert_same_bits(folder / case, "keras")
    regime = BUILT.get(case, {}).get("regime", "bnonly")
    assert regimes[case] == ("random2" if case == "foreign_random2" else regime)


@pytest.mark.parametrize("case", CASES)
def test_saved_again_by_plain_tensorflow(keras_again, case):
    folder, _ = keras_again
    _assert_same_bits(folder / case, "resaved")
    graph = "saved_model.pb"
    before = (folder / case / "export" / graph).stat().st_size
    # TensorFlow puts shapes and long names back.
    assert (folder / case / "resaved" / graph).stat().st_size < 2.2 * before
