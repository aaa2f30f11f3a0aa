"""Where the values of each variable of a network come from."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

import keras
import numpy as np

from bnkeras.compact.digests import values_digest
from bnkeras.compact.manifest.records import Provenance
from bnkeras.compact.manifest.slim import Cut, cuts, slimmed_from, tail
from bnkeras.compact.slim.values import cut, sums_exactly
from bnkeras.errors import ExportError
from bnkeras.models.variables import Group, GroupedVariable, grouped_variables, seeded_laws
from bnkeras.seeding import Law, reference

# Below this, the operations that regenerate a variable take more bytes than its values.
_SMALLEST_SEEDED = 256
_DTYPES = ("float32", "int32", "int64")
# Norms and their statistics are what an export is about: no `*` takes them out of it.
_OWN = {Group.BATCHNORM, Group.STATISTICS}


@dataclass(frozen=True)
class SeededVariable:
    """A Keras variable whose values the SavedModel regenerates.

    In a slim network they are what is left of the full variable's, whose `law` it is.
    """

    path: str
    law: Law
    variable: keras.Variable
    lost: Cut | None = None


@dataclass(frozen=True)
class StoredVariable:
    """A Keras variable whose values are kept, in its own type or in float16."""

    variable: keras.Variable
    dtype: str

    def values(self) -> np.ndarray:
        """Return what is kept."""
        return self.variable.numpy().astype(self.dtype)

    @property
    def is_rounded(self) -> bool:
        """Whether it is kept in another type than its own."""
        return self.dtype != self.variable.dtype


@dataclass
class Sources:
    """The variables of a network by where an export has their values from.

    `random` are the states of random layers such as Dropout. They are no weights, and
    in no row of the manifest: where a graph reads one, it has the value of the export.
    `stored` is in the order in which files hold the values: float16 behind the others.
    """

    seed: int | None
    seeded: list[SeededVariable] = field(default_factory=list)
    stored: list[StoredVariable] = field(default_factory=list)
    external: list[keras.Variable] = field(default_factory=list)
    random: list[keras.Variable] = field(default_factory=list)


def weights_of(model: keras.Model) -> list[GroupedVariable]:
    """Return the variables of `model` but for its random states, in the order of the layers."""
    weights = {id(variable) for variable in model.weights}
    return [entry for entry in grouped_variables(model) if id(entry.variable) in weights]


def classify(
    model: keras.Model,
    seed: int | None,
    external: Sequence[str] = (),
    *,
    weights: Literal["seeded", "full"] = "seeded",
    storage: Literal["float32", "float16"] = "float32",
) -> tuple[list[Provenance], Sources]:
    """Describe each variable in a row, and divide them by their provenance.

    Args:
        model: the network.
        seed: root seed of its seeded variables, None where there are none.
        external: patterns of the paths of external variables.
        weights: "full" if nothing is to be seeded.
        storage: what γ, β and moving statistics are kept in, where that can hold them.

    Raises:
        ExportError: two variables have one path; one has a type that an export does not
            hold; or a pattern matches none, or one that is not frozen.
    """
    entries = weights_of(model)
    _check_paths(model, entries)
    laws = {} if seed is None or weights == "full" else seeded_laws(model, seed)
    named = _external(model, entries, external)
    slimmed = slimmed_from(model)
    lost = {} if slimmed is None else cuts(slimmed.record.norms)
    sources = Sources(seed)
    rows = []
    for path, group, variable in entries:
        values = variable.numpy()
        if values.dtype.name not in _DTYPES:
            raise ExportError(
                f"{path}: a compact export holds {', '.join(_DTYPES)}; received {values.dtype}."
            )
        law = None if group is Group.BATCHNORM else laws.get(path)
        less = lost.get(tail(path))
        if law is not None and _regenerates(law, seed, path, values, less):
            sources.seeded.append(SeededVariable(path, law, variable, less))
            source = ("seeded", str(law))
        elif path in named:
            sources.external.append(variable)
            source = ("external", None)
        else:
            if storage == "float16" and group in _OWN and _fits_float16(values):
                values = values.astype(np.float16)
            sources.stored.append(StoredVariable(variable, values.dtype.name))
            source = ("stored", None)
        rows.append(
            Provenance(path, values.shape, values.dtype.name, *source, values_digest(values))
        )
    sources.stored.sort(key=lambda stored: stored.dtype == "float16")
    known = {id(entry.variable) for entry in entries}
    sources.random = [v for v in model.variables if id(v) not in known]
    return rows, sources


def _fits_float16(values: np.ndarray) -> bool:
    """Whether float16 has the range of float32 `values`; NaN stays NaN."""
    largest = np.finfo(np.float16).max
    return values.dtype == np.float32 and not np.any(np.abs(values) > largest)


def _check_paths(model: keras.Model, entries: list[GroupedVariable]) -> None:
    twice = [path for path, count in Counter(e.path for e in entries).items() if count > 1]
    if twice:
        raise ExportError(
            f"The variables of an export are known by their paths, and {model.name!r} has more "
            f"than one of the path {twice[0]!r}. Give its layers names of their own."
        )


def _external(
    model: keras.Model, entries: list[GroupedVariable], patterns: Sequence[str]
) -> set[str]:
    """Return the paths that `patterns` match and whose values a file can hold."""
    if isinstance(patterns, str):
        raise ExportError(f"external is a list of patterns of paths; received {patterns!r}.")
    trains = {id(variable) for variable in model.trainable_variables}
    found = set()
    for pattern in patterns:
        matched = [entry for entry in entries if fnmatchcase(entry.path, pattern)]
        if pattern == "*":
            matched = [
                entry
                for entry in matched
                if id(entry.variable) not in trains
                and entry.group not in _OWN
                and entry.variable.dtype == "float32"
            ]
        if not matched:
            raise ExportError(
                f"No frozen variable of {model.name!r} matches the pattern {pattern!r} of "
                f"external weights. A pattern is of variables' paths, such as 'embedding/*'."
            )
        for path, _, variable in matched:
            if id(variable) in trains:
                raise ExportError(
                    f"External weights are frozen, and {path!r}, which the pattern {pattern!r} "
                    f"matches, trains. Set a regime that freezes it, or narrow the pattern."
                )
            if variable.dtype != "float32":
                raise ExportError(
                    f"External weights are float32, and {path!r}, which the pattern {pattern!r} "
                    f"matches, is {variable.dtype}. Narrow the pattern."
                )
            # No file tells apart how many variables without a value are in it.
            if np.prod(variable.shape) > 0:
                found.add(path)
    return found


def _regenerates(law: Law, seed: int, path: str, values: np.ndarray, lost: Cut | None) -> bool:
    """Whether the generator gives the same bits, everywhere, in fewer bytes."""
    if values.size < _SMALLEST_SEEDED or not law.reproducible:
        return False
    full = values.shape if lost is None else lost.full_shape(values.shape)
    regenerated = reference.values(law, seed, path, full)
    if lost is not None:
        if not sums_exactly(regenerated, lost):
            return False
        regenerated = cut(regenerated, lost)
    return np.array_equal(regenerated.view(np.uint32), values.view(np.uint32))
