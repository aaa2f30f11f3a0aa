"""Which values of a kernel lead to which unit: found by changing them, one at a time."""

import keras
import numpy as np
import pytest

from bnkeras.layers.kernels import Layout, kernels, layouts

L = keras.layers

# A layer, the shape of its input, and its kernel's fan-in and units.
LAYERS = [
    (L.Dense(5), (7,), 7, 5),
    (L.Dense(3), (2, 4), 4, 3),
    (L.Conv1D(4, 3), (6, 2), 6, 4),
    (L.Conv2D(6, 3), (4, 4, 2), 18, 6),
    (L.Conv2D(6, 3, groups=2), (4, 4, 4), 18, 6),
    (L.Conv3D(2, 2), (3, 3, 3, 2), 16, 2),
    (L.DepthwiseConv1D(3), (5, 4), 3, 4),
    (L.DepthwiseConv2D(3, depth_multiplier=2), (4, 4, 3), 9, 6),
    (L.Conv1DTranspose(3, 2), (4, 2), 4, 3),
    (L.Conv2DTranspose(3, 2, strides=2), (3, 3, 2), 8, 3),
    (L.Conv3DTranspose(2, 2), (2, 2, 2, 3), 24, 2),
    (L.EinsumDense("ab,bc->ac", 5), (7,), 7, 5),
    (L.EinsumDense("abc,cde->abde", (None, 2, 3)), (2, 4), 4, 6),
    (L.EinsumDense("abde,dec->abc", (None, 5)), (2, 3, 4), 12, 5),
    (L.EinsumDense("...x,xy->...y", 5), (2, 3), 3, 5),
]


@pytest.mark.parametrize(
    ("layer", "shape", "fan_in", "units"), LAYERS, ids=lambda case: getattr(case, "name", None)
)
def test_a_value_leads_to_its_unit(layer, shape, fan_in, units):
    """Adding 1 to one value of a kernel changes one channel of the output: that of its unit."""
    x = np.random.default_rng(0).uniform(1, 2, (2, *shape)).astype(np.float32)
    before = np.array(layer(x))
    (kernel,) = kernels(layer)
    layout = layouts(layer)["kernel"]
    assert (layout.fan_in, layout.units, layout.gates) == (fan_in, units, 1)
    by_unit = layout.by_unit()
    assert by_unit.dtype == np.int32
    assert by_unit.shape == (fan_in, units)
    assert sorted(by_unit.ravel()) == list(range(fan_in * units))
    assert (np.diff(by_unit, axis=0) > 0).all()  # in row-major order of what is summed over
    start = np.array(kernel)
    channels = before.reshape(-1, units)
    for unit in range(units):
        for place in by_unit[:: max(fan_in // 3, 1), unit]:
            changed = start.copy()
            changed.flat[place] += 1
            kernel.assign(changed)
            differs = (np.array(layer(x)).reshape(channels.shape) != channels).any(0)
            assert differs.nonzero()[0].tolist() == [unit]


@pytest.mark.parametrize(
    ("layer", "gates"),
    [(L.LSTMCell(3), 4), (L.GRUCell(3), 3), (L.SimpleRNNCell(3), 1)],
    ids=lambda case: getattr(case, "name", None),
)
def test_the_gates_of_a_cell(layer, gates):
    random = np.random.default_rng(0)
    x = random.uniform(1, 2, (2, 4)).astype(np.float32)
    state = [random.uniform(0.5, 1, (2, 3)).astype(np.float32)] * (2 if gates == 4 else 1)
    before = np.array(layer(x, state)[0])
    found = layouts(layer)
    assert [(k, f.fan_in, f.units, f.gates) for k, f in found.items()] == [
        ("kernel", 4, 3, gates),
        ("recurrent_kernel", 3, 3, gates),
    ]
    for kernel in kernels(layer):
        by_unit = found[kernel.name].by_unit()
        assert by_unit.shape == (found[kernel.name].fan_in * gates, 3)
        assert (np.diff(by_unit, axis=0) > 0).all()
        start = np.array(kernel)
        for unit, row in np.ndindex(3, len(by_unit)):
            changed = start.copy()
            changed.flat[by_unit[row, unit]] += 1
            kernel.assign(changed)
            differs = (np.array(layer(x, state)[0]) != before).any(0)
            assert differs.nonzero()[0].tolist() == [unit]
        kernel.assign(start)


def test_the_two_kernels_of_a_separable_convolution():
    layer = L.SeparableConv2D(5, 3, depth_multiplier=2)
    layer.build((None, 8, 8, 4))
    assert layouts(layer) == {
        "depthwise_kernel": Layout((3, 3, 4, 2), (0, 1)),
        "pointwise_kernel": Layout((1, 1, 8, 5), (0, 1, 2)),
    }
    assert [found.fan_in for found in layouts(layer).values()] == [9, 8]
    assert [found.units for found in layouts(layer).values()] == [8, 5]


@pytest.mark.parametrize(
    "layer", [L.Embedding(7, 3), L.BatchNormalization(), L.PReLU(), L.LSTM(3), L.Flatten()]
)
def test_layers_without_kernels_of_their_own(layer):
    layer.build((None, 4) if isinstance(layer, L.Embedding) else (None, 5, 4))
    assert layouts(layer) == {}
    assert kernels(layer) == []


def test_a_kernel_of_unknown_layout():
    class Custom(L.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 3), name="mixing_kernel")
            self.table = self.add_weight(shape=(2, 2), name="kernels")

    layer = Custom()
    layer.build((None, 4))
    assert [kernel.name for kernel in kernels(layer)] == ["mixing_kernel"]
    assert layouts(layer) == {}
