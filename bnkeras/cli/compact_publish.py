"""`bnkeras compact publish`: a finished run as one of the trained networks of the checkout."""

from pathlib import Path
from typing import Annotated

import typer

from bnkeras.cli.console import print_json, print_pair
from bnkeras.cli.options import DataDir, Json


def publish(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a finished run.")],
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="What it is loaded by.")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Add the export of a finished run to the trained networks of the checkout.

    It is copied to saved_models/NAME and verified. Its logits of 64 test examples are kept as
    its probe, for which the dataset has to be prepared; the index and the table of the README
    get a line. What is published is never written again.

    Examples:

        bnkeras compact publish runs/resnet56_bnonly --as resnet56_bnonly
    """
    from bnkeras.cli.quiet import start_tensorflow

    start_tensorflow()
    from bnkeras import publishing
    from bnkeras.compact.published import index

    network = publishing.publish(run, name, data_dir)
    if as_json:
        print_json({"name": name, **network.model_dump()})
        return
    print_pair("wrote", f"{index.FOLDER / name}, {network.bytes:,} bytes")
    print_pair("accuracy", f"{network.accuracy:.2f}% of {network.examples:,} test examples")
    print_pair("probe", f"{network.right} of its examples right")
    print_pair("command", network.command)
