"""The seeded values of a compact export, regenerated and checked."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from bnkeras.compact.contents import check_digest
from bnkeras.compact.digests import differs_by_rounding, values_digest
from bnkeras.compact.manifest.network import Manifest
from bnkeras.compact.manifest.records import Provenance
from bnkeras.compact.slim.values import SeededCut, drawn
from bnkeras.errors import ExportError, RoundingWarning, SeedingError
from bnkeras.seeding.initializer import Seeded


def seeded_rows(manifest: Manifest) -> Iterator[tuple[Provenance, float | None]]:
    """Yield the seeded rows, each with its projection if there is one."""
    rows = manifest.of("seeded")
    return zip(rows, manifest.projections or [None] * len(rows), strict=True)


def seeded_initializer(path: Path, manifest: Manifest, row: Provenance) -> Seeded:
    """Return what draws the values of `row`.

    Raises:
        ExportError: its law is none, does not fit its shape, or is not the same everywhere.
    """
    lost, full = manifest.lost(row), manifest.full_shape(row)
    try:
        initializer = Seeded(row.law, manifest.seed, row.path)
        if lost is not None:
            initializer = SeededCut(row.law, manifest.seed, row.path, full, lost)
        initializer.law.resolve(full)
    except SeedingError as error:
        raise ExportError(f"{path}: the variable {row.path!r} cannot be seeded: {error}") from error
    if not initializer.law.reproducible:
        raise ExportError(f"{path}: {row.path!r} has a law that seeds to rounding only: {row.law}.")
    return initializer


def regenerated(
    path: Path, row: Provenance, recorded: float | None, initializer: Seeded
) -> np.ndarray:
    """Return the values of a seeded variable, checked.

    Raises:
        ExportError: they are not those that were saved, nor these but for rounding.

    Warns:
        RoundingWarning: their last bits are others.
    """
    values = keras.ops.convert_to_numpy(initializer(row.shape))
    if values_digest(values) == row.digest:
        return values
    # The definition, where a device rounds otherwise.
    lost = getattr(initializer, "lost", None)
    values = drawn(initializer.law, initializer.seed, row.path, row.shape, lost)
    is_other = values_digest(values) != row.digest
    if is_other and recorded is not None and differs_by_rounding(values, recorded):
        warnings.warn(
            f"{path}: the variable {row.path!r} regenerates to other last bits than it had. This "
            f"machine rounds otherwise than the one that wrote the export; outputs change as "
            f"little.",
            RoundingWarning,
            stacklevel=2,
        )
    else:
        check_digest(path, row, values)
    return values
