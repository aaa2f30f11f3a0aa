"""`bnkeras compact`: what an export holds, and whether it holds together."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bnkeras.cli.console import out, print_json, print_line, print_pair, print_rows
from bnkeras.cli.options import Json
from bnkeras.errors import ExportError

if TYPE_CHECKING:
    from bnkeras.compact.manifest import Manifest
    from bnkeras.compact.verify import Check

app = typer.Typer(
    name="compact",
    help="Compact exports: show what one holds, and check that it holds together.",
    no_args_is_help=True,
)

Export = Annotated[Path, typer.Argument(metavar="PATH", help="The directory of an export.")]
External = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="A file of external weights, or a folder with it. Repeat."),
]


@app.command()
def inspect(path: Export, as_json: Json = False) -> None:
    """Show what an export holds and what it costs, from its manifest alone.

    Examples:

        bnkeras compact inspect saved_models/mine

        bnkeras compact inspect runs/resnet14_bnonly/export --json
    """
    from bnkeras.compact.manifest import MANIFEST, read_manifest

    facts = _facts(read_manifest(path), path, path / MANIFEST)
    if as_json:
        print_json(facts)
        return
    for key, value in _lines(facts):
        print_pair(key, value)
    for rows in (facts["provenance"], facts["files"]):
        out.print()
        print_rows([_cells(row) for row in rows])
    out.print()
    print_line(
        f"{facts['bytes']:,} bytes in all: {facts['ratio']:.1%} of the {facts['float32_bytes']:,} "
        f"bytes that all values take in float32."
    )


@app.command()
def verify(path: Export, external: External = None, as_json: Json = False) -> None:
    """Check that the files, the weights and the graph of an export agree.

    The exit code is 0 if they do, else 1. The last check runs the graph: where an
    export is from an untrusted source, verify it in a sandbox. The graph finds external
    weights only in the export and in the folder external beside it: where --external says
    another place, it is run from a temporary folder in which they are in place.

    Examples:

        bnkeras compact verify saved_models/mine

        bnkeras compact verify saved_models/mine --external weights
    """
    from bnkeras.cli.quiet import start_tensorflow

    start_tensorflow()
    from bnkeras.compact.verify import CHECKS, run_checks

    passed: list[Check] = []
    try:
        for check in run_checks(path, external or ()):
            passed.append(check)
            if not as_json:
                print_pair(check.name, f"ok: {check.found}")
    except ExportError as error:
        failed, *unchecked = CHECKS[len(passed) :]
        if as_json:
            print_json(_verdict(path, passed, failed, str(error)))
        else:
            print_pair(failed, "failed")
            for name in unchecked:
                print_pair(name, "not checked")
        raise
    if as_json:
        print_json(_verdict(path, passed, None, None))


def _verdict(
    path: Path, passed: list["Check"], failed: str | None, error: str | None
) -> dict[str, Any]:
    return {
        "path": str(path),
        "verified": failed is None,
        "passed": {check.name: check.figures for check in passed},
        "failed": failed,
        "error": error,
    }


def _facts(manifest: "Manifest", path: Path, file: Path) -> dict[str, Any]:
    """Return all that `inspect` shows, JSON-ready; `file` is the one of the manifest."""
    sizes = {name: record.bytes for name, record in manifest.files.items()}
    sizes[file.relative_to(path).as_posix()] = file.stat().st_size
    total = sum(sizes.values())
    full = sum(row.bytes for row in manifest.variables)
    result = (manifest.training or {}).get("result")
    result = result if isinstance(result, dict) else {}
    return {
        "path": str(path),
        "network": manifest.architecture.name,
        "arguments": getattr(manifest.architecture, "arguments", None),
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
        "provenance": [_cost(manifest, kind, total) for kind in ("seeded", "stored", "external")],
        "files": [
            {"file": name, "bytes": size, "share": size / total}
            for name, size in sorted(sizes.items())
        ],
        "bytes": total,
        "float32_bytes": full,
        "ratio": total / max(1, full),
    }


def _external(manifest: "Manifest", path: Path) -> dict[str, Any] | None:
    """Return what is known of the file of external weights, and where it is."""
    from bnkeras.compact.external import external_places

    record = manifest.external
    if record is None:
        return None
    there = (file for file in external_places(path, record) if file.is_file())
    found = next((file for file in there if file.stat().st_size == record.bytes), None)
    return {**record.model_dump(), "found": found and str(found)}


def _cost(manifest: "Manifest", provenance: str, total: int) -> dict[str, Any]:
    rows = manifest.of(provenance)
    full = sum(row.bytes for row in rows)
    inside = provenance == "stored" or (provenance == "external" and manifest.external_inside)
    kept = full if inside else 0
    return {
        "provenance": provenance,
        "variables": len(rows),
        "values": sum(row.size for row in rows),
        "float32_bytes": full,
        "stored_bytes": kept,
        "share": kept / total,
    }


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "share": f"{row['share']:6.1%}"}


def _lines(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what `inspect` says above its tables, by key."""
    generator, accuracy = facts["generator"], facts["test_accuracy"]
    arguments, external = facts["arguments"], facts["external"]
    yield "network", facts["network"] + ("" if arguments is None else f"({_arguments(arguments)})")
    if not facts["rebuilt"]:
        yield "loads", f"only into a model: {facts['reason']}"
    if facts["front"]:
        yield "front", _tensors([facts["front"]])
    if facts["inputs"]:
        yield "signature", f"{_tensors(facts['inputs'])} -> {_tensors(facts['outputs'])}"
    yield "seed", "none" if facts["seed"] is None else str(facts["seed"])
    yield "generator", f"{generator['name']} version {generator['version']}"
    yield "regime", facts["regime"] or "a selection made by hand"
    yield "classes", ", ".join(facts["class_names"] or ()) or "not recorded"
    yield "inputs", _arguments(facts["preprocessing"] or {}) or "not recorded"
    yield "recipe", str(facts["recipe"] or "not recorded")
    if isinstance(accuracy, float):
        yield "accuracy", f"{accuracy:.2%} of the test images"
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


def _arguments(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_shown(value)}" for name, value in arguments.items())


def _shown(value: Any) -> str:
    return f"[{', '.join(map(repr, value))}]" if isinstance(value, tuple | list) else repr(value)
