"""Initialisation laws by name, and the draw each comes down to for a given shape.

A law is written as text, in recipes, in `bnkeras.build` and in the manifest of an
export alike: `he_normal`, `uniform(0, 1)`, `constant(1)`. For a shape it resolves
to one of five draws, which is all that a generator has to implement.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bnkeras.errors import SeedingError, did_you_mean


@dataclass(frozen=True)
class Normal:
    """std · q, with q the standard normal quantile of a 16-bit half word."""

    std: float


@dataclass(frozen=True)
class Sign:
    """±std, with the sign that `Normal` would have had."""

    std: float


@dataclass(frozen=True)
class Uniform:
    """low + (high − low) · u, with u the upper 24 bits of a word over 2^24."""

    low: float
    high: float


@dataclass(frozen=True)
class Orthogonal:
    """gain · Q of the QR decomposition of a standard normal matrix."""

    gain: float


@dataclass(frozen=True)
class Constant:
    """The same value everywhere."""

    value: float


Draw = Normal | Sign | Uniform | Orthogonal | Constant


@dataclass(frozen=True)
class Law:
    """A named initialisation law with its arguments, as `parse` reads it.

    Attributes:
        name: of the table that `parse` has.
        arguments: the numbers in parentheses.

    Example:
        >>> parse("uniform(-1, 1)").resolve((16,))
        Uniform(low=-1.0, high=1.0)
        >>> str(parse("uniform(-1,1.0)"))
        'uniform(-1, 1)'
    """

    name: str
    arguments: tuple[float, ...] = ()

    def __str__(self) -> str:
        """Return the law in the grammar that `parse` reads."""
        if not self.arguments:
            return self.name
        return f"{self.name}({', '.join(_number(value) for value in self.arguments)})"

    def resolve(self, shape: Sequence[int]) -> Draw:
        """Return the draw for a variable of `shape` (Keras layout: channels out last)."""
        return _LAWS[self.name].resolve(tuple(shape), *self.arguments)

    @property
    def reproducible(self) -> bool:
        """Whether the values are the same bits on every platform, not only to rounding."""
        return self.name != "orthogonal"


def parse(text: "str | Law") -> Law:
    """Read a law from `text`: a name, or a name with numbers in parentheses.

    | law | value | source |
    |---|---|---|
    | `he_normal` | N(0, 2 / fan-in), untruncated | He et al. 2015 |
    | `he_uniform` | U[−√(6 / fan-in), √(6 / fan-in)] | He et al. 2015 |
    | `binary` | ±√(2 / fan-in), equally likely | Frankle et al. 2021, E.1 |
    | `orthogonal`, `orthogonal(gain)` | orthonormal rows or columns | Saxe et al. 2014 |
    | `normal(std)` | N(0, std²), untruncated | |
    | `uniform(low, high)` | U[low, high] | |
    | `output_bias(fan_in)` | U[−1 / √fan-in, 1 / √fan-in] | PyTorch's `nn.Linear` |
    | `constant(value)` | value | |

    The numbers are 0 or between 1e-20 and 1e20 in size. With smaller ones values
    could fall below the normal range of float32, which TensorFlow flushes to zero
    and NumPy does not; larger ones could overflow.

    Raises:
        SeedingError: the text is no law; the message lists the choices.
    """
    if isinstance(text, Law):
        return text
    match = (
        re.fullmatch(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*", text) if isinstance(text, str) else None
    )
    if match is None:
        raise SeedingError(f"An initialisation is a law such as {_choices()}; received {text!r}.")
    name, arguments = match.group(1), match.group(2)
    if name not in _LAWS:
        hint = did_you_mean(name, _LAWS)
        raise SeedingError(f"No initialisation law {name!r}: choose {_choices()}.{hint}")
    try:
        # Adding 0 turns -0 into 0, which the text of a law can not tell apart.
        values = tuple(float(part) + 0.0 for part in arguments.split(",")) if arguments else ()
    except ValueError:
        values = (math.nan,)
    definition = _LAWS[name]
    if len(values) not in definition.counts or not all(map(_in_range, values)):
        numbers = ", with numbers that are 0 or between 1e-20 and 1e20 in size"
        raise SeedingError(
            f"The law {name!r} is written {definition.form}"
            f"{numbers if any(definition.counts) else ''}; received {text!r}."
        )
    if fault := definition.fault(*values):
        raise SeedingError(f"{definition.form}: {fault}; received {text!r}.")
    return Law(name, values)


def fan_in(shape: tuple[int, ...]) -> int:
    """Return the inputs per output unit of a kernel: the product of all but its last axis."""
    if len(shape) < 2:
        raise SeedingError(
            f"A law that scales with fan-in needs a kernel of two or more axes; received the "
            f"shape {shape}. For a vector choose uniform(low, high) or constant(value)."
        )
    if 0 in shape[:-1]:
        raise SeedingError(f"A law that scales with fan-in needs inputs; received {shape}.")
    return math.prod(shape[:-1])


@dataclass(frozen=True)
class _Definition:
    form: str
    counts: tuple[int, ...]
    resolve: Callable[..., Draw]
    fault: Callable[..., str | None] = lambda *values: None


def _float32(value: float) -> float:
    """Round to float32: every law's parameters are float32 numbers in every implementation."""
    return float(np.float32(value))


def _in_range(value: float) -> bool:
    return value == 0 or 1e-20 <= abs(value) <= 1e20


def _he_std(shape: tuple[int, ...]) -> float:
    return _float32(math.sqrt(2.0 / fan_in(shape)))


def _symmetric(limit: float) -> Uniform:
    return Uniform(-_float32(limit), _float32(limit))


def _positive(name: str) -> Callable[[float], str | None]:
    return lambda value=1.0: None if value > 0 else f"the {name} is above 0"


_LAWS = {
    "he_normal": _Definition("he_normal", (0,), lambda shape: Normal(_he_std(shape))),
    "he_uniform": _Definition(
        "he_uniform", (0,), lambda shape: _symmetric(math.sqrt(6.0 / fan_in(shape)))
    ),
    "binary": _Definition("binary", (0,), lambda shape: Sign(_he_std(shape))),
    "orthogonal": _Definition(
        "orthogonal(gain)",
        (0, 1),
        lambda shape, gain=1.0: Orthogonal(_float32(gain)),
        _positive("gain"),
    ),
    "normal": _Definition(
        "normal(std)", (1,), lambda shape, std: Normal(_float32(std)), _positive("std")
    ),
    "uniform": _Definition(
        "uniform(low, high)",
        (2,),
        lambda shape, low, high: Uniform(_float32(low), _float32(high)),
        lambda low, high: (
            None if _float32(low) < _float32(high) else "low is below high in float32"
        ),
    ),
    "output_bias": _Definition(
        "output_bias(fan_in)",
        (1,),
        lambda shape, fan: _symmetric(1.0 / math.sqrt(fan)),
        lambda fan: None if fan >= 1 and fan == int(fan) else "fan_in is a whole number above 0",
    ),
    "constant": _Definition(
        "constant(value)", (1,), lambda shape, value: Constant(_float32(value))
    ),
}


def _choices() -> str:
    return ", ".join(definition.form for definition in _LAWS.values())


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
