"""The floors of a training step, by hand, and the ratios of its tables."""

import importlib
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

import bnkeras
from bnkeras.models.work import work

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark_module(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("peers", "step_floors", "step_report"):
            del sys.modules[name]


CONV = {
    "kind": "conv",
    "kernel": [3, 3, 16, 32],
    "multiply_adds": 8 * 8 * 32 * 9 * 16,
    "inputs": 16 * 16 * 16,
    "activations": 8 * 8 * 32,
    "channels": 32,
    "steps": 1,
    "parameters": 9 * 16 * 32,
    "trained": 0,
    "trains_kernel": False,
    "passes_back": True,
}


def test_a_strided_convolution_has_as_many_products_backwards(benchmark_module):
    products = benchmark_module("step_floors").products
    forwards, inputs = products(CONV, batch=2)
    assert forwards[:] == (2 * 64, 144, 32, 1)
    # Each pixel of the input meets 9 · 32 / 4 values of the gradient.
    assert inputs[:] == (2 * 256, 72, 16, 1)
    assert forwards.operations == inputs.operations == 2 * 2 * CONV["multiply_adds"]

    first = products({**CONV, "passes_back": False}, batch=2)
    assert first == [forwards]

    trained = {**CONV, "trains_kernel": True, "trained": 2 * 32}
    *_, kernel = products(trained, batch=2)
    assert kernel.operations == forwards.operations * 2 * 32 / CONV["parameters"]


def test_the_convolution_of_a_layer(benchmark_module):
    convolution = benchmark_module("step_floors").convolution
    # Padded by a layer of its own: 18 pixels give 8.
    strided = convolution({**CONV, "inputs": 18 * 18 * 16}, batch=2)
    assert strided == (2, 18, 3, 16, 32, 2, 0)
    assert strided.operations == 2 * 2 * CONV["multiply_adds"]
    assert convolution({**CONV, "inputs": 8 * 8 * 16}, batch=2) == (2, 8, 3, 16, 32, 1, 1)
    assert convolution({**CONV, "kind": "dense"}, batch=2) is None


def test_a_convolution_counts_at_its_own_rate_if_that_is_higher(benchmark_module):
    floors = benchmark_module("step_floors")
    layer = {**CONV, "inputs": 8 * 8 * 16, "passes_back": False}
    ((product,), convolution) = floors.products(layer, 2), floors.convolution(layer, 2)
    rates = {product.shape: 1e3, convolution: 2e3}
    found = floors.floor([layer], 2, "bfloat16", rates, copying=1e9)
    assert found["seconds"] == pytest.approx(product.operations / 2e3)


def test_products_are_measured_where_they_fit_into_the_cache(benchmark_module):
    product = benchmark_module("step_floors").Product(131_072, 144, 16, 1)
    m, k, n = product.shape
    assert (k, n) == (144, 16)
    assert 4 * m * (k + n) <= 2 * 2**20 < 4 * (m + 1) * (k + n)


def test_values_moved(benchmark_module):
    moved = benchmark_module("step_floors").moved
    inputs, outputs = CONV["inputs"], CONV["activations"]
    kernel = 4 * CONV["parameters"]
    assert moved(CONV, batch=2, size=4) == 2 * (4 * 2 * (inputs + outputs) + kernel)
    norm = {**CONV, "kind": "batch_norm", "trained": 64}
    assert moved(norm, batch=2, size=2) == 2 * 2 * 8 * outputs
    assert moved({**CONV, "kind": "activation"}, batch=2, size=4) == 0


def test_the_floor_of_a_network(benchmark_module):
    model = bnkeras.set_regime(bnkeras.build("mlp", hidden=(6, 5), input_shape=(2, 2, 3)), "all")
    layers = [asdict(layer) for layer in work(model)]
    for layer in layers:
        if layer["kind"] == "dense":
            layer["kernel"] = list(model.get_layer(layer["name"]).kernel.shape)
    floors = benchmark_module("step_floors")
    shapes = {one.shape for layer in layers for one in floors.products(layer, 4)}
    found = floors.floor(layers, 4, "float32", dict.fromkeys(shapes, 1e3), copying=1e4)
    # Forwards and for the kernels everything, for the inputs all but the first layer.
    operations = 2 * 4 * (2 * (12 * 6 + 6 * 5 + 5 * 10) + 6 * 5 + 5 * 10)
    assert found["operations"] == operations
    assert found["computing"] == pytest.approx(operations / 1e3)
    norms, updates = 8 * 4 * 4 * (6 + 5), 5 * 4 * model.count_params()
    updates -= 5 * 4 * 2 * (6 + 5)  # moving statistics
    assert found["seconds"] == pytest.approx(operations / 1e3 + (norms + updates) / 1e4)


def test_ratios_are_those_of_the_same_round(benchmark_module):
    report = benchmark_module("step_report")
    floor = {"operations": 3e9, "bytes": 1e6, "computing": 0.5, "moving": 0.1, "seconds": 0.6}
    steps = [
        {"peer": "bnkeras", "setting": "loop", "seconds": [1.0, 2.0, 3.0]},
        {"peer": "PyTorch", "setting": "compile", "seconds": [3.0, 2.0, 6.0]},
    ]
    found = {
        "network": "mlp",
        "precision": "float32",
        "squares": [6e9, 6e9, 6e9],
        "floors": {"bnonly": floor},
        "steps": [{**step, "regime": "bnonly", "trainable": 9} for step in steps],
    }
    _, _, ours, torch = report.group(found, "bnonly", floor)
    assert torch.split()[:2] == ["PyTorch,", "compile"]
    assert torch.split()[5] == "2.00"  # of 3, 1 and 2
    assert ours.split()[-2:] == ["25%", "30%"]
