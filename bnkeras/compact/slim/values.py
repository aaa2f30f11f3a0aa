"""Cutting the values of a variable to a plan: in NumPy, in TensorFlow, as an initializer."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from bnkeras.compact.manifest.slim import Cut, SlimNorm
from bnkeras.seeding import Law, reference
from bnkeras.seeding.initializer import Seeded

if TYPE_CHECKING:
    import tensorflow as tf


# Products are rounded to multiples of 2^-36 before they are summed in float64, which holds
# multiples of it up to 2^17 exactly.
_STEP = 2.0**-36
_LARGEST_EXACT = 2.0**17


def cut(values: np.ndarray, lost: Cut) -> np.ndarray:
    """Return what is left of a variable of the full network.

    Inputs and units of removed and merged channels go. Where channels are merged, one
    input more, the last, takes their place: with r the constants and M the merged,

        spare[..., u] = 2^-36 · Σ_{c ∈ M} round(2^36 · r[c] · values[..., c, u])

    in float64, rounded half to even and to float32 at the end. A product of two float32 is
    exact in float64, and so is a sum of whole numbers below 2^53: these are the same bits
    in whatever order a device sums. See `sums_exactly`.

    Args:
        values: [..., inputs, units], or [units]. Where positions were flattened, inputs
            are a multiple of the channels: the channels of one position after another.
        lost: what goes.

    Returns:
        The type of `values`, `lost.shape(values.shape)`.

    Example:
        >>> norm = SlimNorm(norm="bn", producer="conv", channels=3, removed=(1,), merged=(),
        ...                 consumers={"dense": ()})
        >>> cut(np.arange(6.0).reshape(3, 2), Cut(inputs=norm))
        array([[0., 1.],
               [4., 5.]])
    """
    shape = lost.shape(values.shape)
    if lost.inputs is not None:
        grouped = _grouped(values, lost.inputs)
        parts = [grouped[:, lost.inputs.kept]]
        if lost.inputs.merged:
            spare = _steps(grouped, lost).sum(axis=1, keepdims=True) * _STEP
            parts.append(spare.astype(values.dtype))
        values = np.concatenate(parts, axis=1).reshape(*shape[:-1], -1)
    if lost.outputs is not None:
        parts = [values[..., lost.outputs.kept]]
        if lost.outputs.merged:
            parts.append(np.full_like(values[..., :1], lost.spare))
        values = np.concatenate(parts, axis=-1)
    return values


def sums_exactly(values: np.ndarray, lost: Cut) -> bool:
    """Whether `cut` gives the bits of `TensorCutter`: no sum is too large for whole numbers."""
    if lost.inputs is None:
        return True
    steps = _steps(_grouped(values, lost.inputs), lost)
    return bool(np.abs(steps).sum(axis=1).max(initial=0) * _STEP < _LARGEST_EXACT)


def _grouped(values: np.ndarray, norm: SlimNorm) -> np.ndarray:
    """Return a kernel as [positions, channels, units]."""
    return values.reshape(-1, norm.channels, values.shape[-1])


def _steps(grouped: np.ndarray, lost: Cut) -> np.ndarray:
    """Return the products of the merged channels, whole numbers of steps."""
    return np.rint(_factors(lost) * grouped[:, lost.inputs.merged].astype(np.float64))


def _factors(lost: Cut) -> np.ndarray:
    return np.array(lost.constants, np.float64)[:, np.newaxis] / _STEP


def drawn(
    law: str | Law, seed: int, path: str, shape: Sequence[int], lost: Cut | None
) -> np.ndarray:
    """Return the values that a seed gives a variable of `shape`, of a slim network where `lost`.

    Raises:
        SeedingError: law, seed or path is not valid.
    """
    if lost is None:
        return reference.values(law, seed, path, shape)
    return cut(reference.values(law, seed, path, lost.full_shape(shape)), lost)


class TensorCutter:
    """Does what `cut` does, in the operations of one TensorFlow graph: the same bits, of float32.

    The graph has the channels of all norms in one constant, of a byte or two for each, and
    what merged channels are in another. Nodes are bytes of an export, so they share the
    small constants, too.

    Args:
        cuts: all that it will be called with.
    """

    def __init__(self, cuts: Iterable[Cut]):
        import tensorflow as tf

        cuts = list(cuts)
        norms = {id(norm): norm for lost in cuts for norm in (lost.inputs, lost.outputs) if norm}
        taken = sorted({tuple(norm.kept) for norm in norms.values()})
        taken += sorted({norm.merged for norm in norms.values() if norm.merged})
        weights = sorted({lost.constants for lost in cuts if lost.constants})
        channels = np.concatenate(taken).astype(int)
        packed = channels.astype(np.min_scalar_type(channels.max(initial=0)))
        self._channels = _divided(tf.cast(packed, tf.int32), taken)
        self._factors = {}
        if weights:
            factors = np.concatenate(weights).astype(np.float32)[:, np.newaxis]
            self._factors = _divided(tf.cast(factors, tf.float64) / _STEP, weights)
        self._shared: dict[Any, tf.Tensor] = {}

    def __call__(self, values: "tf.Tensor", lost: Cut) -> "tf.Tensor":
        """Return what is left of a variable of the full network."""
        import tensorflow as tf

        shape = lost.shape(values.shape)
        if lost.inputs is not None:
            axis, flattened = len(shape) - 2, values.shape[-2] != lost.inputs.channels
            if flattened:
                values = tf.reshape(values, [-1, lost.inputs.channels, values.shape[-1]])
                axis = 1
            left = self._take(values, lost.inputs.kept, axis)
            if lost.inputs.merged:
                left = tf.raw_ops.ConcatV2(
                    values=[left, self._spare(values, lost, axis)], axis=self._constant(axis)
                )
            values = tf.reshape(left, [*shape[:-1], values.shape[-1]]) if flattened else left
        if lost.outputs is not None:
            values = self._take(values, lost.outputs.kept, len(shape) - 1)
            if lost.outputs.merged:
                paddings = self._constant((*[(0, 0)] * (len(shape) - 1), (0, 1)))
                values = tf.pad(values, paddings, constant_values=lost.spare)
        return values

    def _spare(self, values: "tf.Tensor", lost: Cut, axis: int) -> "tf.Tensor":
        """Return the input in the place of the merged ones."""
        import tensorflow as tf

        wide = tf.cast(self._take(values, lost.inputs.merged, axis), tf.float64)
        sums = tf.raw_ops.Sum(
            input=tf.round(wide * self._factors[lost.constants]),
            axis=self._constant(axis),
            keep_dims=True,
        )
        return tf.cast(sums * self._constant(_STEP), values.dtype)

    def _take(self, values: "tf.Tensor", channels: Sequence[int], axis: int) -> "tf.Tensor":
        import tensorflow as tf

        return tf.raw_ops.GatherV2(
            params=values, indices=self._channels[tuple(channels)], axis=self._constant(axis)
        )

    def _constant(self, value: Any) -> "tf.Tensor":
        import tensorflow as tf

        if value not in self._shared:
            dtype = tf.float64 if isinstance(value, float) else tf.int32
            self._shared[value] = tf.constant(value, dtype)
        return self._shared[value]


def _divided(values: "tf.Tensor", parts: Sequence[tuple]) -> "dict[tuple, tf.Tensor]":
    """Return `values` in parts of the lengths of `parts`, by these."""
    import tensorflow as tf

    return dict(zip(parts, tf.split(values, [len(part) for part in parts]), strict=True))


_undrawn: ContextVar[bool] = ContextVar("undrawn", default=False)


@contextmanager
def undrawn() -> Iterator[None]:
    """Let `SeededCut` give zeros, for values that come later.

    A configuration of untrusted origin can name a full shape of any size.
    """
    token = _undrawn.set(True)
    try:
        yield
    finally:
        _undrawn.reset(token)


@keras.saving.register_keras_serializable(package="bnkeras")
class SeededCut(Seeded):
    """Initial values of a slim network's variable: those of the full network's, cut.

    A layer that holds it also holds the record of where its weights come from.

    Args:
        law: initialisation law of the full variable, see `bnkeras.seeding.parse`.
        seed: root seed of the network.
        path: stable path of the variable.
        full_shape: shape of the full variable.
        lost: what goes of it.

    Raises:
        SeedingError: law, seed or path is not valid.
    """

    def __init__(self, law: str | Law, seed: int, path: str, full_shape: Sequence[int], lost: Cut):
        super().__init__(law, seed, path)
        self.full_shape = tuple(full_shape)
        self.lost = lost

    def __call__(self, shape, dtype=None):
        """Return the values of a variable of `shape`, float32 cast to `dtype`."""
        if _undrawn.get():
            return keras.ops.zeros(shape, dtype or "float32")
        full = reference.values(self.law, self.seed, self.path, self.full_shape)
        return keras.ops.convert_to_tensor(cut(full, self.lost), dtype or "float32")

    def get_config(self):
        """Return the arguments of the constructor, JSON-ready."""
        lost = {
            "constants": list(self.lost.constants),
            "spare": self.lost.spare,
            "inputs": self.lost.inputs and self.lost.inputs.model_dump(mode="json"),
            "outputs": self.lost.outputs and self.lost.outputs.model_dump(mode="json"),
        }
        return {**super().get_config(), "full_shape": list(self.full_shape), "lost": lost}

    @classmethod
    def from_config(cls, config):
        """Return the initializer of a configuration."""
        lost = config["lost"]
        norms = {
            axis: lost[axis] and SlimNorm.model_validate(lost[axis])
            for axis in ("inputs", "outputs")
        }
        constants = tuple(lost["constants"])
        return cls(**{**config, "lost": Cut(**norms, constants=constants, spare=lost["spare"])})
