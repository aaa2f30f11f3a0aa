"""Loading a compact export as a Keras model."""

import re
import warnings
from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath
from textwrap import shorten

import keras
import numpy as np

from bnkeras.compact.config.rebuild import build_from
from bnkeras.compact.digests import differs_by_rounding, file_digest, values_digest
from bnkeras.compact.external import find_external
from bnkeras.compact.manifest import manifest_of, read_whole_manifest
from bnkeras.compact.manifest.network import Manifest
from bnkeras.compact.manifest.records import ArchitectureRecord, ConfigRecord, Provenance
from bnkeras.compact.manifest.slim import Slimmed
from bnkeras.compact.manifest.tasks import TaskManifest
from bnkeras.compact.provenance import weights_of
from bnkeras.compact.published import located
from bnkeras.compact.slim.network import shrink
from bnkeras.compact.slim.values import SeededCut, drawn, undrawn
from bnkeras.errors import ExportError, RegimeError, RoundingWarning, SeedingError
from bnkeras.models.registry import build
from bnkeras.models.variables import initializer_slot, layers_of, seeded_laws
from bnkeras.regimes import set_regime
from bnkeras.seeding import GENERATOR, GENERATOR_VERSION
from bnkeras.seeding.initializer import Seeded, expecting

# A seed costs no bytes: a small file could ask for any amount of memory. 8 GiB of
# weights are far above every network of this package.
_MOST_VALUES = 2**31


def load_compact(
    path: str | Path,
    external: Iterable[str | Path] = (),
    *,
    task: str | None = None,
    into: keras.Model | None = None,
) -> keras.Model:
    """Build the network of a compact export, with the weights it was saved with.

    The network comes from `bnkeras.build`, or from its configuration by Keras in safe
    mode; nothing of the export is executed. Its regime is set again, so it is ready to
    train on; after a selection made by hand everything trains but external weights. A
    front is in the graph alone: `tf.saved_model.load` has it.

    Args:
        path: directory that `save_compact` wrote, or the name of one of the trained networks
            that come with the checkout.
        external: files, and folders with files, of external weights. Those inside the
            export and in the folder `external` beside it are found without.
        task: which network of an export of several.
        into: a built model of the same variables to fill instead of a new one, for
            exports of models that have no configuration.

    Returns:
        The model, equal to the saved one bit for bit. Stored as float16, γ, β and moving
        statistics are those of the saved one but for their rounding.

    Raises:
        InputError: there is no compact export at `path`, no trained network of that name, or no
            such task in it.
        ExportError: the export is damaged, a file of external weights is missing, or
            the export regenerates to other values than it was saved with; the message
            names the file or the variable.

    Warns:
        RoundingWarning: a variable regenerates to other last bits than it had when it was
            saved, as no device or version that we know does.

    Example:
        >>> model = bnkeras.load_compact("resnet14_bnonly")
        >>> model = bnkeras.load_compact("saved_models/mine")
        >>> model.predict(images)
    """
    path = located(path)
    whole = read_whole_manifest(path)
    manifest = manifest_of(path, whole, task)
    check_files(path, whole)
    return rebuild(path, manifest, external, into)


def check_files(path: Path, manifest: Manifest | TaskManifest) -> None:
    """Compare sizes and digests of all files with the manifest.

    Raises:
        ExportError: a file is missing, truncated or changed.
    """
    for name, record in manifest.files.items():
        file = _inside(path, name)
        try:
            if not file.is_file():
                raise ExportError(f"{file} is missing. Copy the export again or write it anew.")
            # Before its content, of which there could be any amount.
            if (size := file.stat().st_size) != record.bytes:
                raise ExportError(
                    f"{file} has {size} bytes; it was written with {record.bytes}. The export was "
                    f"cut short or changed: copy it again or write it anew."
                )
            digest = file_digest(file)
        except OSError as error:
            raise ExportError(f"{file} cannot be read: {error}") from error
        if digest != record.sha256:
            raise ExportError(
                f"{file} is damaged: its SHA-256 is not the one it was written with"
                f"{_changed_variables(path, manifest, name)}. Copy the export again or write it "
                f"anew."
            )


def rebuild(
    path: Path,
    manifest: Manifest,
    external: Iterable[str | Path] = (),
    into: keras.Model | None = None,
) -> keras.Model:
    """Build the model that `manifest` describes, or take `into`, and give it its values.

    Raises:
        ExportError: it cannot be built, or a variable differs from its digest.
    """
    # Before the network is built, which takes time and memory.
    file = _check_claims(path, manifest, external)
    model = _build(path, manifest) if into is None else into
    if manifest.slim is not None:
        model.bnkeras_slim = Slimmed(manifest.architecture, manifest.seed, manifest.slim)
    if manifest.regime is not None:
        try:
            # Before its values: the regimes of random-k make variables of their own.
            set_regime(model, manifest.regime)
        except RegimeError as error:
            raise ExportError(f"{path}: {error}") from error
    variables = _matched(path, manifest, model)
    if into is None and isinstance(manifest.architecture, ArchitectureRecord):
        _check_laws(path, manifest, model)
    for row, values in _kept_values(path, manifest, file):
        _check_digest(path, row, values)
        variable = variables[row.path]
        given = values.astype(variable.dtype)
        if values.dtype.kind == "i" and not np.array_equal(given, values):
            raise ExportError(
                f"{path}: {row.path!r} has values above the {variable.dtype} that Keras gives it "
                f"on {keras.backend.backend()}. Load the export with KERAS_BACKEND=tensorflow."
            )
        variable.assign(given)
        if into is None and row.provenance == "external":
            # As when it was saved, also after a selection made by hand.
            variable.trainable = False
    _regenerate(path, manifest, model, variables)
    for layer in layers_of(model):
        # Such as Normalization, which makes constants of its weights.
        if layer.weights and hasattr(layer, "finalize_state"):
            layer.finalize_state()
    return model


def check_values(path: Path, manifest: Manifest, external: Iterable[str | Path] = ()) -> None:
    """Check the digest of every variable without a network.

    Raises:
        ExportError: a variable, regenerated or read, differs from its digest.
    """
    file = _check_claims(path, manifest, external)
    for row, values in _kept_values(path, manifest, file):
        _check_digest(path, row, values)
    for row, recorded in _seeded(manifest):
        _regenerated(path, row, recorded, _initializer(path, manifest, row))


def _check_claims(path: Path, manifest: Manifest, external: Iterable[str | Path]) -> Path | None:
    """Compare what `manifest` needs with what is there; return the file of external values."""
    generator = manifest.generator
    if (generator.name, generator.version) != (GENERATOR, GENERATOR_VERSION):
        raise ExportError(
            f"{path} was made with the generator {generator.name!r} version {generator.version}; "
            f"this version of bnkeras has {GENERATOR!r} version {GENERATOR_VERSION}. Install the "
            f"version of bnkeras that wrote it: {manifest.versions.get('bnkeras', 'unknown')}."
        )
    _check_room(path, manifest)
    return manifest.external and find_external(path, manifest.external, external)


def stored_values(path: Path, manifest: Manifest) -> Iterator[tuple[Provenance, np.ndarray]]:
    """Yield the stored variables' rows and values, read from the checkpoint's raw bytes."""
    _check_room(path, manifest)
    file = _inside(path, manifest.stored.file)
    return _values(file, manifest.stored.offset, manifest.stored_rows)


def _check_room(path: Path, manifest: Manifest) -> None:
    """Raise ExportError if the rows claim more than an export has, or than its file."""
    count = sum(prod(manifest.full_shape(row)) for row in manifest.variables)
    if count > _MOST_VALUES:
        raise ExportError(
            f"{path} claims a network of {count} values; an export has at most {_MOST_VALUES}."
        )
    file, rows = _inside(path, manifest.stored.file), manifest.of("stored")
    if file.stat().st_size < manifest.stored.offset + sum(row.bytes for row in rows):
        count = sum(row.size for row in rows)
        raise ExportError(f"{file} ends before the {count} stored values that it should hold.")


def _kept_values(
    path: Path, manifest: Manifest, external: Path | None
) -> Iterator[tuple[Provenance, np.ndarray]]:
    """Yield the rows and values of all variables that are in files."""
    yield from stored_values(path, manifest)
    if external is not None:
        yield from _values(external, 0, manifest.of("external"))


def _values(
    file: Path, offset: int, rows: list[Provenance]
) -> Iterator[tuple[Provenance, np.ndarray]]:
    with file.open("rb") as stream:
        stream.seek(offset)
        for row in rows:
            values = np.fromfile(stream, np.dtype(row.dtype).newbyteorder("<"), row.size)
            try:
                yield row, values.reshape(row.shape)
            except ValueError as error:
                raise ExportError(
                    f"{file} does not hold {row.path!r} of shape {row.shape}: {error}."
                ) from error


def _inside(path: Path, name: str) -> Path:
    """Return the file `name` of the export; a name that leads out of it is refused."""
    # The Windows rules know every way out that the others know.
    parts = PureWindowsPath(name)
    if parts.anchor or ".." in parts.parts:
        raise ExportError(f"{path}: the manifest names a file outside of the export: {name!r}.")
    if PurePosixPath(name).as_posix() != name:
        raise ExportError(f"{path}: the manifest names a file by a roundabout way: {name!r}.")
    return path / name


def _build(path: Path, manifest: Manifest) -> keras.Model:
    """Build the network, which takes no more memory than the manifest's rows say.

    A slim one is made of the full one.
    """
    architecture = manifest.architecture
    rows = [row._replace(shape=manifest.full_shape(row)) for row in manifest.variables]
    try:
        model = None
        if isinstance(architecture, ArchitectureRecord):
            with expecting({row.path: row.shape for row in rows}):
                model = build(architecture.name, **architecture.arguments)
        elif isinstance(architecture, ConfigRecord):
            with undrawn():
                model = build_from(architecture.config, rows)
        if model is not None:
            return model if manifest.slim is None else shrink(model, manifest.slim.norms)
    except Exception as error:  # forged arguments can make Keras raise anything
        reason = shorten(str(error), 1000)
        raise ExportError(f"{path}: the network cannot be built: {reason}") from error
    raise ExportError(
        f"{path} is of the model {architecture.name!r}, which cannot be built from the export: "
        f"{architecture.reason} Build it and fill it with load_compact(path, into=model), or serve "
        f"the export by plain TensorFlow."
    )


def _matched(path: Path, manifest: Manifest, model: keras.Model) -> dict[str, keras.Variable]:
    """Return the variables of the network by the paths of the manifest's rows."""
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


def _check_laws(path: Path, manifest: Manifest, model: keras.Model) -> None:
    """Compare the laws of the seeded rows, which others may regenerate from, with the network's."""
    laws = seeded_laws(model, manifest.seed)
    for row in manifest.of("seeded"):
        if row.law != str(laws.get(row.path)):
            raise ExportError(
                f"{path}: the manifest says that the law of the variable {row.path!r} is "
                f"{row.law}; in the network it is {laws.get(row.path)}."
            )


def _regenerate(
    path: Path, manifest: Manifest, model: keras.Model, variables: dict[str, keras.Variable]
) -> None:
    """Give the seeded variables their values, and their layers the laws of these."""
    laws = {} if manifest.seed is None else seeded_laws(model, manifest.seed)
    layers = {id(v): layer for layer in layers_of(model) for v in layer._trainable_variables}
    for row, recorded in _seeded(manifest):
        variable = variables[row.path]
        # `bnkeras.build` has done both already.
        if str(laws.get(row.path)) != row.law or values_digest(variable.numpy()) != row.digest:
            layer, initializer = layers[id(variable)], _initializer(path, manifest, row)
            variable.assign(_regenerated(path, row, recorded, initializer))
            if slot := initializer_slot(layer, variable):
                setattr(layer, slot, initializer)


def _seeded(manifest: Manifest) -> Iterator[tuple[Provenance, float | None]]:
    """Yield the seeded rows, each with its projection if there is one."""
    rows = manifest.of("seeded")
    return zip(rows, manifest.projections or [None] * len(rows), strict=True)


def _regenerated(
    path: Path, row: Provenance, recorded: float | None, initializer: Seeded
) -> np.ndarray:
    """Return the values of a seeded variable, checked."""
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
        _check_digest(path, row, values)
    return values


def _initializer(path: Path, manifest: Manifest, row: Provenance) -> Seeded:
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


def _check_digest(path: Path, row: Provenance, values: np.ndarray) -> None:
    # Tasks keep the first digits of a digest.
    digest = values_digest(values)[: len(row.digest)]
    if digest == row.digest:
        return
    remedy = (
        f"The law {row.law!r} regenerated other values than it was saved with, and not by rounding"
        if row.provenance == "seeded"
        else "The stored values were changed"
    )
    raise ExportError(
        f"{path}: the variable {row.path!r} has the digest {digest}; the manifest says "
        f"{row.digest}. {remedy}, so the export cannot be trusted."
    )


def _changed_variables(path: Path, manifest: Manifest | TaskManifest, name: str) -> str:
    if isinstance(manifest, TaskManifest):
        owners = [task.name for task in manifest.tasks if task.file == name]
        return _changed_variables(path, manifest.task(owners[0]), name) if owners else ""
    if name != manifest.stored.file:
        return ""
    changed = [
        row.path
        for row, values in stored_values(path, manifest)
        if values_digest(values)[: len(row.digest)] != row.digest
    ]
    if not changed:
        return ""
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f", and the values of {changed[0]!r}{more} changed"
