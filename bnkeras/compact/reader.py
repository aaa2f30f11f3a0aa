"""Loading a compact export as a Keras model."""

from collections.abc import Iterable
from pathlib import Path
from textwrap import shorten

import keras
import numpy as np

from bnkeras.compact.config.rebuild import build_from
from bnkeras.compact.contents import check_claims, check_digest, check_files, kept_values
from bnkeras.compact.digests import values_digest
from bnkeras.compact.manifest import manifest_of, read_whole_manifest
from bnkeras.compact.manifest.network import Manifest
from bnkeras.compact.manifest.records import ArchitectureRecord, ConfigRecord
from bnkeras.compact.manifest.slim import Slimmed
from bnkeras.compact.matching import matched_variables
from bnkeras.compact.published import located
from bnkeras.compact.regenerating import regenerated, seeded_initializer, seeded_rows
from bnkeras.compact.slim.network import shrink
from bnkeras.compact.slim.values import undrawn
from bnkeras.errors import ExportError, RegimeError
from bnkeras.models.registry import build
from bnkeras.models.variables import initializer_slot, layers_of, seeded_laws
from bnkeras.regimes import set_regime
from bnkeras.seeding.initializer import expecting


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
    file = check_claims(path, manifest, external)
    model = _build(path, manifest) if into is None else into
    if manifest.slim is not None:
        model.bnkeras_slim = Slimmed(manifest.architecture, manifest.seed, manifest.slim)
    if manifest.regime is not None:
        try:
            # Before its values: the regimes of random-k make variables of their own.
            set_regime(model, manifest.regime)
        except RegimeError as error:
            raise ExportError(f"{path}: {error}") from error
    variables = matched_variables(path, manifest, model)
    if into is None and isinstance(manifest.architecture, ArchitectureRecord):
        _check_laws(path, manifest, model)
    for row, values in kept_values(path, manifest, file):
        check_digest(path, row, values)
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
    for row, recorded in seeded_rows(manifest):
        variable = variables[row.path]
        # `bnkeras.build` has done both already.
        if str(laws.get(row.path)) != row.law or values_digest(variable.numpy()) != row.digest:
            layer, initializer = layers[id(variable)], seeded_initializer(path, manifest, row)
            variable.assign(regenerated(path, row, recorded, initializer))
            if slot := initializer_slot(layer, variable):
                setattr(layer, slot, initializer)
