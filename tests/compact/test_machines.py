"""An export is read bit for bit alike whatever the machine computes with.

Outputs are sums: XLA and oneDNN take them in another order, and that changes last bits.
"""

import itertools
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import bnkeras
from bnkeras.compact.manifest import read_manifest

_SCRIPT = Path(__file__).resolve().parent / "fresh" / "machine.py"
_XLA = "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit"


def _machine(threads, one_dnn, xla, random):
    settings = {"threads": threads, "random": random, "compile": xla}
    environment = {
        "TF_ENABLE_ONEDNN_OPTS": str(int(one_dnn)),
        "TF_XLA_FLAGS": _XLA if xla else "",
        "PYTHONHASHSEED": str(random),
    }
    return settings, environment


# The process of the tests, in which the export is written, has as many threads as cores, oneDNN
# and no XLA.
MACHINES = {
    "one_thread": _machine(1, True, False, 1),
    "xla_without_onednn": _machine(2, False, True, 2),
}
MORE = {
    f"{threads}_threads{'_onednn' * one_dnn}{'_xla' * xla}": _machine(
        threads, one_dnn, xla, 10 + 4 * threads + 2 * one_dnn + xla
    )
    for threads, one_dnn, xla in itertools.product((1, 2), (True, False), (True, False))
}
# What takes sums in the order of the writing process. Without AVX-512, oneDNN divides them among
# threads in another way.
SAME_ORDER = ("2_threads_onednn",)
SAME_ORDER_WITH_AVX512 = ("one_thread", "1_threads_onednn")


@pytest.fixture(scope="module")
def model(trained):
    """A network of several laws: kernels He normal, γ and β uniform, some of them seeded."""
    return trained(
        depth=8, input_shape=(8, 8, 1), width=2, seed=2**63 + 17, features="he_uniform", values=5
    )


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("machines")
    bnkeras.save_compact(model, folder / "export")
    images = np.random.default_rng(0).normal(size=(7, 8, 8, 1)).astype(np.float32)
    np.save(folder / "images.npy", images)
    return folder


@pytest.fixture(scope="module")
def logits_here(folder):
    served = tf.saved_model.load(str(folder / "export")).signatures["serving_default"]
    return served(image=tf.constant(np.load(folder / "images.npy")))["logits"].numpy()


def _run(folder, machines):
    """Run a process for each machine, two at a time, and return what they wrote."""

    def run(name):
        settings, environment = machines[name]
        files = (folder / "export", folder / "images.npy", folder / f"{name}.npz")
        done = subprocess.run(
            [sys.executable, _SCRIPT, *files, json.dumps(settings)],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return dict(np.load(files[-1]))

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(machines, pool.map(run, machines), strict=True))


@pytest.fixture(scope="module")
def written(folder):
    return _run(folder, MACHINES)


@pytest.fixture(scope="module")
def more_written(folder):
    return _run(folder, MORE)


def _assert_same_weights(values, folder, model):
    weights = {variable.path: variable.numpy() for variable in model.variables}
    for path, wanted in weights.items():
        np.testing.assert_array_equal(values[f"keras {path}"].view("u4"), wanted.view("u4"), path)
    seeded = read_manifest(folder / "export").of("seeded")
    assert len(seeded) == 10
    assert sum(name.startswith("graph ") for name in values) == len(seeded)
    for index, row in enumerate(seeded):
        given = values[f"graph {index}"]
        assert given.std() > 0
        np.testing.assert_array_equal(given.view("u4"), weights[row.path].view("u4"), row.path)


def _assert_outputs(values, wanted, name, avx512):
    same_order = SAME_ORDER + (SAME_ORDER_WITH_AVX512 if avx512 else ())
    for way in ("logits", "keras logits"):
        if name in same_order and way == "logits":
            np.testing.assert_array_equal(values[way].view("u4"), wanted.view("u4"), way)
        else:
            np.testing.assert_allclose(values[way], wanted, rtol=1e-5, atol=1e-5 * wanted.std())


@pytest.mark.parametrize("name", MACHINES)
def test_the_weights_are_the_same_bits(written, folder, model, name):
    _assert_same_weights(written[name], folder, model)


@pytest.mark.parametrize("name", MACHINES)
def test_the_outputs(written, logits_here, name, avx512):
    _assert_outputs(written[name], logits_here, name, avx512)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", MORE)
def test_on_more_machines(more_written, folder, model, logits_here, name, avx512):
    _assert_same_weights(more_written[name], folder, model)
    _assert_outputs(more_written[name], logits_here, name, avx512)
