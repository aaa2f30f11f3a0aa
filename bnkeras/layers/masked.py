"""Layers in which some values of the kernels train, in a variable of their own.

A built layer is changed in place into one of a subclass, as PyTorch's
`parametrize` does it: a `Conv2D` becomes a `MaskedConv2D`. Its kernels stay as they
are, frozen; the layer computes with the trained values in place of some of theirs.
"""

from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from functools import cache

import keras
import numpy as np
from keras import ops

from bnkeras.layers.kernels import (
    DEPTHWISE,
    GATES,
    RANDOM_KERNEL,
    TRANSPOSED,
    UNITS_LAST,
    kernels,
    layouts,
)
from bnkeras.layers.sequences import LSTM
from bnkeras.seeding.choices import choose


@dataclass(frozen=True)
class Mask:
    """Which values of a layer's kernels train.

    Args:
        k: values of each unit, of all kernels and gates of a recurrent layer together.
        spread: whether k · units values are chosen over the whole layer instead.
        seed: root seed of the choice.
        path: path of the layer. The choice is that of the stream `path`/positions, or
            of `path`/positions_spread; see `bnkeras.seeding.choices`.
    """

    k: int
    spread: bool
    seed: int
    path: str

    def positions(self, by_unit: np.ndarray) -> np.ndarray:
        """Return the places that train, int32 [k, units], or [k · units] if they are spread.

        Args:
            by_unit: the places of the values of each unit, int32 [values, units].
        """
        values, units = by_unit.shape
        if self.spread:
            stream = f"{self.path}/positions_spread"
            chosen = choose(self.seed, stream, self.k * units, values * units)
            return chosen[:, 0].astype(np.int32)
        rows = choose(self.seed, f"{self.path}/positions", self.k, values, units)
        return by_unit[rows, np.arange(units)]


@dataclass(frozen=True)
class _Chosen:
    """The kernels of a layer, and the places that train in all of them laid end to end."""

    kernels: tuple[keras.Variable, ...]
    positions: np.ndarray  # int32 [n, 1], as a scatter takes them


class Masked:
    """Mixin of a layer some of whose kernels' values train.

    The variable `random_kernel` holds them, [k, units], or [k · units] if they are
    spread. The kernels are frozen and keep all their values:

        kernel in effect = kernel, with the values of `random_kernel` at the positions

    The attributes `kernel` and so on give the kernel in effect, as they do under LoRA.
    """

    kernel_mask: Mask
    random_kernel: keras.Variable | None = None
    _chosen: _Chosen | None = None

    def effective_kernels(self) -> dict:
        """Return the kernels that the layer computes with, by name."""
        parts = [
            ops.reshape(ops.convert_to_tensor(kernel), (-1,)) for kernel in self._chosen.kernels
        ]
        values = ops.reshape(ops.convert_to_tensor(self.random_kernel), (-1,))
        flat = ops.concatenate(parts) if len(parts) > 1 else parts[0]
        flat = ops.scatter_update(flat, self._chosen.positions, values)
        ends = np.cumsum([part.shape[0] for part in parts])
        return {
            kernel.name: ops.reshape(flat[end - part.shape[0] : end], kernel.shape)
            for kernel, part, end in zip(self._chosen.kernels, parts, ends, strict=True)
        }

    def choose_positions(self) -> None:
        """Freeze the kernels and add the variable of the values that train."""
        frozen = tuple(kernels(self))
        by_name = layouts(self)
        before = np.cumsum([0, *(np.prod(kernel.shape) for kernel in frozen)], dtype=np.int32)
        by_unit = [
            start + by_name[kernel.name].by_unit()
            for start, kernel in zip(before, frozen, strict=False)
        ]
        positions = self.kernel_mask.positions(np.concatenate(by_unit))
        self._chosen = _Chosen(frozen, positions.reshape(-1, 1))

        def initial(shape, dtype=None):
            flat = ops.concatenate([ops.reshape(kernel, (-1,)) for kernel in frozen])
            return ops.cast(ops.take(flat, positions), dtype)

        for kernel in frozen:
            kernel.trainable = False
        self._tracker.unlock()
        with _strategy_scope(frozen[0]):
            self.random_kernel = self.add_weight(
                name=RANDOM_KERNEL,
                shape=positions.shape,
                initializer=initial,
                dtype=frozen[0].dtype,
                regularizer=frozen[0].regularizer,
            )
        self._lock_state()

    def _post_build(self):
        super()._post_build()
        if self._chosen is None:
            self.choose_positions()

    # Keras' own convolutions and dense layers save the kernel in effect alone.
    save_own_variables = keras.layers.Layer.save_own_variables
    load_own_variables = keras.layers.Layer.load_own_variables

    def get_config(self):
        """Return the arguments of the layer, and the mask."""
        return super().get_config() | {"kernel_mask": asdict(self.kernel_mask)}

    @classmethod
    def from_config(cls, config):
        """Return a layer that chooses its positions when it is built."""
        config = dict(config)
        mask = Mask(**config.pop("kernel_mask"))
        layer = super().from_config(config)
        layer.kernel_mask = mask
        return layer


# Kernels in effect by the id of the recurrent cell, while a loop over time runs.
_in_loop: ContextVar[dict[int, dict] | None] = ContextVar("in_loop", default=None)


class MaskedLoop:
    """Mixin of a recurrent layer whose cell is masked.

    The kernels in effect are put together once, before the loop over time: in every
    step again, they cost a third of the training step of an LSTM.
    """

    def inner_loop(self, *args, **kwargs):
        """Run over time."""
        cells = [cell for cell in self._flatten_layers() if isinstance(cell, Masked)]
        token = _in_loop.set({id(cell): cell.effective_kernels() for cell in cells})
        try:
            return super().inner_loop(*args, **kwargs)
        finally:
            _in_loop.reset(token)

    def get_config(self):
        """Return the arguments of the layer, and the mask of a cell that is not among them."""
        config = super().get_config()
        if "cell" not in config:
            config["kernel_mask"] = asdict(self.cell.kernel_mask)
        return config

    @classmethod
    def from_config(cls, config):
        """Return a layer whose cell chooses its positions when it is built."""
        config = dict(config)
        mask = config.pop("kernel_mask", None)
        layer = super().from_config(config)
        if mask is not None:
            become_masked(layer.cell)
            layer.cell.kernel_mask = Mask(**mask)
        return layer


def maskable(layer: keras.layers.Layer) -> bool:
    """Whether `mask_layer` takes `layer`.

    It does if the masked layer puts another kernel in effect in place of each: a separable
    convolution, say, reads `depthwise_kernel`, which no masked layer has. Besides, all
    kernels have known layouts with the same units, and no constraints.
    """
    known = layouts(layer)
    names = _kernels_in_effect(type(layer))
    return (
        all(
            kernel.name in names and kernel.name in known and kernel.constraint is None
            for kernel in kernels(layer)
        )
        and len({layout.units for layout in known.values()}) == 1
        and not getattr(layer, "lora_enabled", False)
    )


def mask_layer(layer: keras.layers.Layer, mask: Mask) -> None:
    """Change a built layer that is `maskable` into a masked one."""
    become_masked(layer)
    layer.kernel_mask = mask
    layer.choose_positions()


def become_masked(layer: keras.layers.Layer) -> None:
    """Change the class of `layer` to the masked one."""
    layer.__class__ = masked_class(type(layer))


def unmask(layer: keras.layers.Layer) -> None:
    """Change a masked layer back, and write what was trained into its kernels."""
    if isinstance(layer, Masked):
        effective = layer.effective_kernels()
        for kernel in kernels(layer):
            kernel.assign(effective[kernel.name])
        layer._untrack_variable(layer.random_kernel)
        for name in ("random_kernel", "_chosen", "kernel_mask"):
            # Past Keras, which would collect garbage after each layer.
            super(keras.layers.Layer, layer).__delattr__(name)
    layer.__class__ = type(layer).__bases__[1]


@cache
def masked_class(base: type[keras.layers.Layer]) -> type[keras.layers.Layer]:
    """Return the masked subclass of `base`, registered with Keras.

    Loading a `.keras` file needs it registered before: this module does that for the
    layers of Keras and of this package, and this call for a layer derived from them.
    """
    mixin = MaskedLoop if issubclass(base, keras.layers.RNN) else Masked
    names = _kernels_in_effect(base) if mixin is Masked else ()
    members = {name: _in_effect(base, name) for name in names}
    members |= {"__module__": __name__, "__doc__": f"`{base.__name__}`, masked."}
    made = type(f"Masked{base.__name__}", (mixin, base), members)
    # Two packages may have a layer of the same name, as Keras and this one have an LSTM.
    name = f"Masked({base.__module__.partition('.')[0]}.{base.__qualname__})"
    return keras.saving.register_keras_serializable(package="bnkeras", name=name)(made)


def _kernels_in_effect(base: type[keras.layers.Layer]) -> tuple[str, ...]:
    """Return the attributes of `base` that give the kernel in effect once it is masked."""
    return ("kernel", "recurrent_kernel") if issubclass(base, tuple(GATES)) else ("kernel",)


def _in_effect(base: type[keras.layers.Layer], name: str) -> property:
    """Return the attribute `name` of a masked layer: the kernel in effect."""
    inherited = getattr(base, name, None)

    def read(self):
        if self._chosen is not None:
            in_loop = _in_loop.get() or {}
            return (in_loop.get(id(self)) or self.effective_kernels())[name]
        if inherited is not None:
            return inherited.fget(self)
        if name not in self.__dict__:
            raise AttributeError(f"{self.name} is not built")
        return self.__dict__[name]

    def write(self, kernel):
        self.__dict__[name] = kernel

    return property(read, write if inherited is None else None)


def _strategy_scope(variable: keras.Variable) -> AbstractContextManager:
    """Return the scope of the distribution strategy that `variable` was created in."""
    strategy = getattr(variable.value, "distribute_strategy", None)
    return nullcontext() if strategy is None else strategy.scope()


_LOOPS = (keras.layers.RNN, keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN, LSTM)
for _base in (*UNITS_LAST, *TRANSPOSED, *DEPTHWISE, keras.layers.EinsumDense, *_LOOPS):
    masked_class(_base)
