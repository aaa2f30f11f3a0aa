"""Digests of files and of variables."""

import hashlib
from pathlib import Path

import numpy as np

_GOLDEN = (5**0.5 - 1) / 2
# Values that are taken to float64 at a time.
_CHUNK = 1 << 20


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def values_digest(values: np.ndarray) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of little-endian values.

    64 bits tell which variable changed; what refuses a forged file is the full
    digest of that file.
    """
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return hashlib.sha256(little).hexdigest()[:16]


def projection(values: np.ndarray) -> float:
    """Return a sum of the values that rounding changes little, and other values much.

        projection(x) = Σ (frac(φ · i) − ½) · x_i,   φ = (√5 − 1) / 2,   i = 0, 1, …

    in float64 over the flat values, rounded to nine digits. Where x and y are unlike, the
    projections differ by about 0.29 · ‖x − y‖; see `differs_by_rounding`.
    """
    flat = np.ravel(values)
    total = 0.0
    for start in range(0, flat.size, _CHUNK):
        part = flat[start : start + _CHUNK].astype(np.float64)
        weights = np.modf(_GOLDEN * np.arange(start, start + part.size))[0] - 0.5
        total += float(weights @ part)
    return float(f"{total:.9g}")


def differs_by_rounding(values: np.ndarray, recorded: float) -> bool:
    """Whether `values` are, but for their last bits, those whose projection was `recorded`.

    A last bit is 2^-23 of a value. What passes differs by 2^-20 of the norm of `values` at
    most: one typical value in a million, changed altogether, does not.
    """
    norm = float(np.linalg.norm(np.ravel(values).astype(np.float64)))
    return abs(projection(values) - recorded) <= 2.0**-20 * norm
