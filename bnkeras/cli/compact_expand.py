"""`bnkeras compact expand`: an export as ordinary files of Keras."""

import os
from pathlib import Path
from typing import Annotated

import typer

from bnkeras.cli.console import print_json, print_line, print_pair
from bnkeras.cli.options import Export, External, Json, Task


def expand(
    path: Export,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The .keras file to write; else PATH.keras."),
    ] = None,
    external: External = None,
    task: Task = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that are there already.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write an export as an ordinary .keras file, and its weights as .weights.h5 beside it.

    Both hold every value, regenerated ones too, in Keras' own layers alone. They load with
    keras.models.load_model and model.load_weights, on any backend of Keras, where bnkeras
    is not installed. The .keras file is loaded again and compared with the export first.

    Examples:

        bnkeras compact expand saved_models/mine

        bnkeras compact expand resnet14_bnonly

        bnkeras compact expand runs/resnet14_bnonly/export --out resnet14.keras --force
    """
    if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
        from bnkeras.cli.quiet import start_tensorflow

        start_tensorflow()
    from bnkeras.compact.stock.expand import expand_compact

    done = expand_compact(path, out, external or (), task=task, force=force)
    sizes = {str(file): file.stat().st_size for file in (done.model, done.weights)}
    if as_json:
        print_json(
            {
                "path": str(path),
                "files": sizes,
                "needs": done.needs,
                "recursion_limit": done.recursion_limit,
                "largest_difference": done.largest_difference,
            }
        )
        return
    for file, size in sizes.items():
        print_pair("wrote", f"{file}, {size:,} bytes")
    print_pair("outputs", f"the export's to {done.largest_difference:.2g} of the largest")
    for name in done.needs:
        print_pair("needs", f"{name}, imported before the file is loaded")
    if done.recursion_limit:
        print_pair("needs", f"sys.setrecursionlimit({done.recursion_limit}): it is that deep")
    print_line(f"Load it with keras.models.load_model({str(done.model)!r}).")
