"""Masked layers of every type: what they compute, what trains, and that they can be saved."""

import keras
import numpy as np
import pytest

from bnkeras.layers import LSTM
from bnkeras.layers.kernels import kernels, layouts
from bnkeras.layers.masked import (
    Mask,
    Masked,
    MaskedLoop,
    become_masked,
    mask_layer,
    maskable,
    unmask,
)

L = keras.layers

LAYERS = {
    "dense": (lambda: L.Dense(5, activation="tanh"), (7,)),
    "conv1d": (lambda: L.Conv1D(4, 3), (6, 2)),
    "conv2d": (lambda: L.Conv2D(6, 3, groups=2, use_bias=False), (5, 5, 4)),
    "conv3d": (lambda: L.Conv3D(2, 2), (3, 3, 3, 2)),
    "depthwise1d": (lambda: L.DepthwiseConv1D(3), (5, 4)),
    "depthwise2d": (lambda: L.DepthwiseConv2D(3, depth_multiplier=2), (4, 4, 3)),
    "transpose1d": (lambda: L.Conv1DTranspose(3, 2), (4, 2)),
    "transpose2d": (lambda: L.Conv2DTranspose(3, 2, strides=2), (3, 3, 2)),
    "transpose3d": (lambda: L.Conv3DTranspose(2, 2), (2, 2, 2, 3)),
    "einsum": (lambda: L.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="e"), (2, 4)),
    "lstm": (lambda: L.LSTM(4), (5, 3)),
    "gru": (lambda: L.GRU(4, return_sequences=True), (5, 3)),
    "gru_before": (lambda: L.GRU(4, reset_after=False, use_bias=False), (5, 3)),
    "simple_rnn": (lambda: L.SimpleRNN(4, unroll=True), (5, 3)),
    "our_lstm": (lambda: LSTM(4), (5, 3)),
    "cell": (lambda: L.RNN(L.LSTMCell(4)), (5, 3)),
    "cells": (lambda: L.RNN([L.LSTMCell(4), L.GRUCell(3)]), (5, 3)),
    "bidirectional": (lambda: L.Bidirectional(L.LSTM(4)), (5, 3)),
    "distributed": (lambda: L.TimeDistributed(L.Dense(4)), (5, 3)),
}


def model_of(name, dtype=None):
    keras.utils.set_random_seed(1)
    make, shape = LAYERS[name]
    with_policy = make()
    if dtype is not None:
        keras.config.set_dtype_policy(dtype)
        with_policy = make()
    inputs = keras.Input(shape)
    model = keras.Model(inputs, with_policy(inputs))
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    return model, x


def put_masks(model, spread=False, k=2):
    layers = list(model._flatten_layers(include_self=False))
    masked = [layer for layer in layers if layouts(layer)]
    for index, layer in enumerate(masked):
        mask_layer(layer, Mask(k, spread, 3, f"layer{index}"))
    for layer in layers:
        if isinstance(layer, L.RNN):
            become_masked(layer)
    return masked


def take_off(model):
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, Masked | MaskedLoop):
            unmask(layer)


def bits(tensor):
    return np.array(tensor).tobytes()


@pytest.mark.parametrize("spread", [False, True], ids=["of_each_unit", "spread"])
@pytest.mark.parametrize("name", LAYERS)
def test_every_type_of_layer(name, spread, tmp_path):
    model, x = model_of(name)
    start = {v.path: np.array(v) for v in model.weights}
    outputs = model(x)
    masked = put_masks(model, spread)
    assert masked
    assert bits(model(x)) == bits(outputs)
    for layer in masked:
        units = next(iter(layouts(layer).values())).units
        assert tuple(layer.random_kernel.shape) == ((2 * units,) if spread else (2, units))
        assert layer.random_kernel.path == kernels(layer)[0].path.replace("kernel", "random_kernel")
        assert layer.random_kernel.trainable
        assert not any(kernel.trainable for kernel in kernels(layer))
        layer.random_kernel.assign_add(keras.ops.ones(layer.random_kernel.shape))

    # The kernel in effect is the frozen one plus 1 at k places of each unit.
    reference, _ = model_of(name)
    twins = [layer for layer in reference._flatten_layers(include_self=False) if layouts(layer)]
    for layer, twin in zip(masked, twins, strict=True):
        moved = []
        for kernel, plain in zip(kernels(layer), kernels(twin), strict=True):
            assert bits(kernel) == bits(plain)
            effective = np.array(getattr(layer, kernel.name))
            plus = effective - np.array(kernel)
            assert set(np.round(plus, 4).ravel()) <= {0.0, 1.0}
            moved.append(plus.ravel()[layouts(layer)[kernel.name].by_unit()] > 0.5)
            plain.assign(effective)
        count = np.concatenate(moved).sum(0)
        assert count.sum() == 2 * len(count)
        assert spread or (count == 2).all()
    assert bits(model(x)) == bits(reference(x))
    assert bits(model(x)) != bits(outputs)

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert bits(loaded(x)) == bits(model(x))
    assert [bits(v) for v in loaded.weights] == [bits(v) for v in model.weights]
    clone = keras.models.clone_model(model)
    assert [v.shape for v in clone.weights] == [v.shape for v in model.weights]

    take_off(model)
    assert bits(model(x)) == bits(reference(x))
    assert [v.path for v in model.weights] == list(start)
    assert not any("Masked" in type(layer).__name__ for layer in model._flatten_layers())


@pytest.mark.parametrize("name", ["dense", "conv2d", "lstm", "cells"])
def test_gradients(name):
    """They are those of the whole kernel, at the places that train."""
    import tensorflow as tf

    model, x = model_of(name)
    plain = [kernel for layer in model._flatten_layers() for kernel in kernels(layer)]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model(x)))
    whole = {
        kernel.path: np.array(gradient).ravel()
        for kernel, gradient in zip(plain, tape.gradient(loss, plain), strict=True)
    }
    masked = put_masks(model)
    assert not any(kernel.trainable for kernel in plain)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model(x)))
    trained = [layer.random_kernel for layer in masked]
    for layer, gradient in zip(masked, tape.gradient(loss, trained), strict=True):
        flat = np.concatenate([whole[kernel.path] for kernel in kernels(layer)])
        expected = flat[layer._chosen.positions.ravel()].reshape(gradient.shape)
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["conv2d", "lstm"])
def test_mixed_precision(name):
    model, x = model_of(name, "mixed_bfloat16")
    outputs = model(x)
    masked = put_masks(model)
    assert bits(model(x)) == bits(outputs)
    for layer in masked:
        assert layer.random_kernel.dtype == "float32"
        # Outside of a call, all digits.
        assert all(kernel.dtype.name == "float32" for kernel in layer.effective_kernels().values())
    start = {v.path: bits(v) for v in model.weights if "random" not in v.path}
    take_off(model)
    assert {v.path: bits(v) for v in model.weights} == start


@pytest.mark.parametrize("name", ["lstm", "gru", "cell", "cells", "bidirectional", "our_lstm"])
def test_a_loop_puts_its_kernels_together_once(name):
    """Not in every step over time."""
    import tensorflow as tf

    model, x = model_of(name)
    masked = put_masks(model)
    traced = tf.function(model, autograph=False).get_concrete_function(x).graph.as_graph_def()
    before_the_loop = [node.op for node in traced.node]
    within = [node.op for function in traced.library.function for node in function.node_def]
    assert "MatMul" in within
    assert "TensorScatterUpdate" not in within
    # Of several cells, Keras reads the kernels in vain besides.
    assert before_the_loop.count("TensorScatterUpdate") >= len(masked)
    assert before_the_loop.count("TensorScatterUpdate") == 1 or len(masked) > 1


def test_a_cell_outside_of_a_loop():
    cell = L.LSTMCell(4)
    x, state = np.ones((2, 3), np.float32), [np.ones((2, 4), np.float32)] * 2
    output = cell(x, state)[0]
    mask_layer(cell, Mask(2, False, 3, "cell"))
    assert bits(cell(x, state)[0]) == bits(output)
    cell.random_kernel.assign(keras.ops.zeros((2, 4)))
    assert bits(cell(x, state)[0]) != bits(output)


@keras.saving.register_keras_serializable(package="test_masked")
class TwoKernels(L.Dense):
    def build(self, shape):
        super().build(shape)
        self.gate_kernel = self.add_weight(shape=(shape[-1], self.units), name="gate_kernel")

    def call(self, inputs):
        return super().call(inputs) * keras.ops.matmul(inputs, self.gate_kernel)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (L.SeparableConv1D(4, 3), (8, 4)),
        (L.SeparableConv2D(4, 3), (8, 8, 4)),
        (L.SeparableConv2D(6, 3, depth_multiplier=2), (8, 8, 3)),
        (TwoKernels(4), (3,)),
    ],
)
def test_kernels_that_a_masked_layer_does_not_replace(layer, shape):
    """Its values would train in vain, though both kernels have as many units."""
    layer.build((None, *shape))
    assert len({layout.units for layout in layouts(layer).values()}) == 1
    assert len(layouts(layer)) == 2
    assert not maskable(layer)


@pytest.mark.parametrize("name", LAYERS)
def test_every_kernel_of_a_maskable_layer_is_replaced(name):
    model, _ = model_of(name)
    with_kernels = [layer for layer in model._flatten_layers() if kernels(layer)]
    assert with_kernels
    assert all(map(maskable, with_kernels))


def test_what_the_mask_says():
    """Seed, path, k and variant are in the configuration; the positions follow from them."""
    model, _ = model_of("dense")
    (layer,) = put_masks(model, k=3)
    config = layer.get_config()
    assert config["kernel_mask"] == {"k": 3, "spread": False, "seed": 3, "path": "layer0"}
    again = type(layer).from_config(config)
    again.build((None, 7))
    assert np.array_equal(again._chosen.positions, layer._chosen.positions)
    assert again.name == layer.name
    assert again.activation is keras.activations.tanh


def test_a_layer_is_locked_again():
    model, _ = model_of("dense")
    (layer,) = put_masks(model)
    with pytest.raises(ValueError, match="cannot add new elements of state"):
        layer.another = keras.Variable(1.0)
