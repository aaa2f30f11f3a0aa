"""Digests of files and of variables."""

import hashlib
from pathlib import Path

import numpy as np


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
