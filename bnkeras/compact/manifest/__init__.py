"""Reading the manifest of an export: a JSON file among the SavedModel's extra assets."""

import json
from pathlib import Path

from pydantic import ValidationError

from bnkeras.compact.manifest.network import Manifest
from bnkeras.compact.manifest.records import FORMAT_VERSION, MANIFEST, canonical, sha256_of
from bnkeras.compact.manifest.tasks import TaskManifest
from bnkeras.errors import ExportError, InputError

# ResNet-866 has 0.4 MB. A larger file is not read.
_MOST_BYTES = 2**26


def read_manifest(export: str | Path, task: str | None = None) -> Manifest:
    """Read and check the manifest of the export at `export`, or of one of its tasks.

    Raises:
        InputError: there is no compact export at that path, or no such task in it.
        ExportError: the manifest is damaged, or of a format this version cannot read.
    """
    return manifest_of(export, read_whole_manifest(export), task)


def manifest_of(
    export: str | Path, manifest: Manifest | TaskManifest, task: str | None
) -> Manifest:
    """Return the part of a whole manifest that is of one network.

    Raises:
        InputError: there is no such task.
    """
    if isinstance(manifest, TaskManifest):
        return manifest.task(task)
    if task is not None:
        raise InputError(f"{export} has no tasks; received the task {task!r}. Leave it out.")
    return manifest


def read_whole_manifest(export: str | Path) -> Manifest | TaskManifest:
    """Read and check the manifest of the export at `export`, whatever it has.

    Raises:
        InputError: there is no compact export at that path.
        ExportError: the manifest is damaged, or of a format this version cannot read.
    """
    export = Path(export)
    file = export / MANIFEST
    try:
        if not file.is_file():
            what = "is no compact export" if export.exists() else "does not exist"
            raise InputError(
                f"{export} {what}. A compact export is a directory with the file {MANIFEST}, as "
                f"`bnkeras.save_compact` and `bnkeras recipe run` write it."
            )
        if (size := file.stat().st_size) > _MOST_BYTES:
            raise _damaged(file, f"it has {size} bytes, and a manifest at most {_MOST_BYTES}")
        raw = file.read_bytes()
    except OSError as error:
        raise ExportError(f"{file} cannot be read: {error}") from error
    try:
        content = json.loads(raw)
        fields, claimed = content["manifest"], content["sha256"]
        version = fields["format_version"]
        actual = sha256_of(canonical(fields))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(file, f"it is not the JSON of a manifest ({error})") from error
    if version not in range(1, FORMAT_VERSION + 1):
        raise ExportError(
            f"{export} has format version {version!r}; this version of bnkeras reads 1 to "
            f"{FORMAT_VERSION}. Install the version of bnkeras that wrote it."
        )
    if actual != claimed:
        raise _damaged(file, "its SHA-256 is not the one it was written with")
    try:
        kind = TaskManifest if "tasks" in fields else Manifest
        manifest = kind.model_validate(fields)
        written = manifest.to_bytes()
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}: " for part in first["loc"])
        raise _damaged(file, f"{where}{first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise _damaged(file, f"it holds what no manifest holds ({error})") from error
    # The SHA-256 is blind to white space, and the validation lets "7" pass for 7.
    if written != raw:
        raise _damaged(file, "it is not in the form that bnkeras writes")
    return manifest


def _damaged(file: Path, why: str) -> ExportError:
    return ExportError(f"{file} is damaged: {why}. Copy the export again or write it anew.")
