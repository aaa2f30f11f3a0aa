"""SGD and Adam with coupled L2, against PyTorch's rules written out in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from bnkeras.layers import BatchNormalization
from bnkeras.training.optimizers import SGD, Adam
from bnkeras.training.schedule import StepSchedule


def gradients(steps, *shapes, seed=0):
    random = np.random.default_rng(seed)
    return [[random.normal(0, 1, shape) for shape in shapes] for _ in range(steps)]


def torch_sgd(weights, gradients, rates, momentum, l2):
    """`torch.optim.SGD(lr, momentum, weight_decay=l2)`: the first buffer is the gradient."""
    weights, buffers = [w.copy() for w in weights], [None] * len(weights)
    for step, rate in zip(gradients, rates, strict=True):
        for i, gradient in enumerate(step):
            total = gradient + l2 * weights[i]
            buffers[i] = total if buffers[i] is None else momentum * buffers[i] + total
            weights[i] = weights[i] - rate * buffers[i]
    return weights


def torch_adam(weights, gradients, rates, l2, epsilon):
    """`torch.optim.Adam(weight_decay=l2)`, with Keras' place of ε: beside √v uncorrected."""
    weights = [w.copy() for w in weights]
    m, v = [0.0 * w for w in weights], [0.0 * w for w in weights]
    for t, (step, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        for i, gradient in enumerate(step):
            total = gradient + l2 * weights[i]
            m[i] = 0.9 * m[i] + 0.1 * total
            v[i] = 0.999 * v[i] + 0.001 * total**2
            corrected = rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            weights[i] = weights[i] - corrected * m[i] / (np.sqrt(v[i]) + epsilon)
    return weights


def apply(optimizer, weights, gradients, run=lambda function: function):
    variables = [keras.Variable(w.astype(np.float32)) for w in weights]
    optimizer.build(variables)
    step = run(lambda values: optimizer.apply(values, variables))
    for values in gradients:
        step([tf.constant(value, tf.float32) for value in values])
    return [variable.numpy() for variable in variables]


def assert_close(mine, theirs):
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)


SHAPES = [(3, 3, 2, 4), (4,), (4,)]
RATES = [0.1] * 4 + [0.01] * 4 + [0.001] * 4
WEIGHTS = gradients(1, *SHAPES, seed=9)[0]
MODES = [
    lambda function: function,
    lambda function: tf.function(function),
    lambda function: tf.function(function, jit_compile=True),
]


@pytest.mark.parametrize("mode", MODES, ids=["eager", "traced", "compiled"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("l2", [0.0, 1e-4, 0.05])
def test_sgd_is_that_of_pytorch(l2, momentum, mode):
    steps = gradients(12, *SHAPES)
    optimizer = SGD(StepSchedule(0.1, [4, 8]), momentum=momentum, l2=l2)
    mine = apply(optimizer, WEIGHTS, steps, mode)
    assert_close(mine, torch_sgd(WEIGHTS, steps, RATES, momentum, l2))


def test_a_drop_of_the_rate_reaches_the_momentum_at_once():
    """Keras' own SGD goes on at the old rate for a while; PyTorch's and this one don't."""
    steps = [[np.ones(1)]] * 4 + [[np.zeros(1)]]
    schedule = StepSchedule(1.0, [4], 0.0)
    mine = apply(SGD(schedule, momentum=0.9), [np.zeros(1)], steps)
    before = apply(SGD(schedule, momentum=0.9), [np.zeros(1)], steps[:4])
    np.testing.assert_array_equal(mine, before)
    theirs = keras.optimizers.SGD(schedule, momentum=0.9)
    assert apply(theirs, [np.zeros(1)], steps)[0] < before[0] - 1


def test_l2_is_coupled():
    """It passes through the momentum, which Keras' `weight_decay` does not."""
    steps = [[np.zeros(3)]] * 6
    weights = [np.array([1.0, -2.0, 3.0])]
    mine = apply(SGD(0.1, momentum=0.9, l2=0.1), weights, steps)
    assert_close(mine, torch_sgd(weights, steps, [0.1] * 6, 0.9, 0.1))
    decoupled = apply(keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1), weights, steps)
    assert np.abs(mine[0]).sum() < 0.95 * np.abs(decoupled[0]).sum()


@pytest.mark.parametrize("mode", MODES, ids=["eager", "traced", "compiled"])
@pytest.mark.parametrize("l2", [0.0, 1e-4, 0.05])
def test_adam(l2, mode):
    steps = gradients(12, *SHAPES)
    optimizer = Adam(StepSchedule(0.1, [4, 8]), l2=l2)
    mine = apply(optimizer, WEIGHTS, steps, mode)
    assert_close(mine, torch_adam(WEIGHTS, steps, RATES, l2, optimizer.epsilon))


def test_adam_without_l2_is_that_of_keras_to_rounding():
    # TensorFlow's kernel takes 1 − β₂ in float32.
    steps = gradients(5, *SHAPES)
    mine, theirs = (apply(cls(0.01), WEIGHTS, steps) for cls in (Adam, keras.optimizers.Adam))
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("cls", [SGD, Adam])
def test_l2_reaches_gamma_and_beta_and_nothing_else(cls):
    """With a loss of zero, what trains shrinks, and frozen weights and statistics do not."""
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(5, name="dense"),
            BatchNormalization(beta_initializer="ones", name="bn"),
        ]
    )
    model.get_layer("dense").bias.trainable = False
    before = {v.path: v.numpy() for v in model.variables}
    model.compile(cls(0.01, l2=0.1), lambda y, p: 0.0 * keras.ops.sum(p, -1))
    model.fit(np.ones((4, 6), np.float32), np.zeros((4, 5)), epochs=3, verbose=0)
    for variable in model.trainable_variables:
        norms = [np.linalg.norm(values) for values in (variable.numpy(), before[variable.path])]
        assert norms[0] < norms[1], variable.path
    layer = model.get_layer("bn")
    # Three steps of the rule: γ from 1.
    if cls is SGD:
        expected = torch_sgd([np.ones(5)], [[np.zeros(5)]] * 3, [0.01] * 3, 0.9, 0.1)[0]
        np.testing.assert_allclose(layer.gamma.numpy(), expected, rtol=1e-5)
        np.testing.assert_allclose(layer.beta.numpy(), expected, rtol=1e-5)
    np.testing.assert_array_equal(model.get_layer("dense").bias.numpy(), np.zeros(5))


@pytest.mark.parametrize(("cls", "slots"), [(SGD, 1), (Adam, 2)])
def test_slots(cls, slots):
    variables = [keras.Variable(w.astype(np.float32)) for w in WEIGHTS]
    optimizer = cls(0.1)
    optimizer.build(variables)
    optimizer.build(variables)
    # Beside the slots, the learning rate and the number of steps.
    assert len(optimizer.variables) == 2 + slots * len(variables)
    assert not any(slot.numpy().any() for slot in optimizer.variables[2:])


def test_bfloat16_variables():
    variable = keras.Variable([1.0, 2.0], dtype="bfloat16")
    for optimizer in (SGD(0.5, l2=0.5), Adam(0.5, l2=0.5)):
        optimizer.apply([tf.constant([1.0, 1.0], tf.bfloat16)], [variable])
        assert variable.dtype == "bfloat16"


@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("cls", [SGD, Adam])
def test_gradients_of_an_embedding(cls, l2):
    """A sparse gradient is that of the whole table: every row has its L2."""
    results = []
    for sparse in (True, False):
        variable = keras.Variable(np.ones((4, 2), np.float32))
        gradient = tf.IndexedSlices(
            tf.ones([3, 2]), tf.constant([0, 2, 2]), tf.constant([4, 2], tf.int64)
        )
        gradient = gradient if sparse else tf.convert_to_tensor(gradient)
        optimizer = cls(0.1, l2=l2)
        for _ in range(3):
            optimizer.apply([gradient], [variable])
        results.append(variable.numpy())
    np.testing.assert_allclose(*results, rtol=1e-6)


def test_adam_on_repeated_words():
    """Keras' own Adam squares the gradient of each occurrence instead of their sum."""
    x, weight = np.array([[0, 2, 2]]), np.array([[[1.0], [1.0], [3.0]]])
    results = []
    for cls in (Adam, keras.optimizers.Adam):
        layer = keras.layers.Embedding(4, 2, embeddings_initializer="ones")
        model = keras.Sequential([keras.Input((3,), dtype="int32"), layer])
        model.compile(cls(0.1), lambda y, p: keras.ops.sum(p * keras.ops.cast(y, p.dtype)))
        model.fit(x, weight, epochs=3, verbose=0)
        results.append(layer.embeddings.numpy())
    gradient = np.array([1.0, 0.0, 4.0, 0.0])[:, None] * np.ones(2)
    expected = torch_adam([np.ones((4, 2))], [[gradient]] * 3, [0.1] * 3, 0.0, 1e-7)[0]
    np.testing.assert_allclose(results[0], expected, rtol=1e-5)
    # Once Keras does the same, `_add_l2` need not look for slices.
    assert not np.allclose(results[1], expected, rtol=1e-2)


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (SGD(StepSchedule(0.1, [4]), momentum=0.8, l2=1e-4), {"momentum": 0.8, "l2": 1e-4}),
        (Adam(StepSchedule(0.1, [4]), l2=1e-4, beta_1=0.8), {"beta_1": 0.8, "l2": 1e-4}),
    ],
)
def test_serialisation(optimizer, expected):
    config = optimizer.get_config()
    assert config.items() >= expected.items()
    serialized = keras.saving.serialize_keras_object(optimizer)
    assert serialized["registered_name"] == f"bnkeras>{type(optimizer).__name__}"
    again = keras.saving.deserialize_keras_object(serialized)
    assert type(again) is type(optimizer)
    assert again.get_config() == config
    steps = gradients(6, *SHAPES)
    for mine, theirs in zip(
        apply(optimizer, WEIGHTS, steps), apply(again, WEIGHTS, steps), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_defaults_are_the_papers():
    config = SGD().get_config()
    assert (config["learning_rate"], config["momentum"]) == (pytest.approx(0.1), 0.9)
    assert config["weight_decay"] is None
    assert Adam().get_config()["learning_rate"] == pytest.approx(0.001)
