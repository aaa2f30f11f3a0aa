"""Comparing the parts of an export: files, manifest, regenerated weights, graph."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from bnkeras.compact.backend import check_backend
from bnkeras.compact.contents import check_claims, check_digest, check_files, kept_values
from bnkeras.compact.external import in_place
from bnkeras.compact.interface import Interface
from bnkeras.compact.manifest import manifest_of, read_whole_manifest
from bnkeras.compact.manifest.network import Manifest
from bnkeras.compact.manifest.records import ArchitectureRecord, ForeignRecord
from bnkeras.compact.manifest.tasks import TaskManifest
from bnkeras.compact.probe import (
    HALF_ROUNDING,
    PROBES,
    as_kept,
    kept_outputs,
    probe_batch,
    rounding_of,
    vocabulary_of,
)
from bnkeras.compact.published import located
from bnkeras.compact.reader import rebuild
from bnkeras.compact.regenerating import regenerated, seeded_initializer, seeded_rows
from bnkeras.compact.served_weights import compare_weights
from bnkeras.errors import ExportError, InputError

CHECKS = ("manifest", "files", "variables", "weights", "graph", "probe")

_SMALLEST = 1e-3


class Check(NamedTuple):
    """A check that passed: its name, one of `CHECKS`, what it found, and the figures of it."""

    name: str
    found: str
    figures: dict[str, Any]


def verify_compact(
    path: str | Path,
    external: Iterable[str | Path] = (),
    *,
    task: str | None = None,
    into: keras.Model | None = None,
) -> dict[str, Any]:
    """Check that the files, the weights and the graph of an export agree.

    In order:

    1. the manifest;
    2. sizes and SHA-256 of all files;
    3. the digest of every variable of the rebuilt network;
    4. the weights that the graph regenerates, against those;
    5. the outputs of the SavedModel, loaded by plain TensorFlow, against those of the
       rebuilt Keras network on a probe batch, through the signature that takes the
       network's own inputs;
    6. the outputs against those that the network gave when it was saved.

    From the fourth on they run the graph, which `load_compact` does not: the graph of an
    export from an untrusted source can do whatever TensorFlow's operations can.

    Args:
        path: directory that `save_compact` wrote, or a name, as for `load_compact`.
        external: as for `load_compact`. The graph itself finds external weights only in
            the export and in the folder `external` beside it; where they are elsewhere, it
            is run from a temporary folder in which they are in place.
        task: which network of an export of several; without it, all of them are checked.
        into: as for `load_compact`.

    Returns:
        A dict with

        - `files`, `variables`, `probes`: how many were compared;
        - `rounded`: how many of the weights the graph regenerates to other last bits;
        - `largest_difference`: of outputs; 0.0 when they are the same bits, None where there
          is no network to compare with: a model without a configuration, and no `into`;
        - `since_saved`: largest difference from the outputs that were saved, as a share of
          the largest output; None where the export has none.

    Raises:
        InputError: there is no compact export at `path`, or no such task in it.
        ExportError: something does not agree; the message names it.

    Example:
        >>> verify_compact("saved_models/mine")["largest_difference"]
        0.0
    """
    figures = {}
    for check in run_checks(path, external, task, into):
        figures |= check.figures
    names = ("files", "variables", "probes", "rounded", "largest_difference", "since_saved")
    return {name: figures[name] for name in names}


def run_checks(
    path: str | Path,
    external: Iterable[str | Path] = (),
    task: str | None = None,
    into: keras.Model | None = None,
) -> Iterator[Check]:
    """Run the checks of `verify_compact` in the order of `CHECKS`, and yield each that passes.

    Raises:
        InputError, ExportError: as `verify_compact`, from the check that fails.
    """
    check_backend()
    path = located(path)
    external = tuple(external)
    manifest = read_whole_manifest(path)
    networks = _networks(path, manifest, task)
    if into is not None and len(networks) > 1:
        raise InputError(
            f"A model is filled with one task; {path} has {', '.join(map(str, networks))}. Say "
            f"which: task=."
        )
    yield Check(
        "manifest",
        f"format version {manifest.format_version}, its SHA-256 is right",
        {"format_version": manifest.format_version},
    )
    check_files(path, manifest)
    size = sum(record.bytes for record in manifest.files.values())
    yield Check(
        "files",
        f"{len(manifest.files)} files of {size:,} bytes have the recorded sizes and SHA-256",
        {"files": len(manifest.files), "bytes": size},
    )
    only = None
    for network in networks.values():
        model = _rebuilt(path, network, external, into)
        only = model if len(networks) == 1 else None
    yield _variables(networks)
    everything = list(_networks(path, manifest, None).values())
    with in_place(path, everything[0], external) as export:
        yield _weights(path, export, everything)
        signatures = _signatures(path, export)
        # Of several tasks one network at a time is in memory.
        served = [
            _Served(
                path, signatures, name, network, only or _rebuilt(path, network, external, into)
            )
            for name, network in networks.items()
        ]
    yield _graph(path, served)
    yield _probe(path, served)


def _networks(
    path: Path, manifest: Manifest | TaskManifest, task: str | None
) -> dict[str | None, Manifest]:
    """Return what is checked, by task."""
    every = manifest.names if task is None and isinstance(manifest, TaskManifest) else [task]
    return {name: manifest_of(path, manifest, name) for name in every}


def _rebuilt(
    path: Path,
    manifest: Manifest,
    external: Iterable[str | Path],
    into: keras.Model | None,
) -> keras.Model | None:
    """Build the network, its values checked; check these alone where it cannot be built."""
    if into is None and isinstance(manifest.architecture, ForeignRecord):
        _check_values(path, manifest, external)
        return None
    return rebuild(path, manifest, external, into)


def _check_values(path: Path, manifest: Manifest, external: Iterable[str | Path] = ()) -> None:
    """Check the digest of every variable without a network.

    Raises:
        ExportError: a variable, regenerated or read, differs from its digest.
    """
    file = check_claims(path, manifest, external)
    for row, values in kept_values(path, manifest, file):
        check_digest(path, row, values)
    for row, recorded in seeded_rows(manifest):
        regenerated(path, row, recorded, seeded_initializer(path, manifest, row))


def _variables(networks: dict[str | None, Manifest]) -> Check:
    first = next(iter(networks.values()))
    kinds = {"seeded": f"regenerated from seed {first.seed}", "stored": "stored"}
    kinds["external"] = "external"
    count = {kind: sum(len(network.of(kind)) for network in networks.values()) for kind in kinds}
    found = " and ".join(f"{count[kind]} {text}" for kind, text in kinds.items() if count[kind])
    tasks = f" of {len(networks)} tasks" if len(networks) > 1 else ""
    return Check(
        "variables",
        f"{found} ones{tasks} have the recorded digests",
        {"variables": sum(count.values()), **count},
    )


def _weights(path: Path, export: Path, manifests: list[Manifest]) -> Check:
    if not any(manifest.of("seeded") for manifest in manifests):
        return Check("weights", "the graph regenerates none", {"rounded": 0})
    count, rounded, largest = compare_weights(path, export, manifests)
    found = f"the graph regenerates {count - rounded} bit for bit"
    if rounded:
        found += f", and {rounded} but for rounding, by at most {largest:.2g} of the largest value"
    return Check("weights", found, {"rounded": rounded})


def _signatures(path: Path, export: Path) -> Mapping[str, Callable]:
    import tensorflow as tf

    try:
        return tf.saved_model.load(str(export)).signatures
    except Exception as error:  # a forged graph can make TensorFlow raise anything
        raise ExportError(f"{path}: TensorFlow cannot load the graph: {error}") from error


class _Served:
    """What the graph gives for a probe batch, and what the rebuilt network gives."""

    def __init__(
        self,
        path: Path,
        signatures: Mapping[str, Callable],
        task: str | None,
        manifest: Manifest,
        model: keras.Model | None,
    ):
        self.manifest = manifest
        self.built = isinstance(manifest.architecture, ArchitectureRecord)
        interface = None if model is None else Interface(model, classifier=self.built)
        self.inputs = interface.inputs if interface else manifest.inputs
        vocabulary = 2 if model is None else vocabulary_of(model)
        if manifest.probe is not None:
            vocabulary = manifest.probe.vocabulary
        batch = probe_batch(manifest.seed, self.inputs, vocabulary)
        name = task or "serving_default"
        if manifest.front is not None:
            name = f"{task}_network" if task else "network"
        try:
            self.outputs = _run(signatures[name], batch)
        except Exception as error:  # as above
            raise ExportError(f"{path}: TensorFlow cannot run the graph: {error}") from error
        # Of a network that is not known, nobody knows with how many bits it computes.
        self.rounding = HALF_ROUNDING if model is None else rounding_of(model)
        self.rebuilt = None
        if interface is not None:
            self.rebuilt = _run(_traced(interface.call), batch)


def _traced(call: Callable) -> Callable:
    """Trace `call` as the export is, so that the bits agree."""
    import tensorflow as tf

    return tf.function(lambda **inputs: call(inputs), autograph=False)


def _run(call: Callable, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    import tensorflow as tf

    outputs = call(**{name: tf.constant(values) for name, values in inputs.items()})
    return {name: value.numpy() for name, value in sorted(outputs.items())}


def _graph(path: Path, served: list[_Served]) -> Check:
    """Compare the graph's outputs with those of the rebuilt networks."""
    first = served[0]
    compared = [one for one in served if one.rebuilt is not None]
    if not compared:
        return Check(
            "graph",
            f"it runs on {PROBES} probe inputs; its outputs were compared with nothing, as the "
            f"network cannot be rebuilt",
            {"probes": PROBES, "largest_difference": None},
        )
    difference = max(_from_rebuilt(path, one) for one in compared)
    what = "logits" if first.built else "outputs"
    images = "images" if len(first.inputs[0].shape) == 4 else "inputs"
    return Check(
        "graph",
        f"its {what} of {PROBES} probe {images} "
        + (
            "are the rebuilt network's, bit for bit"
            if difference == 0
            else f"are within {difference:.2g}"
        ),
        {"probes": PROBES, "largest_difference": difference},
    )


def _from_rebuilt(path: Path, served: _Served) -> float:
    outputs, rebuilt = served.outputs, served.rebuilt
    if outputs.keys() != rebuilt.keys():
        raise ExportError(
            f"{path}: the graph's outputs are {', '.join(outputs)}, the rebuilt network's "
            f"{', '.join(rebuilt)}. The graph does not belong to this manifest."
        )
    return max(
        _difference(
            path, name, outputs[name], rebuilt[name], served.rounding, "the rebuilt network's"
        )
        for name in rebuilt
    )


def _probe(path: Path, served: list[_Served]) -> Check:
    """Compare the graph's outputs with those that the networks gave when they were saved."""
    shares = [share for one in served for share in _since_saved(path, one)]
    if not shares:
        return Check("probe", "the export has no outputs to compare with", {"since_saved": None})
    return Check(
        "probe",
        f"the outputs are those that were saved, within {max(shares):.2g} of the largest",
        {"since_saved": max(shares)},
    )


def _since_saved(path: Path, served: _Served) -> Iterator[float]:
    record = served.manifest.probe
    try:
        kept = kept_outputs(record) if record else {}
    except ValueError as error:
        raise ExportError(f"{path}: the outputs of the probe cannot be read: {error}") from error
    for name, wanted in kept.items():
        if name not in served.outputs:
            raise ExportError(f"{path}: the graph has no output {name!r}, which was saved.")
        given = as_kept(served.outputs[name])
        if not np.isfinite(wanted).all():
            continue  # a network that diverged: NaN goes different ways in different kernels
        scale = float(np.max(np.abs(wanted), initial=0)) or 1.0
        yield (
            _difference(path, name, given, wanted, served.rounding, "those that were saved") / scale
        )


def _difference(
    path: Path, name: str, graph: np.ndarray, other: np.ndarray, rounding: float, whose: str
) -> float:
    """Return by how much an output differs, 0.0 for the same bits; raise if by too much."""
    if (graph.shape, graph.dtype) != (other.shape, other.dtype):
        raise ExportError(
            f"{path}: the graph's {name} are {graph.dtype} {graph.shape}, {whose} {other.dtype} "
            f"{other.shape}. The graph does not belong to this manifest."
        )
    # Bits first: the logits of a network that diverged are NaN, in both.
    if graph.tobytes() == other.tobytes():
        return 0.0
    if graph.dtype.kind in "OSU":
        raise ExportError(f"{path}: the graph's {name} differ from {whose}.")
    graph, other = graph.astype(np.float64), other.astype(np.float64)
    both_nan = np.isnan(graph) & np.isnan(other)
    difference = float(np.max(np.where(both_nan, 0.0, np.abs(graph - other))))
    scale = float(np.max(np.where(both_nan, 0.0, np.abs(other))))
    # Where all outputs are this small, they are what sums of larger numbers left.
    if not difference <= rounding * max(_SMALLEST, scale):
        raise ExportError(
            f"{path}: the graph's {name} differ from {whose} by {difference:.3g} (the largest is "
            f"{scale:.3g}). The graph does not belong to this manifest."
        )
    return difference


def keras_logits(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Return the logits of `model`, traced as the export is, so that the bits agree."""
    import tensorflow as tf

    function = tf.function(lambda images: model(images, training=False), autograph=False)
    return function(tf.constant(images)).numpy()
