"""What an export of several tasks says of itself."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from bnkeras.compact.manifest.network import Manifest
from bnkeras.compact.manifest.records import (
    ASSETS,
    GRAPH,
    KINDS,
    ArchitectureRecord,
    ConfigRecord,
    ExternalFile,
    FileRecord,
    ForeignRecord,
    GeneratorRecord,
    ProbeRecord,
    Provenance,
    Seed,
    StoredFile,
    Strict,
    TensorRecord,
    Written,
    check_external,
    check_rows,
    check_seed,
)
from bnkeras.errors import InputError, did_you_mean

# A signature is called so. Behind a front, NAME_network is one, too.
_TASK_NAME = re.compile(r"(?!serving_default$)(?!.*network$)[A-Za-z][A-Za-z0-9_]{0,63}")

_MOST_TASKS = 2**12
_MOST_ROWS = 2**22

# Of the digest of a stored variable a task keeps three bytes: they tell which one changed.
_DIGEST_BYTES = 3


def check_task_names(names: Sequence[str]) -> None:
    """Raise InputError unless the tasks of one export can be called so."""
    for name in names:
        if not _is_task_name(name):
            raise InputError(
                f"A task is called by a letter, then up to 63 letters, digits and underscores, and "
                f"neither serving_default nor by what ends in network; received {name!r}."
            )
    if not _are_apart(names):
        raise InputError(
            f"Tasks are called by names that differ in more than capitals, for files are called "
            f"so; received {', '.join(names)}."
        )


def task_file(name: str) -> str:
    """Return the file of a task's values, in the export."""
    return f"{ASSETS}/task_{name}.bin"


class NetworkRecord(Strict):
    """A network that tasks share. The digests of its stored rows are those of the tasks."""

    architecture: ArchitectureRecord | ConfigRecord | ForeignRecord
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    projections: tuple[float, ...]
    variables: tuple[Provenance, ...]


class TaskRecord(Strict):
    """One task: a network, by its number, and the file of the values that are its own.

    `digests` are the first three bytes of each stored variable's digest, in base64.
    """

    name: str
    network: Annotated[int, Field(ge=0)]
    file: str
    digests: str
    regime: str | None
    front: TensorRecord | None
    class_names: tuple[str, ...] | None
    preprocessing: dict[str, Any] | None
    training: dict[str, Any] | None
    probe: ProbeRecord | None


class TaskManifest(Written):
    """The manifest of an export of several tasks over one seed, format version 3."""

    generator: GeneratorRecord
    seed: Seed | None
    versions: dict[str, str]
    files: dict[str, FileRecord]
    external: ExternalFile | None
    networks: tuple[NetworkRecord, ...]
    tasks: Annotated[tuple[TaskRecord, ...], Field(min_length=1, max_length=_MOST_TASKS)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.format_version < 3:
            raise ValueError(f"tasks: version {self.format_version} has none")
        if GRAPH not in self.files:
            raise ValueError(f"files: {GRAPH} is not among them")
        for network in self.networks:
            rows = {kind: [r for r in network.variables if r.provenance == kind] for kind in KINDS}
            check_seed(network.architecture, self.seed, rows["seeded"])
            check_rows(network.variables, network.projections)
            check_external(self.external, rows["external"])
        if not _are_apart(self.names):
            raise ValueError("tasks: a name occurs twice")
        if {task.network for task in self.tasks} != set(range(len(self.networks))):
            raise ValueError("networks: they are not those of the tasks")
        # The rows of a network are checked, and shown, again for each of its tasks.
        stored = [[r for r in n.variables if r.provenance == "stored"] for n in self.networks]
        if sum(len(self._rows(task)) for task in self.tasks) > _MOST_ROWS:
            raise ValueError(f"tasks: they have more than {_MOST_ROWS} variables")
        for task in self.tasks:
            if not _is_task_name(task.name):
                raise ValueError(f"tasks: no task is called {task.name!r}")
            if task.file != task_file(task.name):
                raise ValueError(f"tasks: {task.name} has the file {task.file!r}")
            if task.file not in self.files:
                raise ValueError(f"files: {task.file} is not among them")
            rows = stored[task.network]
            if self.files[task.file].bytes != sum(row.bytes for row in rows):
                raise ValueError(f"files: {task.file} has other bytes than {task.name}")
            if len(_digests(task.digests)) != len(rows):
                raise ValueError(f"tasks: {task.name} has not {len(rows)} digests")
        return self

    @property
    def external_inside(self) -> str | None:
        """Where in the export the external file lies; None where it has none in it."""
        return self.task(self.names[0]).external_inside

    @property
    def names(self) -> list[str]:
        """The names of the tasks, in the order in which they were added."""
        return [task.name for task in self.tasks]

    def record(self, name: str | None) -> TaskRecord:
        """Return the task of that name.

        Raises:
            InputError: there is none, or no name.
        """
        for task in self.tasks:
            if task.name == name:
                return task
        what = "Say which" if name is None else f"No task {name!r}"
        raise InputError(
            f"{what}: the export has the tasks {', '.join(self.names)}."
            f"{did_you_mean(str(name), self.names) if name else ''}"
        )

    def task(self, name: str | None) -> Manifest:
        """Return the manifest that the task of that name would have alone.

        Raises:
            InputError: there is none, or no name.
        """
        task = self.record(name)
        network = self.networks[task.network]
        digests = iter(_digests(task.digests))
        rows = [
            row._replace(digest=next(digests)) if row.provenance == "stored" else row
            for row in self._rows(task)
        ]
        return Manifest(
            format_version=self.format_version,
            generator=self.generator,
            seed=self.seed,
            architecture=network.architecture,
            regime=task.regime,
            inputs=network.inputs,
            outputs=_served(network.outputs, task),
            front=task.front,
            class_names=task.class_names,
            preprocessing=task.preprocessing,
            training=task.training,
            versions=self.versions,
            files=self.files,
            stored=StoredFile(file=task.file, offset=0),
            external=self.external,
            slim=None,
            probe=task.probe,
            projections=network.projections,
            variables=tuple(rows),
        )

    def _rows(self, task: TaskRecord) -> tuple[Provenance, ...]:
        return self.networks[task.network].variables


def _is_task_name(name: Any) -> bool:
    return isinstance(name, str) and _TASK_NAME.fullmatch(name) is not None


def _are_apart(names: Sequence[str]) -> bool:
    """Whether files that are called so are apart on every file system."""
    return len({name.lower() for name in names}) == len(names)


def _served(outputs: tuple[TensorRecord, ...], task: TaskRecord) -> tuple[TensorRecord, ...]:
    """Return what the signature of a task gives: behind a front labels, too."""
    logits = next((output for output in outputs if output.name == "logits"), None)
    if task.front is None or not task.class_names or logits is None:
        return outputs
    shape = logits.shape and logits.shape[:-1]
    return (*outputs, TensorRecord(name="labels", dtype="string", shape=shape))


def packed_digests(rows: Sequence[Provenance]) -> str:
    """Return `TaskRecord.digests` of the stored rows."""
    digests = (row.digest for row in rows if row.provenance == "stored")
    return base64.b64encode(
        b"".join(bytes.fromhex(digest)[:_DIGEST_BYTES] for digest in digests)
    ).decode()


def _digests(packed: str) -> list[str]:
    try:
        raw = base64.b64decode(packed, validate=True)
    except binascii.Error as error:
        raise ValueError(f"tasks: {error}") from error
    return [raw[start : start + _DIGEST_BYTES].hex() for start in range(0, len(raw), _DIGEST_BYTES)]
