"""Writing a compact export."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import keras

from bnkeras.compact.backend import check_backend
from bnkeras.compact.manifest.network import Manifest
from bnkeras.compact.manifest.records import FORMAT_VERSION, StoredFile, TensorRecord
from bnkeras.compact.preparing import Description, Prepared, prepare
from bnkeras.compact.provenance import StoredVariable
from bnkeras.compact.replacing import check_target, replacing
from bnkeras.compact.saving import (
    described,
    described_front,
    external_weights,
    file_records,
    generator_record,
    save_module,
    scratch_in,
    stored_bytes,
    versions,
)
from bnkeras.errors import ExportError

if TYPE_CHECKING:
    import tensorflow as tf

    from bnkeras.compact.graph.files import ExternalWeights


def save_compact(
    model: keras.Model | Mapping[str, keras.Model],
    path: str | Path,
    *,
    front: "tf.Module | None" = None,
    external: Sequence[str] = (),
    copy_external: bool = False,
    external_origin: str | None = None,
    class_names: Sequence[str] | None = None,
    preprocessing: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    weights: Literal["seeded", "full"] = "seeded",
    storage: Literal["float32", "float16"] = "float32",
) -> Path:
    """Write `model` as a SavedModel of its seed and of the values that training changed.

    Weights that still have the values their seed gives are regenerated when the
    SavedModel is loaded, by the graph itself: plain TensorFlow suffices, and so does
    TensorFlow Serving. Everything else is stored: γ, β, the moving statistics and
    whatever was trained. Frozen weights of another origin, such as GloVe vectors or a
    pretrained backbone, can stay outside: see `external`.

    The signature `serving_default` takes the network's inputs by name (`image` and
    `tokens` for those of `bnkeras.build`), preprocessed as in training. It returns
    `logits` and `probabilities`, float32 [batch, classes], for a network of
    `bnkeras.build`, and for any other model its outputs by name. With a `front`,
    `serving_default` takes what that takes, and the signature `network` the
    network's inputs; given class names too, it returns `labels`, strings [batch].

    Several tasks over one seed: with a dictionary of models, each gets a signature of
    its name, and the random weights are there once, for all. `front`, `class_names`,
    `preprocessing` and `training` are then dictionaries by task, too. `serving_default`
    is that of the first; `add_task` adds another one later.

    Args:
        model: a built network, of `bnkeras.build` or any Keras model (see
            `bnkeras.reseed`). One whose configuration cannot be read loads only into a
            model: see `load_compact`. Or several, by the names of their tasks.
        path: directory to write, with its parents; an export that is there already is
            replaced.
        front: what makes inputs of raw data, in the graph: called on a tensor of
            `front.spec`, a named `tf.TensorSpec`, it gives the network's inputs. Its
            tables and the files that it reads are saved.
        external: patterns of the paths of frozen variables, as `fnmatch` knows them, whose
            values go to a file of their own; `"*"` is all that is frozen, no norm, and
            not seeded. Exports in one folder share such a file, in `external/` beside
            them; without it none of them loads.
        copy_external: whether the file goes into the export instead.
        external_origin: what the external values are, kept in the manifest.
        class_names: names of the classes, in the order of the logits, kept in the
            manifest.
        preprocessing: how data become inputs, kept in the manifest: what JSON can say.
        training: recipe and metrics, kept in the manifest: what JSON can say.
        weights: "full" to store all weights, where regeneration cannot be trusted.
        storage: "float16" to keep γ, β and moving statistics in half the bytes. The
            manifest says how much that changed the outputs: see `bnkeras compact inspect`.

    Returns:
        The path of the export.

    Raises:
        InputError: no task can be called so.
        ExportError: Keras runs on another backend than TensorFlow; the model is not built,
            or has variables or inputs that an export cannot hold; a pattern of `external`
            matches nothing, or a variable that trains; the front does not fit; tasks are of
            several seeds; `path` holds something else or cannot be written; or a value for
            the manifest is not what JSON can say. An export that was at `path` is still
            there.

    Example:
        >>> bnkeras.save_compact(model, "saved_models/mine")
        >>> served = tf.saved_model.load("saved_models/mine").signatures["serving_default"]
        >>> served(image=images)["logits"]
    """
    check_backend()
    if isinstance(model, Mapping):
        from bnkeras.compact.tasks.saving import save_tasks

        given = {
            "front": front,
            "class_names": class_names,
            "preprocessing": preprocessing,
            "training": training,
        }
        options = {"external": external, "weights": weights, "storage": storage}
        return save_tasks(
            model,
            path,
            given,
            copy_external=copy_external,
            external_origin=external_origin,
            options=options,
        )
    prepared = prepare(
        model,
        Description(front, class_names, preprocessing, training),
        external=external,
        weights=weights,
        storage=storage,
    )
    # What a link points to is replaced, not the link.
    target = Path(path).resolve()
    check_target(target)
    with replacing(target) as partial:
        with scratch_in(partial) as scratch:
            kept, frozen = external_weights(
                prepared.sources, target, scratch, copy_external, external_origin
            )
            outputs = _write_network(prepared, frozen, partial)
        data_file = partial / "variables" / "variables.data-00000-of-00001"
        Manifest(
            format_version=FORMAT_VERSION,
            generator=generator_record(),
            seed=prepared.seed,
            architecture=prepared.architecture,
            regime=prepared.regime,
            inputs=prepared.interface.inputs,
            outputs=outputs,
            front=described_front(prepared.description.front),
            class_names=prepared.description.class_names,
            preprocessing=prepared.description.preprocessing,
            training=prepared.description.training,
            versions=versions(),
            files=file_records(partial),
            stored=StoredFile(
                file=data_file.relative_to(partial).as_posix(),
                offset=_offset(data_file, prepared.sources.stored),
            ),
            external=kept,
            slim=prepared.slim,
            probe=prepared.probe,
            projections=prepared.projections,
            variables=prepared.rows,
        ).write(partial)
    return Path(path)


def _write_network(
    prepared: Prepared, external: "ExternalWeights | None", folder: Path
) -> tuple[TensorRecord, ...]:
    """Write the SavedModel and return its outputs."""
    from bnkeras.compact.graph.module import CompactModule

    module = CompactModule(prepared, external)
    signatures = module.signatures()
    save_module(module, signatures, folder)
    outputs = signatures["serving_default"].structured_outputs
    return tuple(described(spec, name) for name, spec in outputs.items())


def _offset(data_file: Path, stored: list[StoredVariable]) -> int:
    """Return where the stored values begin in the checkpoint's data file, which is raw bytes."""
    offset = data_file.read_bytes().find(stored_bytes(stored))
    if offset < 0:
        raise ExportError(f"The stored values were not found in {data_file.name} as written.")
    return offset
