"""The networks compute what PyTorch computes with the same weights: logits kept in a file.

`pytorch/make_golden.py` wrote it, in float64 and with the papers' networks in PyTorch's own
functions. The weights are drawn anew, each by its path.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import bnkeras
from bnkeras.seeding import reference

GOLDEN = json.loads(Path(__file__).with_name("pytorch").joinpath("golden.json").read_text())
# Over so many layers and few values, batch statistics multiply rounding errors by thousands:
# PyTorch's own float32 logits of ResNet-200 are off by 2e-3. In float64 that is nothing.
DEEPEST = {("resnet_imagenet", 101), ("resnet_imagenet", 200)}


def depth_of(case):
    return case["network"], case["arguments"].get("depth")


def cases():
    for case in GOLDEN["cases"]:
        settings = [f"{key}={value}" for key, value in case["arguments"].items()]
        if case["network"] == "resnet_imagenet":
            settings.append(f"size={case['inputs'][1]}")
        slow = [pytest.mark.exhaustive] if depth_of(case) in DEEPEST else []
        yield pytest.param(case, id="-".join([case["network"], *settings]), marks=slow)


def draw(path, shape):
    return reference.values(GOLDEN["laws"][path.rpartition("/")[2]], GOLDEN["seed"], path, shape)


@pytest.mark.parametrize("case", list(cases()))
def test_logits(case):
    network, inputs = case["network"], case["inputs"]
    dtype = "float64" if depth_of(case) in DEEPEST else "float32"
    model = bnkeras.build(network, dtype=dtype, **case["arguments"])
    for variable in model.variables:
        variable.assign(draw(variable.path, variable.shape))
    if network == "tweet_lstm":
        x = np.array(inputs, np.int32)
    else:
        x = reference.values("normal(1)", GOLDEN["seed"], "inputs", inputs)
    # Inference first: training moves the statistics.
    for mode in ("inference", "training"):
        logits = model(x, training=mode == "training").numpy()
        expected = np.array(case[mode])
        error = np.abs(logits - expected).max() / np.abs(expected).max()
        assert error < 1e-4, mode
        # The examples differ by much more than that.
        assert np.ptp(expected, axis=0).max() > 0.01 * np.abs(expected).max()


def test_the_file_is_small():
    assert Path(__file__).with_name("pytorch").joinpath("golden.json").stat().st_size < 30_000
