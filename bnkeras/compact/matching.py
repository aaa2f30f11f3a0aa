"""The variables of a network, found by the paths that a manifest has of them."""

import re
from pathlib import Path

import keras

from bnkeras.compact.manifest.network import Manifest
from bnkeras.compact.manifest.records import Provenance
from bnkeras.compact.provenance import weights_of
from bnkeras.errors import ExportError


def matched_variables(
    path: Path, manifest: Manifest, model: keras.Model
) -> dict[str, keras.Variable]:
    """Return the variables of `model` by the paths of the manifest's rows.

    Raises:
        ExportError: these are of another network.
    """
    entries = weights_of(model)
    rows = {row.path: row for row in manifest.variables}
    built = {entry.path: entry.variable for entry in entries}
    if built.keys() != rows.keys() and _are_alike(list(rows), [entry.path for entry in entries]):
        built = dict(zip(rows, (entry.variable for entry in entries), strict=True))
    for name in sorted(built.keys() ^ rows.keys()):
        where = "the network has no" if name in rows else "the export lacks the"
        raise ExportError(f"{path}: {where} variable {name!r}. The export is of another network.")
    for name, variable in built.items():
        recorded = rows[name]
        if not _is_for(recorded, variable):
            raise ExportError(
                f"{path}: the variable {name!r} has the shape {recorded.shape} and the type "
                f"{recorded.variable_dtype} in the export; in the network {model.name!r} "
                f"{tuple(variable.shape)} and {variable.dtype}."
            )
        if variable.path != name:
            # What it is called from here on, in rule tables and in an export of its own.
            variable._path = name
    return built


def _is_for(row: Provenance, variable: keras.Variable) -> bool:
    """Whether `variable` has the shape and the type of `row`.

    Integers of Keras' layers have 64 bits on TensorFlow and 32 on other backends.
    """
    types = {row.variable_dtype, variable.dtype}
    elsewhere = keras.backend.backend() != "tensorflow" and types == {"int32", "int64"}
    return row.shape == tuple(variable.shape) and (len(types) == 1 or elsewhere)


def _are_alike(one: list[str], other: list[str]) -> bool:
    """Whether paths differ only in what Keras makes up: the numbers of layers without a name.

    A nested model is named in the paths of its variables where it built them itself, and
    is not where its configuration did.
    """
    return len(one) == len(other) and all(map(_is_alike, one, other))


def _is_alike(one: str, other: str) -> bool:
    parts = [re.sub(r"_\d+(?=/|$)", "", path).split("/") for path in (one, other)]
    shared = min(map(len, parts))
    return parts[0][-shared:] == parts[1][-shared:]
