"""`bnkeras compact inspect`."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnkeras.cli.console import out, print_json, print_line, print_pair, print_rows
from bnkeras.cli.options import Export, Json, Task

if TYPE_CHECKING:
    from bnkeras.compact.manifest.network import Manifest
    from bnkeras.compact.manifest.records import Provenance
    from bnkeras.compact.manifest.tasks import NetworkRecord, TaskManifest, TaskRecord

# Names of classes in one line; ImageNet has a thousand.
_SHOWN = 20


def inspect(path: Export, task: Task = None, as_json: Json = False) -> None:
    """Show what an export holds and what it costs, from its manifest alone.

    Examples:

        bnkeras compact inspect saved_models/mine

        bnkeras compact inspect resnet14_bnonly

        bnkeras compact inspect saved_models/many --task letters

        bnkeras compact inspect runs/resnet14_bnonly/export --json
    """
    from bnkeras.compact.manifest import read_manifest, read_whole_manifest
    from bnkeras.compact.manifest.tasks import TaskManifest
    from bnkeras.compact.published import located

    path = located(path)
    manifest = read_whole_manifest(path)
    if isinstance(manifest, TaskManifest) and task is None:
        facts, lines = _facts_of_tasks(manifest, path), _lines_of_tasks
        tables = ("tasks", "provenance", "files")
    else:
        facts, lines = _facts(read_manifest(path, task), path), _lines
        tables = ("provenance", "files")
    if as_json:
        print_json(facts)
        return
    for key, value in lines(facts):
        print_pair(key, value)
    for table in tables:
        out.print()
        print_rows([_cells(row) for row in facts[table]])
    out.print()
    print_line(
        f"{facts['bytes']:,} bytes in all: {facts['ratio']:.1%} of the {facts['float32_bytes']:,} "
        f"bytes that all values take in float32."
    )


def _facts_of_tasks(manifest: "TaskManifest", path: Path) -> dict[str, Any]:
    """Return all that `inspect` shows of an export of several tasks, JSON-ready."""
    from bnkeras.compact.manifest.records import KINDS

    files = _files(manifest, path)
    total = sum(row["bytes"] for row in files)
    views = {task.name: manifest.task(task.name) for task in manifest.tasks}
    # Seeded and external weights are there once, whatever number of networks has them.
    shared = {
        (row.path, row.law, row.shape, row.digest): row
        for view in views.values()
        for row in view.variables
        if row.provenance != "stored"
    }
    rows = [*shared.values(), *(row for view in views.values() for row in view.of("stored"))]
    full = sum(_full(view.variables) for view in views.values())
    first = next(iter(views.values()))
    return {
        "path": str(path),
        "networks": [
            {"network": network.architecture.name, "arguments": _arguments_of(network)}
            for network in manifest.networks
        ],
        "seed": manifest.seed,
        "generator": manifest.generator.model_dump(),
        "versions": manifest.versions,
        "format_version": manifest.format_version,
        "external": _external(first, path),
        "tasks": [
            {
                "task": task.name,
                "network": task.network,
                "regime": task.regime,
                "classes": task.class_names and len(task.class_names),
                "recipe": _result(task).get("recipe"),
                "test_accuracy": _result(task).get("test_accuracy"),
                "bytes": manifest.files[task.file].bytes,
            }
            for task in manifest.tasks
        ],
        "provenance": [_cost(rows, kind, total, first.external_inside) for kind in KINDS],
        "files": files,
        "bytes": total,
        "float32_bytes": full,
        "ratio": total / max(1, full),
    }


def _facts(manifest: "Manifest", path: Path) -> dict[str, Any]:
    """Return all that `inspect` shows of one network, JSON-ready."""
    from bnkeras.compact.manifest.records import KINDS

    files = _files(manifest, path)
    total = sum(row["bytes"] for row in files)
    full = _full(manifest.variables)
    result = _result(manifest)
    return {
        "path": str(path),
        "network": manifest.architecture.name,
        "arguments": _arguments_of(manifest),
        "rebuilt": not hasattr(manifest.architecture, "reason"),
        "reason": getattr(manifest.architecture, "reason", None),
        "inputs": [record.model_dump() for record in manifest.inputs],
        "outputs": [record.model_dump() for record in manifest.outputs],
        "front": manifest.front and manifest.front.model_dump(),
        "seed": manifest.seed,
        "generator": manifest.generator.model_dump(),
        "regime": manifest.regime,
        "class_names": manifest.class_names,
        "preprocessing": manifest.preprocessing,
        "recipe": result.get("recipe"),
        "test_accuracy": result.get("test_accuracy"),
        "versions": manifest.versions,
        "format_version": manifest.format_version,
        "external": _external(manifest, path),
        "slim": _slim(manifest),
        "float16_change": manifest.probe and manifest.probe.change,
        "provenance": [
            _cost(manifest.variables, kind, total, manifest.external_inside) for kind in KINDS
        ],
        "files": files,
        "bytes": total,
        "float32_bytes": full,
        "ratio": total / max(1, full),
    }


def _slim(manifest: "Manifest") -> dict[str, Any] | None:
    """Return what the network has less than its full one."""
    record = manifest.slim
    if record is None:
        return None
    return {
        "threshold": record.threshold,
        "norms": len(record.norms),
        "channels": sum(norm.channels for norm in record.norms),
        "left": sum(norm.size for norm in record.norms),
    }


def _files(manifest: "Manifest | TaskManifest", path: Path) -> list[dict[str, Any]]:
    """Return every file with its size and its share of all."""
    from bnkeras.compact.manifest.records import MANIFEST

    sizes = {name: record.bytes for name, record in manifest.files.items()}
    sizes[MANIFEST.as_posix()] = (path / MANIFEST).stat().st_size
    total = sum(sizes.values())
    return [
        {"file": name, "bytes": size, "share": size / total} for name, size in sorted(sizes.items())
    ]


def _full(rows: "Iterable[Provenance]") -> int:
    """Return the bytes that all values take where nothing is seeded or rounded."""
    return sum(row.size * (8 if row.dtype == "int64" else 4) for row in rows)


def _arguments_of(manifest: "Manifest | NetworkRecord") -> dict[str, Any] | None:
    return getattr(manifest.architecture, "arguments", None)


def _result(manifest: "Manifest | TaskRecord") -> dict[str, Any]:
    """Return what a run recorded of itself."""
    result = (manifest.training or {}).get("result")
    return result if isinstance(result, dict) else {}


def _external(manifest: "Manifest", path: Path) -> dict[str, Any] | None:
    """Return what is known of the file of external weights, and where it is."""
    from bnkeras.compact.external import external_places

    record = manifest.external
    if record is None:
        return None
    there = (file for file in external_places(path, record) if file.is_file())
    found = next((file for file in there if file.stat().st_size == record.bytes), None)
    return {**record.model_dump(), "found": found and str(found)}


def _cost(
    variables: "Iterable[Provenance]", provenance: str, total: int, external_inside: str | None
) -> dict[str, Any]:
    rows = [row for row in variables if row.provenance == provenance]
    inside = provenance == "stored" or (provenance == "external" and external_inside)
    kept = sum(row.bytes for row in rows) if inside else 0
    return {
        "provenance": provenance,
        "variables": len(rows),
        "values": sum(row.size for row in rows),
        "float32_bytes": _full(rows),
        "stored_bytes": kept,
        "share": kept / total,
    }


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    if "share" in row:
        return {**row, "share": f"{row['share']:6.1%}"}
    accuracy = row.pop("test_accuracy")
    return {**row, "accuracy": f"{accuracy:.2%}" if isinstance(accuracy, float) else None}


def _lines_of_tasks(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what `inspect` says above the tables of an export of several tasks, by key."""
    for number, network in enumerate(facts["networks"]):
        yield f"network {number}", _network(network)
    yield from _common_lines(facts)


def _lines(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what `inspect` says above its tables, by key."""
    accuracy = facts["test_accuracy"]
    yield "network", _network(facts)
    if slim := facts["slim"]:
        yield (
            "slim",
            f"{slim['left']:,} of {slim['channels']:,} channels left of the {slim['norms']} norms "
            f"that had |γ| < {slim['threshold']:g}",
        )
    if not facts["rebuilt"]:
        yield "loads", f"only into a model: {facts['reason']}"
    outputs = facts["outputs"]
    if facts["front"]:
        yield "front", f"{_tensors([facts['front']])} -> {_tensors(outputs)}"
        outputs = [record for record in outputs if record["name"] != "labels"]
    if facts["inputs"]:
        yield "signature", f"{_tensors(facts['inputs'])} -> {_tensors(outputs)}"
    yield "regime", facts["regime"] or "a selection made by hand"
    yield "classes", _few(facts["class_names"] or ()) or "not recorded"
    yield "inputs", _arguments(facts["preprocessing"] or {}) or "not recorded"
    yield "recipe", str(facts["recipe"] or "not recorded")
    if isinstance(accuracy, float):
        yield "accuracy", f"{accuracy:.2%} of the test images"
    if facts["float16_change"] is not None:
        change = facts["float16_change"]
        yield "float16", f"changed the outputs by up to {change:.2g} of the largest"
    yield from _common_lines(facts)


def _network(facts: dict[str, Any]) -> str:
    arguments = facts["arguments"]
    return facts["network"] + ("" if arguments is None else f"({_arguments(arguments)})")


def _common_lines(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    generator, external = facts["generator"], facts["external"]
    yield "seed", "none" if facts["seed"] is None else str(facts["seed"])
    yield "generator", f"{generator['name']} version {generator['version']}"
    if external:
        origin = f"{external['origin']}, " if external["origin"] else ""
        where = f"in {external['found']}" if external["found"] else f"missing: {external['file']}"
        yield "external", f"{origin}{external['bytes']:,} bytes, {where}"
    yield "versions", ", ".join(f"{name} {value}" for name, value in facts["versions"].items())
    yield "format", f"version {facts['format_version']}"


def _tensors(records: list[dict[str, Any]]) -> str:
    """Return inputs or outputs as people write them: `image float32 [?, 32, 32, 3]`."""
    return ", ".join(
        f"{record['name']} {record['dtype']} {_shape(record['shape'])}" for record in records
    )


def _shape(sizes: list[int | None] | None) -> str:
    return "" if sizes is None else f"[{', '.join(str(size or '?') for size in sizes)}]"


def _few(names: Sequence[str]) -> str:
    """Return names in a row; of many the first ones, and how many there are."""
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown}, … ({len(names):,})"


def _arguments(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_shown(value)}" for name, value in arguments.items())


def _shown(value: Any) -> str:
    return f"[{', '.join(map(repr, value))}]" if isinstance(value, tuple | list) else repr(value)
