"""The numbers of the fused layer, against NumPy in float64 and against the Keras layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from bnkeras.layers import BatchNormalization

EPSILON, MOMENTUM = 1e-3, 0.9
SHAPES = [(16, 5), (4, 9, 5), (4, 6, 7, 5), (2, 3, 4, 5, 5)]
# Relative to the largest element: a few units in the last place of float32, and one
# rounding of the activations to bfloat16.
TOLERANCE = {"float32": 3e-6, "mixed_bfloat16": 2**-8, "mixed_float16": 2**-10}
POLICIES = list(TOLERANCE)


class Case:
    """Inputs, upstream gradient and variables of one test, in float64."""

    def __init__(self, shape, seed=0):
        random = np.random.default_rng(seed)
        channels = shape[-1]
        self.x = random.normal(1.5, 2.0, shape)
        self.upstream = random.normal(0.0, 1.0, shape)
        self.gamma = random.uniform(-1.0, 1.0, channels)
        self.beta = random.normal(0.0, 1.0, channels)
        self.moving_mean = random.normal(1.0, 1.0, channels)
        self.moving_variance = random.uniform(0.5, 3.0, channels)

    def rounded(self, dtype):
        """Round the activations to what a layer of this compute type is given."""
        for name in ("x", "upstream"):
            low = tf.cast(getattr(self, name), dtype)
            setattr(self, name, tf.cast(low, tf.float64).numpy())
        for name in ("gamma", "beta", "moving_mean", "moving_variance"):
            setattr(self, name, getattr(self, name).astype(np.float32).astype(np.float64))
        return self


def forward(case, training):
    """Return outputs, batch mean and batch variance by the formula of the docstring."""
    axes = tuple(range(case.x.ndim - 1))
    mean, variance = case.x.mean(axes), case.x.var(axes)
    used = (mean, variance) if training else (case.moving_mean, case.moving_variance)
    normalized = (case.x - used[0]) / np.sqrt(used[1] + EPSILON)
    return case.gamma * normalized + case.beta, mean, variance


def gradients(case, training):
    """Return the gradients of Σ outputs · upstream with respect to x, γ and β."""
    axes = tuple(range(case.x.ndim - 1))
    count = case.x.size // case.x.shape[-1]
    mean, variance = case.moving_mean, case.moving_variance
    if training:
        mean, variance = case.x.mean(axes), case.x.var(axes)
    inverse = 1 / np.sqrt(variance + EPSILON)
    normalized = (case.x - mean) * inverse
    d_beta = case.upstream.sum(axes)
    d_gamma = (case.upstream * normalized).sum(axes)
    d_x = case.gamma * inverse * case.upstream
    if training:
        d_x -= case.gamma * inverse * (d_beta + normalized * d_gamma) / count
    return d_x, d_gamma, d_beta


def make(cls, case, policy="float32", **arguments):
    layer = cls(momentum=MOMENTUM, epsilon=EPSILON, dtype=policy, **arguments)
    layer.build(case.x.shape)
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        if getattr(layer, name) is not None:
            getattr(layer, name).assign(getattr(case, name))
    return layer


def results(layer, case, training, run=lambda function: function):
    """Return outputs, gradients and statistics of one call, in float64."""
    dtype = layer.compute_dtype
    x, upstream = tf.cast(case.x, dtype), tf.cast(case.upstream, dtype)

    def call(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, training=training)
            loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * tf.cast(upstream, tf.float32))
        return outputs, tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])

    outputs, found = run(call)(x)
    assert outputs.dtype == found[0].dtype == tf.as_dtype(dtype)
    assert found[1].dtype == found[2].dtype == tf.float32
    arrays = [outputs, *found, layer.moving_mean.value, layer.moving_variance.value]
    names = ["outputs", "d_x", "d_gamma", "d_beta", "moving_mean", "moving_variance"]
    return {n: tf.cast(a, tf.float64).numpy() for n, a in zip(names, arrays, strict=True)}


def expected(case, training):
    outputs, mean, variance = forward(case, training)
    d_x, d_gamma, d_beta = gradients(case, training)
    keep, take = (MOMENTUM, 1 - MOMENTUM) if training else (1, 0)
    return {
        "outputs": outputs,
        "d_x": d_x,
        "d_gamma": d_gamma,
        "d_beta": d_beta,
        "moving_mean": keep * case.moving_mean + take * mean,
        "moving_variance": keep * case.moving_variance + take * variance,
    }


def assert_close(mine, theirs, tolerance):
    for name, value in theirs.items():
        # Statistics and the gradients of γ and β are accumulated in float32 always.
        exact = name.startswith("moving")
        bound = (TOLERANCE["float32"] if exact else tolerance) * np.abs(value).max()
        np.testing.assert_allclose(mine[name], value, rtol=0, atol=bound, err_msg=name)


def compiled(function):
    return tf.function(function, jit_compile=True)


def test_the_formulas_by_finite_differences():
    """The gradients written above are those of the outputs written above."""
    for training in (True, False):
        case = Case((3, 2), seed=1)
        found = dict(zip(("x", "gamma", "beta"), gradients(case, training), strict=True))
        for name, gradient in found.items():
            values = getattr(case, name)
            for position in np.ndindex(values.shape):
                kept, step, sums = values[position], 1e-6, []
                for moved in (kept + step, kept - step):
                    values[position] = moved
                    sums.append((forward(case, training)[0] * case.upstream).sum())
                values[position] = kept
                slope = (sums[0] - sums[1]) / (2 * step)
                assert slope == pytest.approx(gradient[position], abs=1e-7)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("training", [True, False])
def test_against_numpy(shape, training, policy):
    case = Case(shape).rounded(keras.DTypePolicy(policy).compute_dtype)
    mine = results(make(BatchNormalization, case, policy), case, training)
    assert_close(mine, expected(case, training), TOLERANCE[policy])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("training", [True, False])
def test_against_the_keras_layer(shape, training, policy):
    case = Case(shape, seed=2).rounded(keras.DTypePolicy(policy).compute_dtype)
    mine = results(make(BatchNormalization, case, policy), case, training)
    theirs = results(make(keras.layers.BatchNormalization, case, policy), case, training)
    assert_close(mine, theirs, TOLERANCE[policy])


@pytest.mark.parametrize("run", [tf.function, compiled])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("shape", [(16, 5), (4, 6, 7, 5)])
@pytest.mark.parametrize("training", [True, False])
def test_traced_and_under_xla(shape, training, policy, run):
    case = Case(shape, seed=3).rounded(keras.DTypePolicy(policy).compute_dtype)
    mine = results(make(BatchNormalization, case, policy), case, training, run)
    assert_close(mine, expected(case, training), 3 * TOLERANCE[policy])


@pytest.mark.parametrize("policy", ["bfloat16", "float16", "float64"])
@pytest.mark.parametrize("training", [True, False])
def test_types_that_the_kernel_lacks(policy, training):
    """Where γ and the statistics are not float32, the computation is that of Keras."""
    case = Case((4, 6, 7, 5))
    outputs = [
        make(cls, case, policy)(tf.cast(case.x, policy), training=training)
        for cls in (BatchNormalization, keras.layers.BatchNormalization)
    ]
    assert outputs[0].dtype == tf.as_dtype(policy)
    np.testing.assert_array_equal(*(tf.cast(y, tf.float64).numpy() for y in outputs))


@pytest.mark.parametrize("dtype", ["bfloat16", "int32", "float64"])
def test_the_output_has_the_type_of_the_layer(dtype):
    # Keras casts floating inputs to the layer's type, except without autocast.
    x = tf.cast(Case((16, 5)).x, dtype)
    mine, theirs = (
        cls(dtype="float32", autocast=False)(x, training=True)
        for cls in (BatchNormalization, keras.layers.BatchNormalization)
    )
    assert mine.dtype == theirs.dtype == tf.float32
    np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(("center", "scale"), [(True, False), (False, True), (False, False)])
@pytest.mark.parametrize("training", [True, False])
def test_without_gamma_or_beta(center, scale, training):
    case = Case((4, 6, 7, 5), seed=4)
    layer = make(BatchNormalization, case, center=center, scale=scale)
    assert (layer.beta is None, layer.gamma is None) == (not center, not scale)
    case.gamma = case.gamma if scale else np.ones(5)
    case.beta = case.beta if center else np.zeros(5)
    outputs, *_ = forward(case, training)
    np.testing.assert_allclose(layer(case.x, training=training), outputs, atol=1e-5)


def test_a_batch_of_one():
    """One value per channel: variance 0, output β, and no division by n − 1 = 0."""
    case = Case((1, 5))
    mine = results(make(BatchNormalization, case), case, True)
    assert_close(mine, expected(case, True), 1e-5)
    np.testing.assert_allclose(mine["outputs"], [case.beta], atol=1e-6)
    np.testing.assert_allclose(mine["moving_variance"], MOMENTUM * case.moving_variance, rtol=1e-6)
    assert not mine["d_x"].any()


def test_one_image_is_normalized_over_its_pixels():
    case = Case((1, 6, 7, 5))
    assert_close(results(make(BatchNormalization, case), case, True), expected(case, True), 1e-5)


@pytest.mark.parametrize("ratio", [1e2, 1e3])
def test_a_mean_that_is_large_beside_the_deviation(ratio, avx512):
    """Two passes over the data keep the digits that E[x²] − E[x]² loses."""
    case = Case((64, 8, 8, 4), seed=5)
    case.x = (case.x - case.x.mean((0, 1, 2))) / case.x.std((0, 1, 2)) + ratio
    case.rounded("float32")
    layer = make(BatchNormalization, case)
    outputs, mean, variance = forward(case, True)
    # A mean is summed in as many lanes as a vector has: with fewer, more rounds.
    atol = (1e-6 if avx512 else 2e-6) * ratio
    np.testing.assert_allclose(layer(case.x, training=True), outputs, atol=atol)
    moved = (layer.moving_variance.numpy() - MOMENTUM * case.moving_variance) / (1 - MOMENTUM)
    np.testing.assert_allclose(moved, variance, rtol=5e-5)
    moved = (layer.moving_mean.numpy() - MOMENTUM * case.moving_mean) / (1 - MOMENTUM)
    np.testing.assert_allclose(moved, mean, rtol=5e-6)


def test_statistics_converge_to_those_of_the_data():
    case = Case((32, 5))
    layer = make(BatchNormalization, case)
    for _ in range(200):
        layer(case.x, training=True)
    _, mean, variance = forward(case, True)
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-5)
    # Biased: the variance that the batch is divided by, not n / (n − 1) times it.
    np.testing.assert_allclose(layer.moving_variance.numpy(), variance, rtol=1e-5)


@pytest.mark.parametrize("axis", [-1, 3])
def test_the_last_axis_by_either_name(axis):
    case = Case((4, 6, 7, 5))
    layer = make(BatchNormalization, case, axis=axis)
    assert kernels_of(layer, case.x) == 1
    np.testing.assert_allclose(layer(case.x, training=True), forward(case, True)[0], atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_another_axis(training):
    case = Case((4, 6, 7, 5))
    layer = BatchNormalization(axis=1, momentum=MOMENTUM, epsilon=EPSILON)
    x = np.moveaxis(case.x, -1, 1)
    layer.build(x.shape)
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        getattr(layer, name).assign(getattr(case, name))
    assert kernels_of(layer, x) == 0
    outputs = np.moveaxis(layer(x, training=training), 1, -1)
    np.testing.assert_allclose(outputs, forward(case, training)[0], atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_a_mask(training):
    """Masked steps have no part in the statistics."""
    case = Case((4, 6, 5))
    mask = np.arange(6) < np.array([[6], [3], [1], [4]])
    layer = make(BatchNormalization, case)
    outputs = layer(case.x, training=training, mask=tf.constant(mask)).numpy()
    kept = Case((4, 6, 5))
    kept.x = case.x[mask]
    np.testing.assert_allclose(outputs[mask], forward(kept, training)[0], atol=1e-5)
    if training:
        moved = MOMENTUM * case.moving_variance + (1 - MOMENTUM) * kept.x.var(0)
        np.testing.assert_allclose(layer.moving_variance.numpy(), moved, rtol=1e-5)


def test_a_mask_that_keras_passes_on():
    case = Case((4, 6, 5))
    layer = make(BatchNormalization, case)
    x = case.x.copy()
    x[:, 4:] = 0
    layer(keras.layers.Masking()(x), training=True)
    moved = MOMENTUM * case.moving_mean + (1 - MOMENTUM) * x[:, :4].mean((0, 1))
    np.testing.assert_allclose(layer.moving_mean.numpy(), moved, rtol=1e-4)


def kernels_of(layer, x, **arguments):
    """Return how many fused kernels a call in training takes."""
    traced = tf.function(lambda x: layer(x, training=True, **arguments))
    graph = traced.get_concrete_function(tf.cast(x, layer.compute_dtype)).graph
    return sum(op.type == "FusedBatchNormV3" for op in graph.get_operations())


@pytest.mark.parametrize("shape", SHAPES)
def test_images_take_the_fused_kernel(shape):
    case = Case(shape)
    for policy in POLICIES:
        assert kernels_of(make(BatchNormalization, case, policy), case.x) == (len(shape) >= 4)
    assert kernels_of(make(keras.layers.BatchNormalization, case), case.x) == 0


def test_where_the_keras_computation_runs():
    case = Case((4, 6, 5))
    assert kernels_of(make(BatchNormalization, case, renorm=True), case.x) == 0
    assert kernels_of(make(BatchNormalization, case, "float64"), case.x) == 0
    mask = tf.constant(np.arange(24).reshape(4, 6) % 2 == 0)
    assert kernels_of(make(BatchNormalization, case), case.x, mask=mask) == 0
