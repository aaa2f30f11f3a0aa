"""The loop under MirroredStrategy, on two logical CPU devices in a process of their own."""

import json
import subprocess
import sys

import pytest

# They are all of one process, which trains five times.
pytestmark = pytest.mark.slow

SCRIPT = """
import json, sys
import numpy as np
import keras
import bnkeras, bnkeras.recipe
from bnkeras.errors import RunError
from bnkeras.models.variables import grouped_variables
from bnkeras.training import run

class Replicas(keras.callbacks.Callback):
    # One number per device: after an epoch both hold the same moving statistics.
    seen = []
    def on_epoch_end(self, epoch, logs=None):
        values = self.model.get_layer("stem_bn").moving_mean.value.values
        Replicas.seen.append([float(np.abs(v.numpy()).sum()) for v in values])

class Stop(Exception):
    pass

class StopAfter(keras.callbacks.Callback):
    def __init__(self, steps):
        super().__init__()
        self.left = steps
    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise Stop

def train(name, callbacks=(), *settings):
    recipe = bnkeras.recipe.load("digits_resnet14_bnonly", [
        "model.depth=8", "train.epochs=2", "train.checkpoint_minutes=1e-9",
        "strategy.name=mirrored", *settings])
    return run(recipe, f"{sys.argv[1]}/{name}", data_dir=sys.argv[1] + "/data", callbacks=callbacks)

def state(name):
    table = json.load(open(f"{sys.argv[1]}/{name}/metrics.json"))
    rows = [{key: row[key] for key in row if key != "seconds"} for row in table]
    model = bnkeras.load_compact(f"{sys.argv[1]}/{name}/export")
    return rows, [v.numpy().tobytes() for v in model.variables]

result = train("run", [Replicas()])
initial = bnkeras.build("resnet_cifar", depth=8, input_shape=(8, 8, 1))
changed = [
    now.path
    for now, before in zip(
        grouped_variables(bnkeras.load_compact(result.export)), grouped_variables(initial)
    )
    if not np.array_equal(now.variable.numpy(), before.variable.numpy())
]
try:
    train("cut", [StopAfter(5)])
except Stop:
    train("cut")
try:
    train("elsewhere", [StopAfter(5)])
except Stop:
    pass
report = {
    "replicas": Replicas.seen,
    "changed": changed,
    "difference": bnkeras.verify_compact(result.export)["largest_difference"],
    "losses": [row["loss"] for row in json.load(open(sys.argv[1] + "/run/metrics.json"))],
    "resumed": state("cut") == state("run"),
}
# TensorFlow has two devices now, and keeps them.
try:
    train("three", (), "strategy.logical_cpus=3")
except RunError as error:
    report["three"] = str(error)
import bnkeras.training.strategy as strategies
strategies._divide_cpu = lambda count: None
import tensorflow as tf
tf.config.list_logical_devices = lambda kind: [tf.config.LogicalDevice("/device:CPU:0", "CPU")]
try:
    train("elsewhere")
except RunError as error:
    report["elsewhere"] = str(error)
print("REPORT" + json.dumps(report))
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("mirrored"))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.partition("REPORT")[2])


def test_two_devices_train_one_network(report):
    assert len(report["replicas"]) == 2
    assert all(len(values) == 2 and values[0] == values[1] for values in report["replicas"])
    parts = {path.rpartition("/")[2] for path in report["changed"]}
    assert parts == {"gamma", "beta", "moving_mean", "moving_variance"}
    assert len(report["changed"]) == 4 * 9
    assert report["difference"] == 0.0
    assert report["losses"][1] < report["losses"][0]


def test_each_device_goes_on_with_its_own_statistics(report):
    assert report["resumed"]


def test_devices_cannot_be_made_after_tensorflow_has_started(report):
    assert "strategy.logical_cpus is 3, and TensorFlow has started" in report["three"]
    assert "with 2" in report["three"]


def test_a_run_goes_on_with_as_many_devices(report):
    assert "stopped on 2 devices" in report["elsewhere"]
    assert "here are 1. Go on with 2" in report["elsewhere"]
