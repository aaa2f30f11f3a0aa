"""Adding a task to an export of several."""

import dataclasses
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from bnkeras.compact.backend import check_backend
from bnkeras.compact.contents import check_files
from bnkeras.compact.manifest import read_whole_manifest
from bnkeras.compact.manifest.network import Manifest
from bnkeras.compact.manifest.records import ExternalFile, ForeignRecord
from bnkeras.compact.manifest.tasks import (
    NetworkRecord,
    TaskManifest,
    TaskRecord,
    check_task_names,
)
from bnkeras.compact.preparing import Description, Prepared, options_of, prepare
from bnkeras.compact.reader import load_compact
from bnkeras.compact.replacing import replacing, restore
from bnkeras.compact.saving import external_weights, file_records, scratch_in
from bnkeras.compact.tasks.task import (
    Task,
    network_number,
    new_task,
    other_seed,
    write_graph,
    write_manifest,
)
from bnkeras.errors import ExportError

if TYPE_CHECKING:
    import tensorflow as tf

    from bnkeras.compact.graph.files import ExternalWeights


def add_task(
    path: str | Path,
    name: str,
    model: keras.Model,
    *,
    front: "tf.Module | None" = None,
    fronts: "Mapping[str, tf.Module] | None" = None,
    class_names: Sequence[str] | None = None,
    preprocessing: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    replace: bool = False,
) -> Path:
    """Add a task to an export of several.

    The values of the new task become a file of their own. Those of the others stay the
    files that they are, and no random weight is written: what is written anew is the
    graph, which has a signature more, and the manifest. They are kept as those of the others
    are: as float16, and all of them, where the export has these so. A task that is replaced
    keeps its place.

    Args:
        path: directory that `save_compact` wrote of a dictionary of models.
        name: a letter, then letters, digits and underscores: the name of the signature.
        model: a network of the same seed. Where it is one of those in the export but for
            its stored values, their graph serves it, too.
        front: what makes inputs of raw data for this task; see `save_compact`.
        fronts: the fronts of the other tasks, which are in the graph alone, by task.
        class_names: as of `save_compact`.
        preprocessing: as of `save_compact`.
        training: as of `save_compact`.
        replace: whether a task of this name is replaced.

    Returns:
        The path of the export.

    Raises:
        InputError: there is no export at `path`, or no task can be called `name`.
        ExportError: it is not one of several tasks, has a task of this name, or is damaged;
            the seed or the external values are others; or a front is missing. The export
            is as it was.

    Example:
        >>> bnkeras.save_compact({"digits": digits}, "saved_models/many")
        >>> bnkeras.add_task("saved_models/many", "letters", letters)
    """
    check_backend()
    path = Path(path)
    restore(path.resolve())
    manifest = read_whole_manifest(path)
    check_addable(path, manifest, [name], replace)
    check_files(path, manifest)
    description = Description(front, class_names, preprocessing, training)
    network = prepare(model, description, **_options(manifest))
    check_same_seed(path, manifest, name, network.seed)
    records = list(manifest.networks)
    number = network_number(network, records)
    kept = [task for task in manifest.tasks if task.name != name]
    fronts = _fronts(path, kept, fronts or {})
    target = path.resolve()
    with replacing(target) as partial:
        with scratch_in(partial) as scratch:
            traced = {number: network}
            tasks = []
            for record in kept:
                if record.network not in traced:
                    traced[record.network] = _loaded(path, manifest, record)
                said = Description(fronts.get(record.name), record.class_names)
                known = dataclasses.replace(traced[record.network], description=said)
                file = path / record.file
                tasks.append(Task(record.name, record.network, known, file, record))
            # A task that is replaced keeps its place: the first one is `serving_default`.
            place = manifest.names.index(name) if name in manifest.names else len(kept)
            tasks.insert(place, new_task(name, number, network, scratch))
            records = _used(tasks, records)
            external, frozen = _same_external(path, manifest, network, scratch)
            write_graph(tasks, records, frozen, partial)
        write_manifest(tasks, records, external, partial)
        _link_unchanged(path, partial, manifest)
        _keep_further_files(path, partial, manifest)
        if read_whole_manifest(path) != manifest:
            raise ExportError(
                f"{path} was changed by somebody else while the task {name!r} was added. Add it "
                f"again."
            )
    return path


def check_addable(
    path: Path, manifest: Manifest | TaskManifest, names: Sequence[str], replace: bool
) -> None:
    """Raise ExportError unless tasks can be added to an export under these names."""
    if not isinstance(manifest, TaskManifest):
        raise ExportError(
            f"{path} is an export of one network, without tasks. Make one of several tasks of it: "
            f"save_compact({{'first': load_compact({str(path)!r})}}, ...), or `bnkeras compact add "
            f"NEW first={path}`."
        )
    check_task_names([*names, *(known for known in manifest.names if known not in names)])
    taken = [name for name in names if name in manifest.names]
    if taken and not replace:
        raise ExportError(
            f"{path} has a task {taken[0]!r} already. Choose another name, or replace it with "
            f"replace=True, --replace."
        )


def check_same_seed(path: Path, manifest: TaskManifest, name: str, seed: int | None) -> None:
    """Raise ExportError unless a network of this seed can be a task of an export."""
    if seed != manifest.seed:
        raise other_seed(f"{path} is of the seed {manifest.seed}", name, seed)


def _options(manifest: TaskManifest) -> dict[str, Any]:
    """Return the options of `prepare` that an export was written with."""
    return options_of([row for network in manifest.networks for row in network.variables])


def _used(tasks: list[Task], records: list[NetworkRecord]) -> list[NetworkRecord]:
    """Return the networks that tasks have, and number the tasks by these."""
    used = sorted({task.number for task in tasks})
    for task in tasks:
        task.number = used.index(task.number)
        task.record = task.record.model_copy(update={"network": task.number})
    return [records[number] for number in used]


def _same_external(
    path: Path, manifest: TaskManifest, network: Prepared, scratch: Path
) -> "tuple[ExternalFile | None, ExternalWeights | None]":
    """Return the external weights of a new task, which are those that are there."""
    record, is_inside = manifest.external, manifest.external_inside is not None
    origin = record and record.origin
    external = external_weights(network.sources, path.resolve(), scratch, is_inside, origin)
    if external[0] != record:
        raise ExportError(
            f"The external weights of the new task are not those of {path}, which all its tasks "
            f"share."
        )
    return external


def _fronts(
    path: Path, tasks: list[TaskRecord], fronts: "Mapping[str, tf.Module]"
) -> "Mapping[str, tf.Module]":
    """Return the fronts of the tasks that are there."""
    wanted = [task.name for task in tasks if task.front is not None]
    if sorted(wanted) != sorted(fronts):
        raise ExportError(
            f"The fronts of {path} are in its graph alone, so they have to be given again, in "
            f"fronts, by task: of {', '.join(wanted) or 'none'}. Received "
            f"{', '.join(fronts) or 'none'}."
        )
    return fronts


def _loaded(path: Path, manifest: TaskManifest, record: TaskRecord) -> Prepared:
    """Return the network of a task that is there."""
    if isinstance(manifest.networks[record.network].architecture, ForeignRecord):
        raise ExportError(
            f"The network of the task {record.name!r} in {path} cannot be rebuilt, so no graph of "
            f"it can be written. Write all tasks anew with save_compact."
        )
    return prepare(load_compact(path, task=record.name), Description(), **_options(manifest))


def _link_unchanged(export: Path, partial: Path, manifest: TaskManifest) -> None:
    """Put the files of `export` in place of copies that TensorFlow made of them."""
    for name, record in file_records(partial).items():
        if manifest.files.get(name) == record:
            copy = partial / name
            linked = copy.with_name(f"{copy.name}.link")
            try:
                os.link(export / name, linked)
            except OSError:  # a file system without links: the copy has the same bytes
                return
            linked.replace(copy)


def _keep_further_files(export: Path, partial: Path, manifest: TaskManifest) -> None:
    """Copy what others put into `export`, such as requests that TensorFlow Serving warms up by."""
    for file in export.rglob("*"):
        name = file.relative_to(export)
        known = name.as_posix() in manifest.files or (partial / name).exists()
        if file.is_file() and not known:
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, partial / name, follow_symlinks=False)
