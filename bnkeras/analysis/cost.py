"""How long a training step takes, by arithmetic: products, bytes, kernels, collectives.

A step is a row of kernels. Each takes as long as the slowest of its products, its bytes and
its launch (Williams, Waterman, Patterson 2009, the roofline); then the gradients of what
trains are summed over the devices. docs/scaling.md tells how near that comes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from bnkeras.analysis.hardware import Hardware, Link
from bnkeras.errors import InputError

if TYPE_CHECKING:
    from bnkeras.models.work import LayerWork

_FLOAT32 = 4
_WIDTH = {"float32": 4, "mixed_bfloat16": 2}


class Kernel(NamedTuple):
    """One kernel of a step.

    Args:
        multiply_adds: for each example.
        values: activations and their gradients that it reads and writes, for each example.
        weights: parameters that it reads or writes, once a step.
    """

    multiply_adds: float
    values: float
    weights: int = 0


@dataclass(frozen=True)
class StepCost:
    """What a training step takes on each of the devices that share its batch.

    Args:
        devices: how many there are.
        examples: of each device.
        forward: seconds of the forward pass.
        backward: seconds of the backward pass and the optimizer.
        exchange: seconds of summing the gradients over the devices, beyond what the backward
            pass hides.
        statistics: seconds of summing batch statistics and their gradients over the devices.
        operations: floating-point operations of a device, two for each multiply-add.
        bytes: that a device reads and writes.
        kernels: that a device runs.
        gradient_bytes: what trains, in float32.
        memory: bytes of weights, gradients, momentum and what is kept for the backward pass.
    """

    devices: int
    examples: int
    forward: float
    backward: float
    exchange: float
    statistics: float
    operations: float
    bytes: float
    kernels: int
    gradient_bytes: int
    memory: float

    @property
    def seconds(self) -> float:
        """The whole step."""
        return self.forward + self.backward + self.exchange + self.statistics

    @property
    def communication(self) -> float:
        """The share of the step that is spent on the links."""
        return (self.exchange + self.statistics) / self.seconds

    @property
    def examples_per_second(self) -> float:
        """Of all devices together."""
        return self.devices * self.examples / self.seconds


def step_cost(
    layers: Sequence["LayerWork"],
    batch_size: int,
    hardware: Hardware,
    *,
    devices: int = 1,
    network: Link | None = None,
    machine: int | None = None,
    precision: str = "float32",
    synchronized: bool = False,
    overlap: float = 0.0,
) -> StepCost:
    """Return what a training step of the network takes, by arithmetic.

    Reading and augmenting the batch is not in it.

    Args:
        layers: of `bnkeras.models.work.work`, with all sizes known and the regime set.
        batch_size: examples of a step, over all devices.
        hardware: the device.
        devices: how many share the batch.
        network: the link between machines; not used on one.
        machine: devices in a machine; None for as many as the hardware has.
        precision: Keras' dtype policy, float32 or mixed_bfloat16.
        synchronized: whether batch norms take the statistics of the whole batch: 2 · channels
            float32 are summed over the devices in each, forwards and backwards.
        overlap: share of the backward pass behind which the exchange of gradients can hide.
            TensorFlow's collectives start with all gradients at once when the last is there,
            so 0; PyTorch's DDP, say, hides much.

    Raises:
        InputError: a size is open, or the devices cannot share the batch evenly.

    Example:
        >>> step_cost(work(model), 128, HARDWARE["a100"]).kernels
        135
    """
    _check(layers, batch_size, devices)
    examples, width = batch_size // devices, _WIDTH[precision]
    rate, bandwidth = hardware.operations[precision].reached, hardware.bandwidth.reached

    def moved(kernel: Kernel) -> float:
        return kernel.values * examples * width + kernel.weights * _FLOAT32

    def seconds(kernels: Iterable[Kernel]) -> float:
        return sum(
            max(
                2 * kernel.multiply_adds * examples / rate,
                moved(kernel) / bandwidth,
                hardware.launch,
            )
            for kernel in kernels
        )

    forward = [kernel for layer in layers for kernel in _forward(layer)]
    backward = [kernel for layer in layers for kernel in _backward(layer)]
    trained = sum(layer.trained for layer in layers)
    # Weight, gradient and momentum are read, weight and momentum written.
    backward.append(Kernel(0, 0, 5 * trained))
    kernels = forward + backward
    shared = _AllReduce(hardware, devices, network, machine or hardware.devices)
    backward_seconds = seconds(backward)
    gradients = _FLOAT32 * trained
    hidden = overlap * backward_seconds
    statistics = sum(
        shared.seconds(2 * _FLOAT32 * layer.channels) * (2 if layer.passes_back else 1)
        for layer in layers
        if synchronized and layer.kind == "batch_norm"
    )
    return StepCost(
        devices=devices,
        examples=examples,
        forward=seconds(forward),
        backward=backward_seconds,
        # The last of the gradients have nothing left to hide behind.
        exchange=max(shared.seconds(gradients) - hidden, shared.seconds(0)),
        statistics=statistics,
        operations=2 * examples * sum(kernel.multiply_adds for kernel in kernels),
        bytes=sum(map(moved, kernels)),
        kernels=len(kernels),
        gradient_bytes=gradients,
        memory=_memory(layers, examples * width),
    )


@dataclass(frozen=True)
class _AllReduce:
    """Sums over devices: scattered within each machine, summed across, gathered within."""

    hardware: Hardware
    devices: int
    network: Link | None
    machine: int

    def seconds(self, values: float) -> float:
        """Return how long the sum of `values` bytes takes."""
        inside = min(self.devices, self.machine)
        machines = -(-self.devices // self.machine)
        total = self.hardware.inside.seconds(values, inside) if inside > 1 else 0.0
        if machines > 1:
            # Each device sums its part with its peers; together they fill the machine's ports.
            total += self.network.seconds(values, machines)
        return total


def _forward(layer: "LayerWork") -> Iterator[Kernel]:
    """Yield the kernels of the forward pass."""
    read, written = layer.inputs, layer.activations
    match layer.kind:
        case "conv" | "dense":
            yield Kernel(layer.multiply_adds, read + written, layer.parameters)
        case "recurrent":
            yield from _steps(layer)
        case "batch_norm" | "norm":
            yield Kernel(0, read)  # mean and variance
            yield Kernel(0, read + written)
        case "embedding":
            yield Kernel(0, 2 * written)
        case _:
            yield Kernel(0, read + written)


def _backward(layer: "LayerWork") -> Iterator[Kernel]:
    """Yield the kernels that the gradient takes back through the layer."""
    inputs, outputs = layer.inputs, layer.activations
    match layer.kind:
        case "conv" | "dense":
            if layer.passes_back:
                yield Kernel(layer.multiply_adds, inputs + outputs, layer.parameters)
            if layer.trains_kernel:
                yield Kernel(layer.multiply_adds, inputs + outputs, layer.parameters)
            elif layer.trained:
                yield Kernel(0, outputs)  # of a bias
        case "recurrent":
            if layer.passes_back or layer.trained:
                yield from _steps(layer)
            if layer.trains_kernel:
                yield Kernel(layer.multiply_adds, inputs + 4 * outputs, layer.parameters)
        case "batch_norm" | "norm":
            if layer.passes_back or layer.trained:
                yield Kernel(0, inputs + outputs)  # the two sums, which are the gradients of γ, β
            if layer.passes_back:
                yield Kernel(0, 2 * inputs + outputs)
        case "embedding":
            if layer.trained:
                yield Kernel(0, 2 * outputs, layer.parameters)
        case "activation" if layer.passes_back:
            yield Kernel(0, inputs + 2 * outputs)
        case "add" if layer.passes_back:
            # Nothing here; but where its two branches part, their gradients are summed.
            yield Kernel(0, 3 * outputs)
        case "pool" if layer.passes_back:
            yield Kernel(0, 2 * (inputs + outputs))
        case _ if layer.passes_back:
            yield Kernel(0, inputs + outputs)


def _steps(layer: "LayerWork") -> Iterator[Kernel]:
    """Yield the kernels of a recurrent layer, one after another: products, then gates."""
    steps = layer.steps
    for _ in range(steps):
        yield Kernel(layer.multiply_adds / steps, (layer.inputs + 4 * layer.activations) / steps)
        yield Kernel(0, 6 * layer.activations / steps)


def _memory(layers: Sequence["LayerWork"], width: int) -> float:
    """Return the bytes of weights, gradients, momentum and what the backward pass reads again."""
    kept = sum(
        layer.activations
        for layer in layers
        # The input of a norm, and the sign of what an activation gives, which is also the input
        # of what follows.
        if layer.kind in ("batch_norm", "norm", "activation", "recurrent")
        and (layer.passes_back or layer.trained)
    )
    parameters = sum(layer.parameters for layer in layers)
    trained = sum(layer.trained for layer in layers)
    return width * kept + _FLOAT32 * (parameters + 2 * trained)


def _check(layers: Sequence["LayerWork"], batch_size: int, devices: int) -> None:
    for layer in layers:
        if None in (layer.multiply_adds, layer.activations, layer.inputs):
            raise InputError(
                f"What the layer {layer.name!r} computes is not known: a size of it is open, or "
                f"it has kernels of a kind that is not counted. Give work(model, input_shape=…) "
                f"the shape of an example."
            )
    if devices < 1 or batch_size % devices:
        fitting = [n for n in range(1, min(batch_size, 64) + 1) if batch_size % n == 0]
        raise InputError(
            f"Devices share a batch evenly; received a batch of {batch_size} for {devices} "
            f"devices. Numbers that fit: {', '.join(map(str, fitting))}."
        )
