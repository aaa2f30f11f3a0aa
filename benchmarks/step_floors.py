"""What a training step has to do at least: products of matrices, and values moved.

Products are those of convolutions, dense and recurrent layers: forwards; for the gradient of the
inputs, where something that leads to them trains; and for the gradient of the kernel, where it
trains (of random-k, the share of its values that train). A convolution counts as the product
[positions, kernel · channels] × [kernel · channels, filters], padding included. Its rate is that
of a product of matrices of this shape or, for a convolution and its gradients, that of the
convolution forwards and alone, whichever is higher.

Values are moved in these passes, whatever is kept in a cache:

| layer | forwards | backwards |
|---|---|---|
| convolution, dense, recurrent, pool | inputs, outputs | outputs, inputs; both for a kernel |
| its kernel | once | once for the inputs; what trains of it once |
| BatchNorm | inputs twice, outputs once | inputs and gradient twice, gradient of inputs once |
| sum | the shortcut | |
| embedding | rows, outputs | |
| what trains | | gradient, momentum and value read, the last two written |

ReLU and padding are part of the layer before or after. The passes of a product go on while
it is computed; those of the others take time of their own.
"""

from collections.abc import Iterable
from math import isqrt, prod
from typing import Any, NamedTuple

Layer = dict[str, Any]
# Values that momentum SGD reads and writes for one that trains.
_UPDATE = 5
# What the two second-level caches of a small machine hold.
_CACHED = 2 * 2**20


class Product(NamedTuple):
    """A product [m, k] × [k, n], so many times."""

    m: int
    k: int
    n: int
    times: float

    @property
    def operations(self) -> float:
        """Floating-point operations."""
        return 2 * self.m * self.k * self.n * self.times

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape, its longest side cut to what fits into the cache."""
        sizes = [self.m, self.k, self.n]
        longest = max(range(3), key=lambda side: sizes[side])
        short, other = (size for side, size in enumerate(sizes) if side != longest)
        fits = max(512, _CACHED // (4 * (short + other)))
        sizes[longest] = min(sizes[longest], fits)
        return tuple(sizes)


class Convolution(NamedTuple):
    """A convolution of square images forwards."""

    batch: int
    side: int
    window: int
    before: int
    after: int
    stride: int
    padding: int

    @property
    def operations(self) -> int:
        """Floating-point operations."""
        side = (self.side + 2 * self.padding - self.window) // self.stride + 1
        return 2 * self.batch * side**2 * self.window**2 * self.before * self.after


def convolution(layer: Layer, batch: int) -> Convolution | None:
    """Return the convolution of a layer, None for another kind."""
    if layer["kind"] != "conv":
        return None
    window, _, before, after = layer["kernel"]
    side, result = isqrt(layer["inputs"] // before), isqrt(layer["activations"] // after)
    same = side == result
    return Convolution(
        batch, side, window, before, after, 1 if same else side // result, window // 2 * same
    )


def products(layer: Layer, batch: int) -> list[Product]:
    """Return the products of a layer in a training step."""
    kind = layer["kind"]
    if kind in ("conv", "dense"):
        *window, before, after = layer["kernel"]
        m = batch * layer["activations"] // after
        back = batch * layer["inputs"] // before
        whole = batch * layer["multiply_adds"]
        return _three(layer, m, prod(window) * before, after, (back, whole // back // before))
    if kind == "recurrent":
        steps, units = layer["steps"], layer["channels"]
        before = layer["inputs"] // steps
        gates = layer["multiply_adds"] // (steps * (before + units))
        state = {**layer, "passes_back": layer["passes_back"] or layer["trains_kernel"]}
        return [
            *_three(layer, batch * steps, before, gates, (batch * steps, gates)),
            *_three(state, batch, units, gates, (batch, gates), steps),
        ]
    return []


def _three(
    layer: Layer, m: int, k: int, n: int, back: tuple[int, int], times: float = 1
) -> list[Product]:
    """Return the products forwards, for the inputs' gradient and for the kernel's."""
    found = [Product(m, k, n, times)]
    if layer["passes_back"]:
        positions, values = back
        found.append(Product(positions, values, m * k * n // (positions * values), times))
    if layer["trains_kernel"]:
        share = min(1.0, layer["trained"] / layer["parameters"])
        found.append(Product(k, m, n, times * share))
    return found


def moved(layer: Layer, batch: int, size: int) -> float:
    """Return the bytes that a layer moves in a training step, in values of `size` bytes."""
    inputs, outputs = (batch * size * layer[key] for key in ("inputs", "activations"))
    back, trains = layer["passes_back"], layer["trains_kernel"]
    match layer["kind"]:
        case "conv" | "dense" | "recurrent":
            kernel = 4 * (layer["parameters"] * (1 + back) + layer["trained"])
            return (inputs + outputs) * (1 + back + trains) + kernel
        case "pool":
            return (inputs + outputs) * (1 + back)
        case "batch_norm":
            return outputs * (3 + 4 * bool(back or layer["trained"]) + back)
        case "embedding":
            return 2 * outputs
        case "add":
            return outputs
    return 0


def floor(
    layers: Iterable[Layer],
    batch: int,
    precision: str,
    rates: dict[tuple[int, ...], float],
    copying: float,
) -> dict[str, float]:
    """Return operations, bytes and the seconds that a step takes at least.

    Args:
        layers: see `peers.bnkeras_loop.layers`.
        batch: examples of a batch.
        precision: float32 or bfloat16.
        rates: operations per second by the shape of a product, and by the convolution.
        copying: bytes read and written per second by a copy.
    """
    layers = list(layers)
    size = {"float32": 4, "bfloat16": 2}[precision]
    by_layer = [(layer, products(layer, batch)) for layer in layers]
    computing = [one for _, own in by_layer for one in own]
    computed = sum(
        one.operations / max(rates[one.shape], rates.get(convolution(layer, batch), 0))
        for layer, own in by_layer
        for one in own
    )
    beside = sum(moved(layer, batch, size) for layer, own in by_layer if own) / copying
    alone = sum(moved(layer, batch, size) for layer, own in by_layer if not own)
    alone = (alone + _UPDATE * 4 * sum(layer["trained"] for layer in layers)) / copying
    return {
        "operations": sum(one.operations for one in computing),
        "bytes": (beside + alone) * copying,
        "computing": computed,
        "moving": beside + alone,
        "seconds": max(computed, beside) + alone,
    }
