"""The cost model, against hand arithmetic."""

from dataclasses import replace
from math import inf

import pytest

from bnkeras.analysis.cost import step_cost
from bnkeras.analysis.hardware import HARDWARE, LINKS, Hardware, Link, Rate, find_hardware
from bnkeras.errors import InputError
from bnkeras.models.work import LayerWork

# One operation and one byte take a second; nothing else takes time.
UNIT = Hardware(
    title="",
    operations={"float32": Rate(1.0, 1.0), "mixed_bfloat16": Rate(2.0, 1.0)},
    bandwidth=Rate(1.0, 1.0),
    memory=inf,
    launch=0.0,
    devices=8,
    inside=Link("", bandwidth=1.0, latency=0.0, share=1.0),
    network="ethernet-25",
)
COUNTING = replace(UNIT, bandwidth=Rate(inf, 1.0))  # operations alone take time
MOVING = replace(UNIT, operations={"float32": Rate(inf, 1.0)})  # bytes alone


def layer(kind, *, products=0, inputs=0, outputs=0, trained=0, kernel=False, back=True, **other):
    """Return the work of a layer; what a test does not name is nothing."""
    return LayerWork(
        name=kind,
        kind=kind,
        multiply_adds=products,
        activations=outputs,
        inputs=inputs,
        channels=other.pop("channels", 1),
        steps=other.pop("steps", 1),
        parameters=other.pop("parameters", trained),
        trained=trained,
        trains_kernel=kernel,
        passes_back=back,
    )


@pytest.mark.parametrize(
    ("kernel", "back", "passes"), [(True, True, 3), (False, True, 2), (True, False, 2)]
)
def test_products_of_a_convolution(kernel, back, passes):
    conv = layer("conv", products=100, kernel=kernel, back=back)
    cost = step_cost([conv], 4, COUNTING)
    assert cost.operations == passes * 2 * 100 * 4
    assert cost.seconds == cost.operations
    assert cost.forward == 2 * 100 * 4


def test_a_frozen_network_has_no_backward_pass():
    parts = [layer("conv", products=100, back=False), layer("batch_norm", outputs=5, back=False)]
    cost = step_cost(parts, 4, COUNTING)
    assert (cost.operations, cost.backward, cost.gradient_bytes) == (800, 0, 0)


@pytest.mark.parametrize(
    ("part", "values"),
    [
        # Read and written: forwards; for the gradient of the inputs; for that of the kernel.
        (layer("conv", inputs=10, outputs=20), 30 + 30),
        (layer("conv", inputs=10, outputs=20, kernel=True), 30 + 30 + 30),
        # The moments read the inputs, the normalization reads and writes; the sums of the
        # gradient read two tensors, the gradient of the inputs reads two and writes one.
        (layer("batch_norm", inputs=10, outputs=10), 10 + 20 + 20 + 30),
        (layer("activation", inputs=10, outputs=10), 20 + 30),
        (layer("activation", inputs=10, outputs=10, back=False), 20),
        (layer("add", inputs=20, outputs=10), 30 + 30),
        (layer("pad", inputs=10, outputs=14), 24 + 24),
    ],
    ids=lambda value: getattr(value, "kind", value),
)
def test_bytes_moved(part, values):
    assert step_cost([part], 2, MOVING).bytes == values * 2 * 4
    half = replace(MOVING, operations={"mixed_bfloat16": Rate(inf, 1.0)})
    assert step_cost([part], 2, half, precision="mixed_bfloat16").bytes == values * 2 * 2


def test_kernels_and_the_optimizer_are_moved_once_a_step():
    dense = layer("dense", parameters=50, trained=50, kernel=True)
    # Read forwards and for the inputs' gradient, written as the kernel's; then the optimizer
    # reads weight, gradient and momentum, and writes weight and momentum.
    assert step_cost([dense], 2, MOVING).bytes == (3 * 50 + 5 * 50) * 4
    assert step_cost([dense], 200, MOVING).bytes == (3 * 50 + 5 * 50) * 4


def test_each_kernel_takes_as_long_as_its_slowest_part():
    # 200 operations against 4 · 30 bytes forwards, 200 against 120 again backwards.
    conv = layer("conv", products=100, inputs=10, outputs=20)
    assert step_cost([conv], 1, UNIT).seconds == 400
    narrow = replace(UNIT, bandwidth=Rate(0.5, 1.0))
    assert step_cost([conv], 1, narrow).seconds == 2 * 240
    slow = replace(UNIT, launch=1000.0)
    cost = step_cost([conv], 1, slow)
    assert (cost.kernels, cost.seconds) == (3, 3000)  # the optimizer's, too


def test_a_recurrent_layer_is_a_chain_of_kernels():
    lstm = layer("recurrent", products=3000, steps=30, outputs=30)
    cost = step_cost([lstm], 2, replace(UNIT, launch=1e9))
    assert cost.kernels == 2 * 2 * 30 + 1
    assert step_cost([lstm], 2, COUNTING).operations == pytest.approx(2 * 2 * 3000 * 2)


def test_a_ring_for_much_and_a_tree_for_little():
    link = Link("", bandwidth=10.0, latency=0.5, share=0.5)
    # Each of four sends and receives 2 · 3/4 of 100 bytes at 5 bytes/s, in 6 messages.
    assert link.seconds(100, 4) == pytest.approx(150 / 5 + 3)
    # Up and down the three levels of a tree of eight, 1 byte each time.
    assert link.seconds(1, 8) == pytest.approx(6 * (1 / 5 + 0.5))
    assert link.seconds(100, 2) == pytest.approx(100 / 5 + 2 * 0.5)


def test_gradients_are_summed_within_machines_and_between():
    dense = layer("dense", trained=1000, back=False)
    network = Link("", bandwidth=2.0, latency=1.0, share=1.0)

    def exchange(devices, **arguments):
        return step_cost([dense], 64, UNIT, devices=devices, network=network, **arguments).exchange

    assert exchange(1) == 0
    assert exchange(2) == pytest.approx(2 * 1 / 2 * 4000)
    assert exchange(8) == pytest.approx(2 * 7 / 8 * 4000)
    assert exchange(32) == pytest.approx(2 * 7 / 8 * 4000 + 2 * 3 / 4 * 4000 / 2 + 6)
    assert exchange(4, machine=1) == pytest.approx(2 * 3 / 4 * 4000 / 2 + 6)


def test_what_the_backward_pass_hides():
    dense = layer("dense", products=1000, trained=1000, kernel=True, back=False)
    network = Link("", bandwidth=1.0, latency=2.0, share=1.0)
    arguments = {"devices": 2, "machine": 1, "network": network}
    full = step_cost([dense], 2, COUNTING, **arguments)
    assert full.exchange == 4000 + 2 * 2
    assert full.backward == 2000
    half = step_cost([dense], 2, COUNTING, overlap=0.5, **arguments)
    assert half.exchange == 4000 + 2 * 2 - 1000
    # However much there is to hide behind, the last gradients are exchanged after it.
    long = step_cost([dense], 20, COUNTING, overlap=1.0, **arguments)
    assert long.exchange == 2 * 2


def test_synchronized_statistics():
    norms = [
        layer("batch_norm", channels=16, trained=32, back=False),
        layer("batch_norm", channels=64, trained=128),
        layer("norm", channels=64, trained=128),
    ]
    network = Link("", bandwidth=1.0, latency=10.0, share=1.0)
    arguments = {"devices": 2, "machine": 1, "network": network}
    assert step_cost(norms, 4, UNIT, **arguments).statistics == 0
    cost = step_cost(norms, 4, UNIT, synchronized=True, **arguments)
    # Nothing trains in front of the first, so its statistics have no gradient to sum.
    assert cost.statistics == (2 * 16 * 4 + 20) + 2 * (2 * 64 * 4 + 20)


def test_memory():
    parts = [
        layer("conv", outputs=100, parameters=30, back=False),
        layer("batch_norm", outputs=100, trained=10, back=False),
        layer("activation", outputs=100),
    ]
    # The inputs of the norm and what the activation gives; weights, and what trains twice more.
    assert step_cost(parts, 8, UNIT).memory == 4 * (8 * 200 + 40 + 2 * 10)
    assert step_cost(parts, 8, UNIT, devices=2).memory == 4 * (4 * 200 + 40 + 2 * 10)


def test_figures_of_a_step():
    conv = layer("conv", products=100, trained=1000, kernel=True, back=False)
    cost = step_cost([conv], 8, COUNTING, devices=2)
    assert cost.examples == 4
    assert cost.seconds == 2 * 800 + 4000
    assert cost.communication == pytest.approx(4000 / 5600)
    assert cost.examples_per_second == 8 / 5600


def test_errors():
    with pytest.raises(InputError, match=r"'conv' computes is not known.*input_shape"):
        step_cost([layer("conv", products=None)], 8, UNIT)
    with pytest.raises(
        InputError, match=r"a batch of 12 for 5 devices\. Numbers that fit: 1, 2, 3"
    ):
        step_cost([layer("conv")], 12, UNIT, devices=5)
    with pytest.raises(InputError, match=r"No hardware 'h10': choose one of h100, .* mean 'h100'"):
        find_hardware("h10")


def test_the_table_of_hardware():
    for one in HARDWARE.values():
        assert one.network in LINKS
        assert set(one.operations) == {"float32", "mixed_bfloat16"}
        # A machine's own devices are nearer to each other than to other machines.
        assert one.inside.latency < LINKS[one.network].latency
        assert one.inside.bandwidth * one.devices > LINKS[one.network].bandwidth
