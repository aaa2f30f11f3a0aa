"""An export gives the bits of the network it was made of, wherever it is loaded."""

import json

import keras
import numpy as np
import pytest

import bnkeras
from bnkeras.regimes import REGIMES

_DIGITS = {"depth": 8, "input_shape": (8, 8, 1)}

# Every case but the twin has a seed of its own: none can borrow the weights of another.
CASES = {regime: {"depth": 14, "regime": regime} for regime in REGIMES} | {
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
}
BATCHES = (1, 5, 32)


@pytest.fixture(scope="module")
def folder(trained, logits, tmp_path_factory):
    """Export every case, with images and the logits of the exporting process beside it."""
    folder = tmp_path_factory.mktemp("cases")
    for seed, (case, arguments) in enumerate(CASES.items(), start=100):
        arguments = {"seed": seed, "values": seed, **arguments}
        keras.config.set_dtype_policy(arguments.pop("policy", "float32"))
        model = trained(**arguments)
        keras.config.set_dtype_policy("float32")
        (folder / case).mkdir()
        bnkeras.save_compact(model, folder / case / "export")
        random = np.random.default_rng(0)
        for count in BATCHES:
            images = random.normal(size=(count, *model.input_shape[1:])).astype(np.float32)
            np.save(folder / case / f"images_{count}.npy", images)
            np.save(folder / case / f"logits_{count}.npy", logits(model, images))
    return folder


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
        wanted = np.load(case / f"logits_{count}.npy")
        given = np.load(case / f"{way}_{count}.npy")
        assert given.dtype == wanted.dtype == np.float32
        assert wanted.std() > 0
        np.testing.assert_array_equal(given.view(np.uint32), wanted.view(np.uint32))


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
    assert regimes[case] == CASES[case].get("regime", "bnonly")


@pytest.mark.parametrize("case", CASES)
def test_saved_again_by_plain_tensorflow(keras_again, case):
    folder, _ = keras_again
    _assert_same_bits(folder / case, "resaved")
    graph = "saved_model.pb"
    before = (folder / case / "export" / graph).stat().st_size
    assert (folder / case / "resaved" / graph).stat().st_size < 1.2 * before
    values = "variables/variables.data-00000-of-00001"
    before = (folder / case / "export" / values).stat().st_size
    assert (folder / case / "resaved" / values).stat().st_size < before + 1000


@pytest.mark.parametrize("case", CASES)
def test_verify(folder, case):
    checked = bnkeras.verify_compact(folder / case / "export")
    assert checked["largest_difference"] == 0.0


def test_other_values_give_other_logits(folder):
    """The comparisons above compare something."""
    digits, *others = (
        np.load(folder / case / "logits_5.npy") for case in ("digits", "twin", "normal")
    )
    assert all((digits != other).all() for other in others)
