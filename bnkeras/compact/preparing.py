"""What there is to know of a network before it is written."""

import glob
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from bnkeras.compact.config.rebuild import record_of
from bnkeras.compact.digests import projection
from bnkeras.compact.interface import Interface
from bnkeras.compact.manifest.records import (
    ArchitectureRecord,
    ConfigRecord,
    ForeignRecord,
    ProbeRecord,
    Provenance,
)
from bnkeras.compact.manifest.slim import SlimRecord, slimmed_from
from bnkeras.compact.probe import probe, vocabulary_of
from bnkeras.compact.provenance import Sources, classify
from bnkeras.errors import ExportError
from bnkeras.models.registry import architecture_of
from bnkeras.models.variables import root_seed
from bnkeras.regimes import regime_of
from bnkeras.seeding import Law

if TYPE_CHECKING:
    import tensorflow as tf

WEIGHTS = ("seeded", "full")
STORAGES = ("float32", "float16")


@dataclass(frozen=True)
class Description:
    """What a caller says of a network: see `save_compact`."""

    front: "tf.Module | None" = None
    class_names: Sequence[str] | None = None
    preprocessing: dict[str, Any] | None = None
    training: dict[str, Any] | None = None


@dataclass(frozen=True)
class Prepared:
    """A network, checked, and what its manifest will say."""

    architecture: ArchitectureRecord | ConfigRecord | ForeignRecord
    seed: int | None
    regime: str | None
    interface: Interface
    rows: tuple[Provenance, ...]
    sources: Sources
    projections: tuple[float, ...]
    probe: ProbeRecord | None
    slim: SlimRecord | None
    description: Description


def prepare(
    model: keras.Model,
    description: Description,
    *,
    external: Sequence[str] = (),
    weights: str = "seeded",
    storage: str = "float32",
) -> Prepared:
    """Look at a network and at what is said of it; arguments as of `save_compact`.

    Raises:
        ExportError: something cannot be written.
    """
    if not model.built:
        raise ExportError(f"{model.name!r} has no weights yet. Call it on a batch first.")
    _check_choice("weights", weights, WEIGHTS)
    _check_choice("storage", storage, STORAGES)
    slimmed = slimmed_from(model)
    if slimmed is None:
        architecture, seed = architecture_record(model)
    else:
        architecture, seed = slimmed.architecture, slimmed.seed
    description = Description(
        _checked_front(description.front),
        _class_names(model, description.class_names),
        _jsonable("preprocessing", description.preprocessing),
        _jsonable("training", description.training),
    )
    interface = Interface(model, classifier=isinstance(architecture, ArchitectureRecord))
    rows, sources = classify(model, seed, external, weights=weights, storage=storage)
    return Prepared(
        architecture,
        seed,
        regime_of(model),
        interface,
        tuple(rows),
        sources,
        tuple(projection(weight.variable.numpy()) for weight in sources.seeded),
        _probe(model, interface, seed, sources),
        None if slimmed is None else slimmed.record,
        description,
    )


def options_of(rows: Sequence[Provenance]) -> dict[str, Any]:
    """Return the options of `prepare` that networks of these rows were written with."""
    return {
        "external": sorted({glob.escape(r.path) for r in rows if r.provenance == "external"}),
        "weights": "seeded" if any(row.provenance == "seeded" for row in rows) else "full",
        "storage": "float16" if any(row.dtype == "float16" for row in rows) else "float32",
    }


def _check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ExportError(f"{name} is one of {', '.join(choices)}; received {value!r}.")


def _probe(
    model: keras.Model, interface: Interface, seed: int | None, sources: Sources
) -> ProbeRecord | None:
    """Run the network on its probe batch; None where it cannot be run on what that has."""
    rounded = [
        (entry.variable, entry.values().astype(np.float32))
        for entry in sources.stored
        if entry.is_rounded
    ]
    try:
        return probe(interface, vocabulary_of(model), seed, rounded)
    except Exception:  # the code of a model can raise anything
        return None


def _checked_front(front: "tf.Module | None") -> "tf.Module | None":
    import tensorflow as tf

    spec = getattr(front, "spec", None)
    named = isinstance(spec, tf.TensorSpec) and spec.name is not None
    if front is not None and not (named and isinstance(front, tf.Module) and callable(front)):
        raise ExportError(
            f"A front is a tf.Module with a `spec`, a named tf.TensorSpec; received {front!r}."
        )
    return front


def architecture_record(
    model: keras.Model,
) -> tuple[ArchitectureRecord | ConfigRecord | ForeignRecord, int | None]:
    """Return how to build the network again, and its root seed."""
    built = architecture_of(model)
    if built is None:
        return record_of(model), root_seed(model)
    arguments = _jsonable("arguments of the network", built.arguments)
    return ArchitectureRecord(name=built.name, arguments=arguments), arguments["seed"]


def _class_names(model: keras.Model, names: Sequence[str] | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ExportError(f"class_names is a list of texts; received {names!r}.")
    shape = getattr(model, "output_shape", None)
    if isinstance(shape, tuple) and shape and isinstance(shape[-1], int) and len(names) > shape[-1]:
        raise ExportError(
            f"class_names has {len(names)} names, and {model.name!r} has {shape[-1]} logits."
        )
    return tuple(str(name) for name in names)


def _jsonable(what: str, value: Any) -> Any:
    """Return `value` as JSON reads it back: NumPy's numbers as numbers, NaN and ∞ as null."""
    try:
        return json.loads(json.dumps(value, default=_plain), parse_constant=lambda _: None)
    except (TypeError, ValueError, RecursionError) as error:
        raise ExportError(f"The {what} cannot be written as JSON ({error}): {value!r}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Law | Path):
        return str(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} is none of its types")
