"""What a slim network has less than its full one: a plan, and what it does to each variable."""

import base64
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from bnkeras.compact.manifest.records import ArchitectureRecord, ConfigRecord, ForeignRecord, Strict

if TYPE_CHECKING:
    import keras


def _packed_channels(channels: tuple[int, ...]) -> str:
    """Return a bit for each channel, the first one the lowest of the first byte, in base64."""
    bits = sum(1 << channel for channel in channels)
    return base64.b64encode(bits.to_bytes(-(-bits.bit_length() // 8), "little")).decode()


def _unpacked_channels(value: str | tuple[int, ...]) -> tuple[int, ...]:
    if isinstance(value, tuple):
        return value
    packed = _decoded(value)
    return tuple(
        8 * i + bit for i, byte in enumerate(packed) for bit in range(8) if byte >> bit & 1
    )


def _packed_constants(constants: tuple[float, ...]) -> str:
    """Return float32, little endian, in base64."""
    return base64.b64encode(struct.pack(f"<{len(constants)}f", *constants)).decode()


def _unpacked_constants(value: str | tuple[float, ...]) -> tuple[float, ...]:
    if isinstance(value, tuple):
        return value
    packed = _decoded(value)
    if len(packed) % 4:
        raise ValueError("slim: constants are not of float32")
    return struct.unpack(f"<{len(packed) // 4}f", packed)


def _decoded(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"slim: channels and constants are in base64, not {type(value).__name__}")
    return base64.b64decode(value, validate=True)


# Of a bit a channel becomes a number, of many bytes. A plan for ResNet-866 has 0.2 MB at most.
_MOST_TEXT = 2**20
_Size = Annotated[int, Field(ge=1, le=2**31)]
_Channels = Annotated[
    tuple[int, ...],
    BeforeValidator(_unpacked_channels),
    PlainSerializer(_packed_channels, return_type=str, when_used="json"),
]
_Constants = Annotated[
    tuple[float, ...],
    BeforeValidator(_unpacked_constants),
    PlainSerializer(_packed_constants, return_type=str, when_used="json"),
]


class SlimNorm(Strict):
    """The channels that one norm loses, and the layers before and behind it with it.

    `removed` channels leave nothing. Those of `merged` become one spare channel, the last,
    that is 1 before the first activation: γ = 0, β = 1. In JSON, channels are bits in base64,
    and constants are float32, little endian, in base64.

    Args:
        norm: name of the norm's layer.
        producer: name of the convolution or dense layer before it, which loses units.
        channels: how many channels the full network has there.
        removed: channels that are 0 wherever they lead.
        merged: channels that are constant; two or more, or none.
        consumers: for each layer that loses inputs, what the channels in `merged` are
            there as multiples of the spare channel.
    """

    norm: str
    producer: str
    channels: _Size
    removed: _Channels
    merged: _Channels
    consumers: dict[str, _Constants]

    @model_validator(mode="after")
    def _check(self) -> Self:
        for chosen in (self.removed, self.merged):
            if list(chosen) != sorted(set(chosen)):
                raise ValueError(f"slim: the channels of {self.norm} are not in ascending order")
            if chosen and not 0 <= chosen[0] <= chosen[-1] < self.channels:
                raise ValueError(f"slim: {self.norm} has no such channels to lose")
        if set(self.removed) & set(self.merged):
            raise ValueError(f"slim: {self.norm} loses a channel in two ways")
        if len(self.merged) == 1 or self.size < 1 or not self.consumers:
            raise ValueError(f"slim: {self.norm} has {self.size} channels left, of one merged")
        for name, constants in self.consumers.items():
            if len(constants) != len(self.merged) or not all(map(isfinite, constants)):
                raise ValueError(f"slim: {name} has other constants than {self.norm} has channels")
        return self

    @property
    def kept(self) -> list[int]:
        """The channels that stay as they are."""
        gone = {*self.removed, *self.merged}
        return [channel for channel in range(self.channels) if channel not in gone]

    @property
    def size(self) -> int:
        """How many channels are left, the spare one included."""
        return self.channels - len(self.removed) - len(self.merged) + bool(self.merged)


class SlimRecord(Strict):
    """What a network was slimmed by: the threshold of |γ|, and what each norm loses."""

    threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    norms: tuple[SlimNorm, ...]

    @model_validator(mode="before")
    @classmethod
    def _check_size(cls, value: Any) -> Any:
        size = len(json.dumps(value, default=lambda _: None))
        if size > _MOST_TEXT:
            raise ValueError(f"slim: {size} characters; a plan has at most {_MOST_TEXT}")
        return value

    @model_validator(mode="after")
    def _check(self) -> Self:
        cuts(self.norms)  # raises where two norms claim one layer
        return self


@dataclass(frozen=True)
class Slimmed:
    """How a slim network is made: how its full network is built, and what that loses."""

    architecture: ArchitectureRecord | ConfigRecord | ForeignRecord
    seed: int | None
    record: SlimRecord


def slimmed_from(model: "keras.Model") -> Slimmed | None:
    """Return what the slim network `model` was made of; None for a full one."""
    return getattr(model, "bnkeras_slim", None)


@dataclass(frozen=True)
class Cut:
    """What one variable loses: along its inputs, its units, or both.

    Args:
        inputs: the norm whose channels are the inputs, the last axis but one.
        outputs: the norm whose channels are the units, the last axis.
        constants: what the merged channels of `inputs` are.
        spare: value for a spare unit of `outputs`.
    """

    inputs: SlimNorm | None = None
    outputs: SlimNorm | None = None
    constants: tuple[float, ...] = ()
    spare: float = 0.0

    def shape(self, full: Sequence[int]) -> tuple[int, ...]:
        """Return the shape that is left of the shape `full`."""
        shape = list(full)
        if self.inputs is not None:
            shape[-2] = shape[-2] // self.inputs.channels * self.inputs.size
        if self.outputs is not None:
            shape[-1] = self.outputs.size
        return tuple(shape)

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether a variable of `shape` can be what is left."""
        return (
            len(shape) > (self.inputs is not None)
            and (self.inputs is None or shape[-2] % self.inputs.size == 0)
            and (self.outputs is None or shape[-1] == self.outputs.size)
        )

    @property
    def specification(self) -> list:
        """What the values depend on besides those of the full variable, JSON-ready."""
        norms = [
            norm and [norm.channels, norm.removed, norm.merged]
            for norm in (self.inputs, self.outputs)
        ]
        return [*norms, self.constants, self.spare]

    def full_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of the full variable whose cut has `shape`."""
        full = list(shape)
        if self.inputs is not None:
            full[-2] = full[-2] // self.inputs.size * self.inputs.channels
        if self.outputs is not None:
            full[-1] = self.outputs.channels
        return tuple(full)


def cuts(plan: Sequence[SlimNorm]) -> dict[str, Cut]:
    """Return what each variable loses, by the `tail` of its path; others stay whole.

    Raises:
        ValueError: two norms of the plan take the inputs, or the units, of one layer.
    """
    producers = {entry.producer: entry for entry in plan}
    consumers = {name: entry for entry in plan for name in entry.consumers}
    names = [name for entry in plan for name in entry.consumers]
    norms = {entry.norm for entry in plan}
    if len(producers) < len(plan) or len(consumers) < len(names) or len(norms) < len(plan):
        raise ValueError("slim: a layer loses channels of two norms")
    found = {}
    for name in {**producers, **consumers}:
        inputs, outputs = consumers.get(name), producers.get(name)
        constants = inputs.consumers[name] if inputs else ()
        found[f"{name}/kernel"] = Cut(inputs, outputs, constants)
        if outputs is not None:
            found[f"{name}/bias"] = Cut(outputs=outputs)
    for entry in plan:
        for variable, spare in _NORM_VARIABLES.items():
            found[f"{entry.norm}/{variable}"] = Cut(outputs=entry, spare=spare)
    return found


def tail(path: str) -> str:
    """Return the last two parts of a variable's path: of its layer, and its own.

    Before them stand the names of models, which differ with how Keras built the network.

    >>> tail("sequential/conv/kernel")
    'conv/kernel'
    """
    return "/".join(path.split("/")[-2:])


# What makes the spare channel 1: (0 − 0) / √(1 + ε) · 0 + 1.
_NORM_VARIABLES = {"gamma": 0.0, "beta": 1.0, "moving_mean": 0.0, "moving_variance": 1.0}
