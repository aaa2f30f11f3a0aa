"""Statistics of all replicas: on two logical CPU devices in a process of their own."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json
import numpy as np
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
from bnkeras.layers import BatchNormalization
from bnkeras.training.loop import Loop

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
random = np.random.default_rng(0)

def distance(a, b):
    return float(np.abs(a - b).max() / np.abs(b).max())

def halves(values):
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(np.split(values, 2)[context.replica_id_in_sync_group])
    )

def made(synchronized, shape, mean):
    layer = BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=synchronized)
    layer.build(shape)
    layer.gamma.assign(np.linspace(0.5, 2, shape[-1]))
    layer.beta.assign(np.linspace(-1, 1, shape[-1]))
    layer.moving_mean.assign(np.full(shape[-1], mean))
    return layer

def one_layer(shape, mean=0.0):
    # The halves differ in mean and in deviation.
    place = np.linspace(0, 1, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    x = random.normal(size=shape) * (1 + 2 * place) + 5 * place + mean
    x, target = x.astype("float32"), random.normal(size=shape).astype("float32")

    def gradients(layer, x, target):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(target * tf.square(y - target))
        return y, *tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])

    alone = made(False, shape, mean)
    expected = [v.numpy() for v in gradients(alone, tf.constant(x), tf.constant(target))]
    with strategy.scope():
        layer = made(True, shape, mean)

    @tf.function(autograph=False)
    def step(x, target):
        def own(x, target):
            y, of_x, *others = gradients(layer, x, target)
            return y, of_x, *tf.distribute.get_replica_context().all_reduce("SUM", others)
        return strategy.run(own, args=(x, target))

    found = step(halves(x), halves(target))
    parts = [np.concatenate([v.numpy() for v in value.values]) for value in found[:2]]
    parts += [value.values[1].numpy() for value in found[2:]]
    statistics = [
        distance(v.numpy(), getattr(alone, name).numpy())
        for name in ("moving_mean", "moving_variance")
        for v in getattr(layer, name).value.values
    ]
    return [*map(distance, parts, expected), *statistics]

def smooth_network(synchronized):
    # No rectifier, whose gradient jumps where rounding moves a value past zero.
    keras.utils.set_random_seed(1)
    stack = [keras.Input((8, 8, 3))]
    for width in (8, 16):
        stack += [
            keras.layers.Conv2D(width, 3, padding="same", use_bias=False),
            BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=synchronized),
            keras.layers.Activation("tanh"),
        ]
    stack += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4)]
    model = keras.Sequential(stack)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model

def twenty_steps():
    alone = Loop(smooth_network(False), tf.distribute.get_strategy())
    with strategy.scope():
        shared = Loop(smooth_network(True), strategy)
    for loop in (alone, shared):
        loop.build_metrics(4)
    for _ in range(20):
        x = random.normal(size=(16, 8, 8, 3)).astype("float32")
        y = random.integers(0, 4, 16).astype("int32")
        alone.train_step((tf.constant(x), tf.constant(y)))
        batch = (halves(x), halves(y))
        shared.train_step(batch)
    initial = smooth_network(False)
    moved = distance(alone.model.layers[0].kernel.numpy(), initial.layers[0].kernel.numpy())
    pairs = zip(alone.model.variables, shared.model.variables)
    return moved, max(distance(b.numpy(), a.numpy()) for a, b in pairs)

report = {
    "images": one_layer((8, 5, 5, 6)),
    "vectors": one_layer((16, 6)),
    "far": one_layer((8, 5, 5, 6), mean=1000.0),
    "network": twenty_steps(),
}
layer = made(True, (16, 6), 0.0)
report["alone"] = float(np.abs(layer(random.normal(size=(16, 6)), training=True).numpy()).max())
print("REPORT" + json.dumps(report))
"""


@pytest.fixture(scope="module")
def report():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.partition("REPORT")[2])


@pytest.mark.parametrize("shape", ["images", "vectors"])
def test_two_replicas_normalize_as_one(shape, report):
    assert max(report[shape]) < 1e-5


def test_a_mean_far_from_zero_costs_no_digits_once_the_moving_mean_is_near(report):
    # The inputs themselves have 1000 / 2 times less than seven digits of their deviation.
    assert max(report["far"]) < 1e-3


def test_a_network_trains_to_the_same_weights(report):
    moved, difference = report["network"]
    assert moved > 0.01
    assert difference < 1e-5


def test_without_a_strategy_it_is_the_ordinary_layer(report):
    assert 1.0 < report["alone"] < 10.0
