"""`bnkeras compact add`: exports as tasks of one."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bnkeras.cli.console import print_json, print_pair
from bnkeras.cli.fronts import remade_front
from bnkeras.cli.options import External, Json
from bnkeras.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

    from bnkeras.compact.manifest.network import Manifest


def add(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="The export of several tasks, new or there.")
    ],
    tasks: Annotated[
        list[str], typer.Argument(metavar="NAME=EXPORT...", help="A task, and the export of it.")
    ],
    external: External = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace tasks of the same name.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Add exports of one seed to an export of several tasks, which is made where there is none.

    Each task is a signature of its name. The random weights are there, and in memory, once.
    Tasks whose exports take raw data, as those of runs do, take them here, too.

    Examples:

        bnkeras compact add saved_models/many digits=runs/digits/export

        bnkeras compact add saved_models/many letters=runs/letters/export
    """
    from bnkeras.cli.quiet import start_tensorflow

    start_tensorflow()
    from bnkeras.compact.backend import check_backend

    check_backend()
    from bnkeras.compact.manifest import read_manifest, read_whole_manifest
    from bnkeras.compact.preparing import options_of
    from bnkeras.compact.reader import load_compact
    from bnkeras.compact.replacing import is_empty, restore
    from bnkeras.compact.tasks.adding import add_task, check_addable, check_same_seed
    from bnkeras.compact.writer import save_compact

    exports = dict(_split(text) for text in tasks)
    if len(exports) < len(tasks):
        raise InputError(f"Each task has a name of its own; received {', '.join(tasks)}.")
    manifests = {name: read_manifest(export) for name, export in exports.items()}
    models = {name: load_compact(export, external or ()) for name, export in exports.items()}
    remade = _Fronts()
    said = {
        name: _description(manifest, remade(manifest, exports[name]))
        for name, manifest in manifests.items()
    }
    restore(path.resolve())
    before = _size(path)
    if path.exists() and not is_empty(path):
        # Of all, so that none is added where another one cannot be.
        there = read_whole_manifest(path)
        check_addable(path, there, list(exports), replace)
        for name, manifest in manifests.items():
            check_same_seed(path, there, name, manifest.seed)
        for name, model in models.items():
            there = read_whole_manifest(path)
            fronts = {
                other: front
                for other in getattr(there, "names", ())
                if other != name and (front := remade(there.task(other), path))
            }
            add_task(path, name, model, **said[name], fronts=fronts, replace=replace)
    else:
        by_kind = {
            kind: {name: description[kind] for name, description in said.items()}
            for kind in ("front", "class_names", "preprocessing", "training")
        }
        first, *_ = manifests.values()
        options = options_of([row for said in manifests.values() for row in said.variables])
        # What one of the exports has whole is not rounded for the sake of the others.
        whole = (options_of(said.variables)["storage"] == "float32" for said in manifests.values())
        options["storage"] = "float32" if any(whole) else "float16"
        save_compact(
            models,
            path,
            **by_kind,
            **options,
            copy_external=first.external_inside is not None,
            external_origin=first.external and first.external.origin,
        )
    after = _size(path)
    if as_json:
        print_json({"path": str(path), "added": list(exports), "bytes": after, "before": before})
        return
    print_pair("added", ", ".join(exports))
    print_pair("wrote", f"{path}, {after:,} bytes ({after - before:+,})")


def _split(text: str) -> tuple[str, Path]:
    name, equals, export = text.partition("=")
    if not (name and equals and export):
        raise InputError(f"A task is given as NAME=EXPORT; received {text!r}.")
    return name, Path(export)


def _description(manifest: "Manifest", front: "tf.Module | None") -> dict[str, Any]:
    """Return what is said of a task, as `add_task` takes it."""
    return {
        "front": front,
        "class_names": manifest.class_names,
        "preprocessing": manifest.preprocessing,
        "training": manifest.training,
    }


class _Fronts:
    """Makes the fronts of exports again, and one for all that say the same of theirs."""

    def __init__(self):
        self._made: dict[str, tf.Module | None] = {}

    def __call__(self, manifest: "Manifest", export: Path) -> "tf.Module | None":
        """Return the front of an export, None where it takes no raw data."""
        if manifest.front is None:
            return None
        said = json.dumps([manifest.front.model_dump(), manifest.preprocessing], sort_keys=True)
        if said not in self._made:
            self._made[said] = remade_front(manifest, export)
        if self._made[said] is None:
            raise InputError(
                f"{export} takes raw data by a front that is in its graph alone, and of which its "
                f"preprocessing record says nothing that bnkeras knows. Join it to others in "
                f"Python, by save_compact(..., front=...) or add_task(..., fronts=...)."
            )
        return self._made[said]


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
