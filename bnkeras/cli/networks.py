"""`bnkeras networks`: the papers' by size, small ones of a given size, and what a step costs."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bnkeras.cli.console import err, out, print_json, print_line, print_rows
from bnkeras.cli.networks_cost import cost
from bnkeras.cli.options import Json
from bnkeras.errors import BnkerasError, ModelError

if TYPE_CHECKING:
    from bnkeras.models.paper_networks import PaperNetwork
    from bnkeras.models.small_networks import SmallNetwork

app = typer.Typer(
    name="networks",
    help="Networks: parameter counts beside the papers', small ones of a given size, and how long "
    "a step takes on many GPUs.",
    no_args_is_help=True,
)
app.command()(cost)

_SIGNS = {"equal": "[green]=[/]", "other rounding": "[yellow]≈[/]", "different": "[red]≠[/]"}


@app.command("counts")
def show_counts(
    build: Annotated[
        bool,
        typer.Option(
            "--build",
            help="Build every network with Keras and count what it has: half a minute, and 2 GB "
            "of memory for the largest, of 177 million parameters.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show how many parameters the networks of the papers have, beside what the papers print.

    By arithmetic, or with `--build` in the networks themselves, which then also have to
    agree with the arithmetic. The exit code is 1 if a count differs, else 0.

    Examples:

        bnkeras networks counts

        bnkeras networks counts --build

        bnkeras networks counts --json
    """
    from bnkeras.models.paper_networks import PAPER_NETWORKS

    computed = dict(_computed(PAPER_NETWORKS))
    counted = dict(_built(PAPER_NETWORKS)) if build else computed
    rows = [_row(network, counted[network.name]) for network in PAPER_NETWORKS]
    if as_json:
        print_json(rows)
    else:
        origin = "counted in the built networks" if build else "by arithmetic"
        out.print(f"Parameters, {origin}, and what the papers print of them.\n", highlight=False)
        for family, members in groupby(rows, itemgetter("family", "source")):
            out.print("[bold]{}[/] ({})".format(*family), highlight=False)
            _print_table(members)
        _print_remarks(rows)
    if faults := list(_faults(rows, computed)):
        raise BnkerasError("\n  ".join([f"{len(faults)} of the counts differ:", *faults]))


@app.command()
def near(
    budget: Annotated[
        str,
        typer.Argument(
            metavar="BUDGET",
            help="A number of parameters; or a network of the papers, such as `resnet110`, for "
            "the number of its γ and β.",
        ),
    ],
    count: Annotated[int, typer.Option(min=1, help="How many of the nearest to show.")] = 5,
    as_json: Json = False,
) -> None:
    """Find the small CIFAR ResNets that have about as many parameters in all.

    The control of Frankle et al. 2021: a network of 1/8 to 1/2 of the width, with all
    parameters trained, against γ and β of a large one. Shown are the nearest of any
    width, and the nearest of each.

    Examples:

        bnkeras networks near resnet110

        bnkeras networks near 8288 --count 10

        bnkeras networks near wrn14x32 --json
    """
    from bnkeras.models.small_networks import nearest, nearest_by_width, smallest

    number, meaning = _budget(budget)
    best = nearest(number, count)
    by_width = nearest_by_width(number)
    if as_json:
        print_json(
            {
                "budget": number,
                "nearest": [one._asdict() for one in best],
                "nearest_by_width": [one._asdict() for one in by_width],
            }
        )
        return
    print_line(f"{meaning}. CIFAR ResNets with about as many in all:\n")
    others = [one for one in by_width if one not in best]
    print_rows([_near_row(one, number) for one in best + others])
    depth, width, total = smallest()
    if number < total:
        print_line(
            f"\nNone is smaller than that of depth {depth} and width {Fraction(width)}, with its "
            f"{total:,} parameters."
        )
    print_line("\nTo train the first of them, with all parameters:\n")
    print_line(
        f"  bnkeras recipe run resnet14_all --set model.depth={best[0].depth} "
        f"--set model.width={best[0].width}"
    )


def _computed(networks: Sequence["PaperNetwork"]) -> Iterator[tuple[str, dict[str, int]]]:
    from bnkeras.models.sizes import counts

    for one in networks:
        yield one.name, counts(one.network, **one.arguments)


def _built(networks: Sequence["PaperNetwork"]) -> Iterator[tuple[str, dict[str, int]]]:
    from rich.progress import track

    from bnkeras.cli.quiet import start_tensorflow

    start_tensorflow()
    import keras

    import bnkeras

    hidden = not err.is_terminal
    for one in track(networks, "building", console=err, transient=True, disable=hidden):
        counted = bnkeras.parameter_counts(bnkeras.build(one.network, **one.arguments))
        del counted["trainable"]
        yield one.name, counted
        keras.utils.clear_session()  # lets its weights go before the next has its own


def _row(network: "PaperNetwork", counted: dict[str, int]) -> dict[str, Any]:
    from bnkeras.models.paper_networks import verdicts

    return {
        "name": network.name,
        "family": network.family,
        "source": network.source,
        "network": network.network,
        "arguments": network.arguments,
        "counts": counted,
        "paper": network.printed,
        "verdicts": verdicts(network, counted),
    }


def _faults(rows: Sequence[dict[str, Any]], computed: dict[str, dict[str, int]]) -> Iterator[str]:
    """Yield each count that is not the paper's, or not that of the arithmetic."""
    from bnkeras.models.paper_networks import value

    for row in rows:
        name, counted = row["name"], row["counts"]
        for key, verdict in row["verdicts"].items():
            if verdict == "different":
                yield f"{name}, {key}: {value(counted, key):,}; the paper has {row['paper'][key]}"
        for key, count in counted.items():
            if count != computed[name][key]:
                yield f"{name}, {key}: {count:,}; by arithmetic {computed[name][key]:,}"


def _print_table(rows: Iterator[dict[str, Any]]) -> None:
    """Print networks, each count with the paper's beside it, within 80 columns."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("network")
    for title in ("total", "BatchNorm", "output", "shortcut"):
        table.add_column(title, justify="right")
        table.add_column("paper")
    for row in rows:
        cells = []
        for key, count in row["counts"].items():
            cells.append(f"{count:,}" if count else "")
            printed = row["paper"].get(key)
            cells.append(f"{_SIGNS[row['verdicts'][key]]}{printed}" if printed else "")
        table.add_row(row["name"], *cells)
    out.print(table, highlight=False)
    out.print()


def _print_remarks(rows: Sequence[dict[str, Any]]) -> None:
    """Print what the signs mean, and what has no place in a column."""
    from bnkeras.models.paper_networks import (
        OTHER_ROUNDING,
        TWEETS_TOTAL,
        TWEETS_VOCABULARY,
        find,
        value,
    )

    lines = [f"{_SIGNS['equal']} equal, rounded to the digits that are printed"]
    for row in rows:
        for key, verdict in row["verdicts"].items():
            count = f"{_SIGNS[verdict]} {row['name']}, {key}: {value(row['counts'], key):,}"
            printed = row["paper"][key]
            if verdict == "other rounding":
                lines.append(f"{count}; {printed} is {OTHER_ROUNDING[row['name'], key][1]}")
            elif " + " in key:
                lines.append(f"{count}; the paper has {printed}")
    lines.append(
        f"  tweets_lstm has a vocabulary of {find('tweets_lstm').arguments['vocabulary_size']:,}; "
        f"the paper's total of {TWEETS_TOTAL} takes {TWEETS_VOCABULARY[0]:,} to "
        f"{TWEETS_VOCABULARY[-1]:,}"
    )
    out.print("\n".join(lines), highlight=False, soft_wrap=True)


def _budget(text: str) -> tuple[int, str]:
    """Return the number that `text` stands for, and what it is the number of."""
    from bnkeras.models.paper_networks import find
    from bnkeras.models.sizes import counts

    digits = text.replace(",", "")
    if digits.isdecimal():
        return int(digits), f"{int(digits):,} parameters"
    try:
        network = find(text)
    except ModelError as error:
        raise ModelError(
            f"A budget is a whole number of parameters, or a network of the papers. {error}"
        ) from None
    number = counts(network.network, **network.arguments)["batchnorm"]
    return number, f"γ and β of {text} are {number:,} parameters"


def _near_row(network: "SmallNetwork", budget: int) -> dict[str, Any]:
    return {
        "depth": network.depth,
        "width": str(Fraction(network.width)),
        "parameters": network.total,
        "difference": f"{network.difference:+,} ({network.difference / budget:+.1%})",
    }
