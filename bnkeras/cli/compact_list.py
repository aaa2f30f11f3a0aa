"""`bnkeras compact list`: the trained networks that come with the checkout."""

from bnkeras.cli.console import out, print_json, print_line, print_rows
from bnkeras.cli.options import Json


def list_networks(as_json: Json = False) -> None:
    """Show the trained networks of the checkout, which are loaded by name.

    Examples:

        bnkeras compact list

        bnkeras compact list --json
    """
    from bnkeras.compact.published.index import read_index

    networks = read_index()
    if as_json:
        print_json([{"name": name, **one.model_dump()} for name, one in networks.items()])
        return
    print_rows(
        [
            {
                "name": name,
                "trained": f"{one.trained:,} of {one.parameters:,}",
                "dataset": one.dataset,
                "accuracy": f"{one.accuracy:.2f}%",
                "bytes": one.bytes,
            }
            for name, one in networks.items()
        ]
    )
    out.print()
    print_line('Load one with bnkeras.load_compact("NAME"); --json tells what trained it.')
