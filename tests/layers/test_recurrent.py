"""The LSTM over time with its own gradient: beside NumPy and the Keras layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnkeras
from bnkeras.layers import LSTM
from bnkeras.layers.recurrent import lstm

SHAPES = [(1, 1), (1, 6), (2, 1), (5, 7), (8, 3)]  # batch, length
CHANNELS, UNITS = 4, 6


def _values(*shape):
    return np.random.default_rng(sum(shape)).normal(0, 0.7, shape).astype(np.float32)


def _arguments(batch, length):
    return [
        _values(batch, length, CHANNELS),
        _values(batch, UNITS),
        _values(UNITS, batch).T,
        _values(CHANNELS, 4 * UNITS),
        _values(UNITS, 4 * UNITS),
        _values(4 * UNITS),
    ]


def _by_hand(x, h, c, w, u, b):
    def sigmoid(values):
        return 1 / (1 + np.exp(-values))

    outputs = []
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ w + h @ u + b, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, 1), c


def _loss(outputs, state):
    """Return a sum in which every output has a weight of its own."""
    weights = [_values(3, size)[0] for size in (outputs.shape[1], UNITS)]
    return (outputs * weights[0][:, None]).sum() + np.square(state * weights[1]).sum()


@pytest.mark.parametrize(("batch", "length"), SHAPES)
def test_outputs_and_gradients_by_hand(batch, length):
    arguments = _arguments(batch, length)
    exact = [one.astype(np.float64) for one in arguments]
    wanted = _by_hand(*exact)
    tensors = [tf.constant(one) for one in arguments]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        found = lstm(*tensors)
        weights = [_values(3, size)[0] for size in (length, UNITS)]
        loss = tf.reduce_sum(found[0] * weights[0][:, None])
        loss += tf.reduce_sum(tf.square(found[1] * weights[1]))
    for mine, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)
    # The slope along a random direction, in float64.
    for place, gradient in enumerate(tape.gradient(loss, tensors)):
        direction = np.random.default_rng(place).normal(size=gradient.shape)
        ends = []
        for step in (1e-5, -1e-5):
            moved = [*exact]
            moved[place] = exact[place] + step * direction
            ends.append(_loss(*_by_hand(*moved)))
        slope = (ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-4, atol=1e-4)


def _pair(dtype="float32", **arguments):
    """Return our layer and that of Keras with the same values."""
    layers = [
        kind(UNITS, dtype=dtype, bias_initializer="uniform", **arguments)
        for kind in (LSTM, keras.layers.LSTM)
    ]
    for layer in layers:
        layer.build((None, None, CHANNELS))
    for mine, theirs in zip(*(layer.trainable_variables for layer in layers), strict=True):
        theirs.assign(mine)
    return layers


def _trained(layer, x, **arguments):
    """Return outputs and gradients of inputs and variables, of a call in training."""
    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = tf.nest.flatten(layer(x, training=True, **arguments))
        loss = tf.add_n([tf.reduce_sum(tf.sin(tf.cast(one, tf.float32))) for one in outputs])
    return outputs + tape.gradient(loss, [x, *(one.value for one in layer.trainable_variables)])


def _assert_close(mine, theirs, share):
    """Compare with an error that is a share of the largest value."""
    for one, other in zip(mine, theirs, strict=True):
        one, other = (np.asarray(tf.cast(values, tf.float32)) for values in (one, other))
        np.testing.assert_allclose(one, other, rtol=0, atol=share * np.abs(other).max())


@pytest.mark.parametrize(("dtype", "share"), [("float32", 2e-6), ("mixed_bfloat16", 0.05)])
@pytest.mark.parametrize(("batch", "length"), SHAPES)
@pytest.mark.parametrize("sequences", [True, False])
def test_the_layer_trains_as_that_of_keras(batch, length, sequences, dtype, share):
    mine, theirs = _pair(dtype, return_sequences=sequences)
    x = _values(batch, length, CHANNELS)
    _assert_close(_trained(mine, x), _trained(theirs, x), share)


def test_states_in_and_out():
    mine, theirs = _pair(return_state=True)
    x, state = _values(3, 5, CHANNELS), [tf.constant(_values(3, UNITS))] * 2
    _assert_close(
        _trained(mine, x, initial_state=state), _trained(theirs, x, initial_state=state), 2e-6
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"activation": "relu"},
        {"recurrent_activation": "hard_sigmoid"},
        {"use_bias": False},
        {"go_backwards": True},
        {"unroll": True},
    ],
)
def test_what_it_does_not_do_is_left_to_keras(arguments, monkeypatch):
    monkeypatch.setattr("bnkeras.layers.sequences.lstm", None)
    mine, theirs = _pair(return_sequences=True, **arguments)
    x = _values(3, 5, CHANNELS)
    for one, other in zip(_trained(mine, x), _trained(theirs, x), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_mask_dropout_a_gpu_and_inference_are_left_to_keras(monkeypatch):
    monkeypatch.setattr("bnkeras.layers.sequences.lstm", None)
    x = _values(3, 5, CHANNELS)
    LSTM(UNITS)(x, mask=tf.constant([[True] * 4 + [False]] * 3), training=True)
    LSTM(UNITS, dropout=0.5)(x, training=True)
    LSTM(UNITS, recurrent_dropout=0.5)(x, training=True)
    LSTM(UNITS)(x)
    with pytest.raises(TypeError, match="not callable"):
        LSTM(UNITS)(x, training=True)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    LSTM(UNITS)(x, training=True)


def test_traced_with_open_sizes_it_gives_the_same_bits():
    layer, _ = _pair(return_sequences=True)
    traced = tf.function(
        lambda x: _trained(layer, x),
        input_signature=[tf.TensorSpec((None, None, CHANNELS))],
        autograph=False,
    )
    for batch, length in SHAPES:
        x = _values(batch, length, CHANNELS)
        first = traced(x)
        for one, again, eager in zip(first, traced(x), _trained(layer, x), strict=True):
            np.testing.assert_array_equal(one, again)
            np.testing.assert_allclose(one, eager, rtol=1e-5, atol=1e-6)


def test_the_gradient_of_a_traced_call():
    layer, _ = _pair(return_sequences=True)
    traced = tf.function(lambda x: layer(x, training=True), autograph=False)
    x = tf.constant(_values(5, 7, CHANNELS))
    found = []
    for call in (traced, lambda x: layer(x, training=True)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.sin(call(x)))
        found.append(tape.gradient(loss, x))
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)


def test_frozen_kernels_have_no_product_for_their_gradients():
    def products(trainable):
        layer = LSTM(UNITS)
        layer.build((None, None, CHANNELS))
        layer.trainable = trainable

        @tf.function(autograph=False)
        def step(x):
            sources = [x, *(one.value for one in layer.trainable_variables)]
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_sum(layer(x, training=True))
            return tape.gradient(loss, sources)

        graph = step.get_concrete_function(tf.TensorSpec((None, None, CHANNELS))).graph
        wanted = {tensor.op for tensor in graph.outputs}
        queue = [*wanted]
        while queue:
            before = {tensor.op for tensor in queue.pop().inputs} - wanted
            wanted |= before
            queue += before
        return sum(node.type == "MatMul" for node in wanted)

    # x · W and the gradient of x, and those of W and U; the loops are functions of their own.
    assert products(trainable=False) == 2
    assert products(trainable=True) == 4


@pytest.mark.parametrize("regime", ["random2", "random2spread"])
def test_masked_kernels_train_as_those_of_keras(regime):
    inputs = keras.Input((None, CHANNELS))
    models = []
    for kind in (LSTM, keras.layers.LSTM):
        outputs = kind(UNITS, return_sequences=True, name="lstm")(inputs)
        # The regimes leave the output layer alone.
        models.append(keras.Model(inputs, keras.layers.Dense(2, name="output")(outputs)))
    models[1].set_weights(models[0].get_weights())
    for model in models:
        bnkeras.set_regime(model, regime)
    x = _values(5, 7, CHANNELS)
    mine, theirs = (_trained(model.get_layer("lstm"), x) for model in models)
    assert len(mine) == len(theirs) == 3  # outputs, gradients of inputs and of what trains
    _assert_close(mine, theirs, 2e-6)


def test_it_is_the_loop_of_the_tweet_network(monkeypatch):
    calls = []

    def counted(*arguments):
        calls.append(arguments[0].shape)
        return lstm(*arguments)

    monkeypatch.setattr("bnkeras.layers.sequences.lstm", counted)
    model = bnkeras.build("tweet_lstm", vocabulary_size=9, embedding=4, units=3)
    ids = tf.constant([[4, 2, 0], [1, 0, 0]])
    plain, trained = model(ids), model(ids, training=True)
    assert calls == [(2, 3, 4)]
    assert plain.shape == trained.shape == (2, 2)
