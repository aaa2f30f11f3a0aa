"""Random-k under MirroredStrategy, on two logical CPUs, and on jax: in processes of their own."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

MIRRORED = """
import json
import numpy as np
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
import bnkeras
from bnkeras.regimes.masking import masks_of
from bnkeras.training.loop import Loop
from bnkeras.training.optimizers import SGD

SMALL = dict(depth=8, width=0.25, input_shape=(12, 12, 3), classes=4, seed=7)
random = np.random.default_rng(0)
x, y = random.normal(size=(64, 12, 12, 3)).astype("float32"), np.arange(64, dtype="int32") % 4
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    model = bnkeras.build("resnet_cifar", **SMALL)
# Outside of the scope: the variables are those of the strategy all the same.
bnkeras.set_regime(model, "random2output")
with strategy.scope():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(SGD(0.1), loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)
loop = Loop(model, strategy)
for batch in loop.distribute(lambda share: tf.data.Dataset.from_tensor_slices((x, y)).batch(32)):
    loop.train_step(batch)

fresh = {v.path: np.array(v) for v in bnkeras.build("resnet_cifar", **SMALL).variables}
masked = list(masks_of(model))
replicas = [[np.array(v) for v in layer.random_kernel.value.values] for layer in masked]
effective = {layer.name: np.array(layer.kernel) for layer in masked}
report = {
    "changed": [
        v.path for v in model.variables
        if v.path in fresh and np.array(v).tobytes() != fresh[v.path].tobytes()
    ],
    "replicas": all(len(v) == 2 and v[0].tobytes() == v[1].tobytes() for v in replicas),
    "per_channel": [
        np.unique((effective[l.name] != fresh[l.name + "/kernel"]).sum((0, 1, 2))).tolist()
        for l in masked
    ],
}
with strategy.scope():
    model.compile(SGD(0.1), loss, jit_compile=False)
bnkeras.set_regime(model, "bnonly")
report["written"] = all(
    np.array(model.get_layer(name).kernel).tobytes() == kernel.tobytes()
    for name, kernel in effective.items()
)
print("REPORT" + json.dumps(report))
"""

JAX = """
import json, sys
sys.modules["tensorflow"] = None
import numpy as np
import keras
import bnkeras
from bnkeras.regimes.masking import masks_of

def bits(value):
    return np.asarray(value).tobytes()

def check(model, x, y, regime):
    outputs, kernels = bits(model(x)), {v.path: bits(v.value) for v in model.variables}
    bnkeras.set_regime(model, regime)
    assert bits(model(x)) == outputs
    before = [bits(layer.random_kernel.value) for layer in masks_of(model)]
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=len(x), verbose=0)
    frozen = [v for v in model.variables if v.path in kernels and "/moving_" not in v.path]
    same = [bits(v.value) == kernels[v.path] for v in frozen if "seed" not in v.path]
    moved = [bits(v.random_kernel.value) != b for v, b in zip(masks_of(model), before)]
    positions = [layer._chosen.positions.ravel().tolist() for layer in masks_of(model)]
    assert bnkeras.regime_of(model) == regime
    return [all(same), all(moved), positions]

random = np.random.default_rng(0)
images, labels = random.normal(size=(8, 12, 12, 3)).astype("float32"), np.arange(8) % 4
small = dict(depth=8, width=0.25, input_shape=(12, 12, 3), classes=4, seed=7)
words = random.normal(size=(8, 5, 3)).astype("float32")
lstm = [keras.Input((5, 3)), keras.layers.LSTM(4, name="lstm"), keras.layers.Dense(4)]
print(keras.backend.backend() + json.dumps([
    check(bnkeras.build("resnet_cifar", **small), images, labels, "random2"),
    check(keras.Sequential(lstm), words, labels, "random2spread"),
]))
"""


def run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_two_devices():
    report = json.loads(run(MIRRORED).partition("REPORT")[2])
    changed = {path for path in report["changed"] if "/moving_" not in path}
    assert changed == {"output/kernel", "output/bias"}
    assert report["replicas"]
    assert report["per_channel"] == [[2]] * 9
    assert report["written"]


@pytest.mark.slow
def test_jax(network):
    if not importlib.util.find_spec("jax"):
        pytest.skip("jax is not installed")
    output = run(JAX, KERAS_BACKEND="jax")
    assert output.startswith("jax[")
    resnet, lstm = json.loads(output[3:])
    assert resnet[:2] == lstm[:2] == [True, True]
    from bnkeras.regimes.masking import masks_of

    here = masks_of(network("resnet_cifar", "random2"))
    assert resnet[2] == [layer._chosen.positions.ravel().tolist() for layer in here]
