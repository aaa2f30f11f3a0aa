"""A task of an export, and writing the graph and the manifest over all of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bnkeras.compact.manifest.records import FORMAT_VERSION, ExternalFile
from bnkeras.compact.manifest.tasks import (
    NetworkRecord,
    TaskManifest,
    TaskRecord,
    packed_digests,
    task_file,
)
from bnkeras.compact.preparing import Prepared
from bnkeras.compact.saving import (
    described,
    described_front,
    file_records,
    generator_record,
    save_module,
    stored_bytes,
    versions,
)
from bnkeras.errors import ExportError

if TYPE_CHECKING:
    from bnkeras.compact.graph.files import ExternalWeights


@dataclass
class Task:
    """A task on its way into an export.

    `network` is one that it can be traced by; where the task is in the export already, that
    has the values of another one, and `record` is what the manifest says.
    """

    name: str
    number: int
    network: Prepared
    file: Path
    record: TaskRecord


def new_task(name: str, number: int, network: Prepared, scratch: Path) -> Task:
    """Write the values of a new task."""
    file = scratch / Path(task_file(name)).name
    file.write_bytes(stored_bytes(network.sources.stored))
    description = network.description
    record = TaskRecord(
        name=name,
        network=number,
        file=task_file(name),
        digests=packed_digests(network.rows),
        regime=network.regime,
        front=described_front(description.front),
        class_names=description.class_names,
        preprocessing=description.preprocessing,
        training=description.training,
        probe=network.probe,
    )
    return Task(name, number, network, file, record)


def network_number(network: Prepared, records: list[NetworkRecord]) -> int:
    """Return which of `records` describes `network`; if none does, add one.

    Raises:
        ExportError: the network is a slim one.
    """
    if network.slim is not None:
        raise ExportError(
            "A task is a full network, for tasks share its weights; received a slim one. Save that "
            "alone."
        )
    record = NetworkRecord(
        architecture=network.architecture,
        inputs=network.interface.inputs,
        outputs=(),
        projections=network.projections,
        variables=tuple(
            row._replace(digest="") if row.provenance == "stored" else row for row in network.rows
        ),
    )
    for number, known in enumerate(records):
        if known.model_copy(update={"outputs": ()}) == record:
            return number
    records.append(record)
    return len(records) - 1


def other_seed(what: str, name: str, seed: int | None) -> ExportError:
    """Return the error for the task `name` of another seed; `what` says what has which."""
    return ExportError(
        f"Tasks of one export are over one seed. {what}, the task {name!r} of {seed}. Build all "
        f"networks with one seed, or write exports of their own."
    )


def write_graph(
    tasks: list[Task],
    records: list[NetworkRecord],
    external: "ExternalWeights | None",
    folder: Path,
) -> None:
    """Write the SavedModel, and the outputs of the networks into their records."""
    from bnkeras.compact.graph.files import FileWeights
    from bnkeras.compact.graph.module import TasksModule

    values = FileWeights([task.file for task in tasks], [t.network.sources.stored for t in tasks])
    numbers = [task.number for task in tasks]
    module = TasksModule({task.name: task.network for task in tasks}, numbers, values, external)
    signatures = module.signatures()
    save_module(module, signatures, folder)
    for task in tasks:
        network = signatures.get(f"{task.name}_network", signatures[task.name])
        outputs = tuple(described(s, name) for name, s in network.structured_outputs.items())
        records[task.number] = records[task.number].model_copy(update={"outputs": outputs})


def write_manifest(
    tasks: list[Task], records: list[NetworkRecord], external: ExternalFile | None, folder: Path
) -> None:
    """Write the manifest, over all files that are in `folder` by now."""
    TaskManifest(
        format_version=FORMAT_VERSION,
        generator=generator_record(),
        seed=tasks[0].network.seed,
        versions=versions(),
        files=file_records(folder),
        external=external,
        networks=tuple(records),
        tasks=tuple(task.record for task in tasks),
    ).write(folder)
