"""The loop under MirroredStrategy, on two logical CPU devices in a process of their own."""

import json
import subprocess
import sys

SCRIPT = """
import json, sys
import numpy as np
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
import bnkeras, bnkeras.recipe
from bnkeras.models.variables import grouped_variables
from bnkeras.training import run

class Replicas(keras.callbacks.Callback):
    # One number per device: after an epoch both hold the same moving statistics.
    seen = []
    def on_epoch_end(self, epoch, logs=None):
        values = self.model.get_layer("stem_bn").moving_mean.value.values
        Replicas.seen.append([float(np.abs(v.numpy()).sum()) for v in values])

settings = ["train.epochs=2", "strategy.name=mirrored"]
recipe = bnkeras.recipe.load("digits_resnet14_bnonly", settings)
result = run(recipe, sys.argv[1] + "/run", data_dir=sys.argv[1] + "/data", callbacks=[Replicas()])
initial = bnkeras.build("resnet_cifar", depth=14, input_shape=(8, 8, 1))
changed = [
    now.path
    for now, before in zip(
        grouped_variables(bnkeras.load_compact(result.export)), grouped_variables(initial)
    )
    if not np.array_equal(now.variable.numpy(), before.variable.numpy())
]
report = {
    "replicas": Replicas.seen,
    "changed": changed,
    "difference": bnkeras.verify_compact(result.export)["largest_difference"],
    "losses": [row["loss"] for row in json.load(open(sys.argv[1] + "/run/metrics.json"))],
}
print("REPORT" + json.dumps(report))
"""


def test_two_devices_train_one_network(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.partition("REPORT")[2])
    assert all(len(values) == 2 and values[0] == values[1] for values in report["replicas"])
    parts = {path.rpartition("/")[2] for path in report["changed"]}
    assert parts == {"gamma", "beta", "moving_mean", "moving_variance"}
    assert len(report["changed"]) == 4 * 15
    assert report["difference"] == 0.0
    assert report["losses"][1] < report["losses"][0]
