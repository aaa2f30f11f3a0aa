"""An export loads with Keras on JAX, in a process in which TensorFlow cannot be imported."""

import importlib.util
import json

import keras
import numpy as np
import pytest
from keras import layers

import bnkeras
from bnkeras.compact.backend import check_backend
from bnkeras.compact.provenance import weights_of
from bnkeras.errors import BackendError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="jax is not installed"
)

_DIGITS = {"depth": 8, "input_shape": (8, 8, 1)}
_TWEETS = {"name": "tweet_lstm", "vocabulary_size": 50, "embedding": 8, "units": 6}

CASES = {"functional": {}, "resnet": _DIGITS}
MORE = {
    "bfloat16": {**_DIGITS, "dtype": "mixed_bfloat16"},
    "binary": {**_DIGITS, "features": "binary", "gamma": "constant(0.5)"},
    "external": _TWEETS,
    # Groups of two channels, as smaller layers have them, can enlarge rounding 300 times.
    "group": {**_TWEETS, "norm": "group", "embedding": 200, "units": 100},
    "imagenet": {"name": "resnet_imagenet", "depth": 18},
    "instance": {**_DIGITS, "norm": "instance"},
    "mlp": {"name": "mlp", "regime": "bnoutput", "hidden": (64, 48), "input_shape": (8, 8, 1)},
    "orthogonal": {**_DIGITS, "features": "orthogonal(1.5)", "regime": "all"},
    "photos": {"depth": 14},
    "random2": {**_DIGITS, "regime": "random2"},
    "tweets_random3": {**_TWEETS, "regime": "random3"},
    "vgg": {"name": "vgg_cifar", "depth": 11},
}
# Relative to the largest output; bfloat16 has 8 bits.
_ROUNDING = {"bfloat16": 2e-2}


def _functional(seed):
    """A model of Keras' own layers, one within another, with an integer and a random state."""
    scale = layers.Normalization(name="scale")
    scale.adapt(np.random.default_rng(1).normal(2, 3, (200, 6, 6, 2)).astype(np.float32))
    # Of 64 bits on TensorFlow, of 32 on other backends.
    assert scale.count.dtype == "int64"
    inputs = keras.Input((None, None, 2))
    x = layers.Conv2D(24, 3, padding="same", use_bias=False, name="conv")(scale(inputs))
    x = layers.BatchNormalization(name="conv_bn")(x)
    x = layers.Dropout(0.2, name="drop")(layers.ReLU(name="relu")(x))
    inner = keras.Input((None, None, 24))
    y = layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")(inner)
    y = layers.BatchNormalization(name="depthwise_bn")(y)
    x = keras.Model(inner, y, name="inner")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(7, name="predictions")(x)
    return bnkeras.reseed(keras.Model(inputs, outputs, name="functional"), seed)


def _make(folder, cases, trained, perturb):
    """Export the cases, with inputs, outputs and weights of this process beside them."""
    random = np.random.default_rng(0)
    for seed, (case, arguments) in enumerate(cases.items(), start=100):
        if case == "functional":
            model = perturb(bnkeras.set_regime(_functional(seed), "bnonly"), seed)
        else:
            model = trained(**{"seed": seed, "values": seed, **arguments})
        options = {}
        if case == "external":
            vectors = model.get_layer("embedding").embeddings
            vectors.assign(random.normal(0, 1, vectors.shape).astype(np.float32))
            options = {"external": ["embedding/*"]}
        (folder / case).mkdir()
        bnkeras.save_compact(model, folder / case / "export", **options)
        if case == "external":
            (folder / case / "external").rename(folder / "files")
        if model.inputs[0].dtype == "int32":
            inputs = random.integers(0, 50, (5, 9)).astype(np.int32)
        else:
            shape = (5, *(size or 33 for size in model.input_shape[1:]))
            inputs = random.normal(size=shape).astype(np.float32)
        np.save(folder / case / "inputs.npy", inputs)
        np.save(folder / case / "outputs.npy", np.asarray(model(inputs, training=False)))
        weights = {entry.path: entry.variable.numpy() for entry in weights_of(model)}
        np.savez(folder / case / "weights.npz", **weights)
    return folder


def _check(folder, case):
    wanted, given = (np.load(folder / case / f"{name}weights.npz") for name in ("", "jax_"))
    assert list(wanted) == list(given)
    for path, values in wanted.items():
        assert given[path].dtype == (np.int32 if values.dtype == np.int64 else values.dtype)
        assert given[path].astype(values.dtype).tobytes() == values.tobytes(), path
    wanted, given = (np.load(folder / case / f"{name}outputs.npy") for name in ("", "jax_"))
    assert wanted.std() > 0
    largest = np.abs(wanted.astype(np.float64)).max()
    np.testing.assert_allclose(given, wanted, rtol=0, atol=_ROUNDING.get(case, 1e-5) * largest)


@pytest.fixture(scope="module")
def on_jax(trained, perturb, in_fresh_process, tmp_path_factory):
    folder = _make(tmp_path_factory.mktemp("jax"), CASES, trained, perturb)
    told = in_fresh_process("jax_again.py", folder, environment={"KERAS_BACKEND": "jax"})
    return folder, json.loads(told)


@pytest.mark.parametrize("case", CASES)
def test_weights_are_the_same_bits_and_outputs_the_same(on_jax, case):
    folder, told = on_jax
    assert told["regimes"][case] == CASES[case].get("regime", "bnonly")
    _check(folder, case)


@pytest.mark.exhaustive
def test_every_kind_of_network(trained, perturb, in_fresh_process, tmp_path):
    _make(tmp_path, MORE, trained, perturb)
    environment = {"KERAS_BACKEND": "jax"}
    told = json.loads(in_fresh_process("jax_again.py", tmp_path, environment=environment))
    for case, arguments in MORE.items():
        assert told["regimes"][case] == arguments.get("regime", "bnonly")
        _check(tmp_path, case)


def test_what_trains_is_what_fit_changes(on_jax):
    _, told = on_jax
    assert "stem_bn/gamma" in told["trains"]
    changed = {path for path in told["changed"] if "moving" not in path}
    assert changed == set(told["trains"])


def test_the_graph_takes_tensorflow(on_jax):
    _, told = on_jax
    assert len(told["refusals"]) == 2
    for refusal in told["refusals"]:
        assert "runs on 'jax'" in refusal
        assert "KERAS_BACKEND=tensorflow" in refusal


def test_another_backend_is_named(monkeypatch):
    check_backend()
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(BackendError, match=r"TensorFlow; in this process it runs on 'torch'") as no:
        check_backend()
    assert isinstance(no.value, RuntimeError)
    assert no.value.exit_code == 2
