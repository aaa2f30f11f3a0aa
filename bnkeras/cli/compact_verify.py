"""`bnkeras compact verify`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnkeras.cli.console import print_json, print_pair
from bnkeras.cli.options import Export, External, Json, Task
from bnkeras.errors import ExportError

if TYPE_CHECKING:
    from bnkeras.compact.verify import Check


def verify(
    path: Export, external: External = None, task: Task = None, as_json: Json = False
) -> None:
    """Check that the files, the weights and the graph of an export agree.

    The exit code is 0 if they do, else 1. The checks from `weights` on run the graph: where an
    export is from an untrusted source, verify it in a sandbox. The graph finds external
    weights only in the export and in the folder external beside it: where --external says
    another place, it is run from a temporary folder in which they are in place.

    Examples:

        bnkeras compact verify saved_models/mine

        bnkeras compact verify resnet14_bnonly

        bnkeras compact verify saved_models/mine --external weights
    """
    from bnkeras.cli.quiet import start_tensorflow

    start_tensorflow()
    from bnkeras.compact.verify import CHECKS, run_checks

    passed: list[Check] = []
    try:
        for check in run_checks(path, external or (), task):
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
