"""What an export of one network says of itself."""

from functools import cached_property
from typing import Any, Self

from pydantic import model_validator

from bnkeras.compact.manifest.records import (
    ASSETS,
    GRAPH,
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
    TensorRecord,
    Written,
    check_external,
    check_rows,
    check_seed,
)
from bnkeras.compact.manifest.slim import Cut, SlimRecord, cuts, tail

# What a manifest of an earlier version lacks, by the version that has it first.
_SINCE = {
    2: frozenset({"inputs", "outputs", "front", "external"}),
    3: frozenset({"projections", "probe", "slim"}),
}


class Manifest(Written):
    """The whole manifest of an export of one network, format version 1 to 3.

    What an earlier version lacks has a default, which a manifest of a later one never
    leaves out. `projections` are those of the seeded rows, see `digests.projection`. Of a slim
    network `architecture` is that of the full one, and `slim` says what that loses.
    """

    generator: GeneratorRecord
    seed: Seed | None
    architecture: ArchitectureRecord | ConfigRecord | ForeignRecord
    regime: str | None
    inputs: tuple[TensorRecord, ...] = ()
    outputs: tuple[TensorRecord, ...] = ()
    front: TensorRecord | None = None
    class_names: tuple[str, ...] | None
    preprocessing: dict[str, Any] | None
    training: dict[str, Any] | None
    versions: dict[str, str]
    files: dict[str, FileRecord]
    stored: StoredFile
    external: ExternalFile | None = None
    slim: SlimRecord | None = None
    probe: ProbeRecord | None = None
    projections: tuple[float, ...] | None = None
    variables: tuple[Provenance, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_version()
        check_seed(self.architecture, self.seed, self.of("seeded"))
        for name in (GRAPH, self.stored.file):
            if name not in self.files:
                raise ValueError(f"files: {name} is not among them")
        check_rows(self.variables, self.projections)
        check_external(self.external, self.of("external"))
        for row in self.variables:
            if (lost := self.lost(row)) is not None and not lost.fits(row.shape):
                raise ValueError(f"slim: {row.path} is not what is left of a full variable")
        return self

    def _check_version(self) -> None:
        for version, fields in _SINCE.items():
            if self.format_version < version and (new := fields & self.model_fields_set):
                raise ValueError(f"{min(new)}: version {self.format_version} has no such field")
            if self.format_version >= version and (missing := fields - self.model_fields_set):
                raise ValueError(f"{min(missing)}: Field required")
        if self.format_version < 3 and any(row.dtype == "float16" for row in self.variables):
            raise ValueError(f"variables: version {self.format_version} has none of float16")
        if self.format_version == 1:
            if not isinstance(self.architecture, ArchitectureRecord):
                raise ValueError("architecture: version 1 has a name and arguments")
            if any(
                row.dtype != "float32" or row.provenance == "external" for row in self.variables
            ):
                raise ValueError("variables: version 1 has seeded and stored ones of float32")

    @cached_property
    def _cuts(self) -> dict[str, Cut]:
        return {} if self.slim is None else cuts(self.slim.norms)

    def lost(self, row: Provenance) -> Cut | None:
        """Return what the variable of `row` has less than in the full network, if anything."""
        return self._cuts.get(tail(row.path))

    def full_shape(self, row: Provenance) -> tuple[int, ...]:
        """Return the shape of the variable of `row` in the full network."""
        lost = self.lost(row)
        return row.shape if lost is None else lost.full_shape(row.shape)

    def of(self, provenance: str) -> list[Provenance]:
        """Return the rows of one provenance, in order."""
        return [row for row in self.variables if row.provenance == provenance]

    @property
    def stored_rows(self) -> list[Provenance]:
        """The rows of the stored file in the order of their values: float16 behind the others."""
        return sorted(self.of("stored"), key=lambda row: row.dtype == "float16")

    @property
    def external_inside(self) -> str | None:
        """Where in the export the external file lies; None where it has none in it."""
        if self.external is None:
            return None
        name = f"{ASSETS}/{self.external.file}"
        return name if name in self.files else None
