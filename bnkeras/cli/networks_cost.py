"""`bnkeras networks cost`: how long a training step takes on 1 to 64 GPUs, by arithmetic."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bnkeras.cli.console import human_bytes, out, print_json, print_line
from bnkeras.cli.options import Json
from bnkeras.errors import InputError

if TYPE_CHECKING:
    from bnkeras.analysis.cost import StepCost
    from bnkeras.models.work import LayerWork
    from bnkeras.recipe import Recipe


def cost(
    name: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="A name that `bnkeras recipe list` shows, or the path of a TOML file.",
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a setting, such as `train.precision=mixed_bfloat16`.",
        ),
    ] = None,
    devices: Annotated[
        str, typer.Option(metavar="N,N,…", help="Numbers of GPUs.")
    ] = "1,2,4,8,16,32,64",
    hardware: Annotated[str, typer.Option(help="h100, h200, a100 or v100.")] = "h100",
    link: Annotated[
        str | None,
        typer.Option(
            help="What joins the machines: ethernet-10, ethernet-25, ethernet-100, "
            "infiniband-400, infiniband-1600 or infiniband-3200 (Gbit/s). Without it, that of "
            "NVIDIA's own machines."
        ),
    ] = None,
    machine: Annotated[int, typer.Option(min=1, help="GPUs in a machine.")] = 8,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Examples of a step, over all GPUs; without it, the recipe's."),
    ] = None,
    per_device: Annotated[
        int | None, typer.Option(min=1, help="Examples of a step on each GPU instead.")
    ] = None,
    overlap: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Share of the backward pass behind which the exchange of gradients hides: 0 "
            "with TensorFlow's collectives, 1 at best.",
        ),
    ] = 0.0,
    words: Annotated[int, typer.Option(min=1, help="Words of a text.")] = 30,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw images/s by GPUs, on this link and on 25 Gbit/s Ethernet."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Predict the training step of a recipe on 1 to 64 GPUs, by arithmetic.

    Beside it stands that of the same network with all parameters trained: where γ and β
    alone do, there is less to compute and next to nothing to exchange. Precision, batch
    and synchronised statistics are the recipe's. docs/scaling.md has the formulas, what
    they assume, and how near they come where that could be measured.

    Examples:

        bnkeras networks cost resnet200_bnonly

        bnkeras networks cost resnet200_bnonly --link ethernet-25 --set strategy.sync_bn=true

        bnkeras networks cost resnet50_bnonly --hardware a100 --per-device 128 --plot scaling.png
    """
    from bnkeras.analysis.cost import step_cost
    from bnkeras.analysis.hardware import find_hardware, find_link
    from bnkeras.recipe import load, regimes

    titles = regimes()
    recipe, gpu, counts = load(name, settings or ()), find_hardware(hardware), _counts(devices)
    link = link or gpu.network
    between = find_link(link)
    if batch_size and per_device:
        raise InputError(
            f"--batch-size is that of all GPUs together, --per-device that of each: give one of "
            f"them; received {batch_size} and {per_device}."
        )
    # "auto" is what is faster there, and these GPUs have units for it.
    precision = recipe.train.precision.replace("auto", "mixed_bfloat16")
    layers = _layers(recipe, words)

    def predicted(regime: str, network: str) -> list["StepCost"]:
        return [
            step_cost(
                layers[regime],
                count * per_device if per_device else batch_size or recipe.train.batch_size,
                gpu,
                devices=count,
                network=find_link(network),
                machine=machine,
                precision=precision,
                synchronized=recipe.strategy.sync_bn,
                overlap=overlap,
            )
            for count in counts
        ]

    costs = {regime: predicted(regime, link) for regime in layers}
    if as_json:
        print_json(
            {
                "recipe": recipe.as_dict(),
                "hardware": hardware,
                "link": link,
                "machine": machine,
                "overlap": overlap,
                "predicted": {regime: _rows(of_regime) for regime, of_regime in costs.items()},
            }
        )
    else:
        print_line(
            f"{recipe.about.title or recipe.name}, {precision}, predicted.\n"
            f"{gpu.title}; {machine} to a machine with {gpu.inside.title}, {between.title} "
            f"between machines.\n"
        )
        for regime, of_regime in costs.items():
            _print(titles.get(regime, regime), layers[regime], of_regime, gpu.memory)
    if plot:
        from bnkeras.analysis.scaling import plot_scaling

        curves = {
            find_link(network).title: {
                titles.get(regime, regime): predicted(regime, network) for regime in layers
            }
            for network in dict.fromkeys((link, "ethernet-25"))
        }
        plot_scaling(curves, plot)


def _counts(text: str) -> list[int]:
    """Return the numbers in `text`, in order."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"--devices takes numbers from 1 on, such as 1,8,64; received {text!r}.")
    return sorted({int(part) for part in parts})


def _layers(recipe: "Recipe", words: int) -> dict[str, tuple["LayerWork", ...]]:
    """Return the work of the recipe's regime, and of that which trains everything."""
    from bnkeras.cli.quiet import start_tensorflow

    start_tensorflow()
    import bnkeras
    from bnkeras.models.paper_networks import find
    from bnkeras.models.work import work
    from bnkeras.recipe import DEFAULT_IMAGE_SIZE

    settings = recipe.model
    # Its values are no matter here; constants are soon made.
    arguments = settings.build_arguments() | {"features": "constant(0)"}
    shape = None
    if settings.network == "tweet_lstm":
        shape, arguments = (words,), find("tweets_lstm").arguments | arguments
    elif "input_shape" not in arguments:
        size = recipe.data.image_size or DEFAULT_IMAGE_SIZE
        shape = (size, size, 3)
    model = bnkeras.build(settings.network, **arguments)
    return {
        regime: work(bnkeras.set_regime(model, regime), shape)
        for regime in dict.fromkeys((settings.regime, "all"))
    }


def _rows(costs: Sequence["StepCost"]) -> list[dict[str, Any]]:
    return [
        asdict(one)
        | {
            "seconds": one.seconds,
            "communication": one.communication,
            "examples_per_second": one.examples_per_second,
            "efficiency": _efficiency(one, costs[0]),
        }
        for one in costs
    ]


def _efficiency(one: "StepCost", first: "StepCost") -> float:
    """Return the examples/s of each device, as a share of those on the fewest devices."""
    return one.examples_per_second / one.devices * first.devices / first.examples_per_second


def _print(
    title: str, layers: Sequence["LayerWork"], costs: Sequence["StepCost"], memory: float
) -> None:
    from rich.table import Table

    total, trained = (sum(getattr(one, key) for one in layers) for key in ("parameters", "trained"))
    out.print(
        f"[bold]{title}[/]: {trained:,} of {total:,} parameters train; "
        f"{human_bytes(costs[0].gradient_bytes)} of gradients a step",
        highlight=False,
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    columns = ("GPUs", "batch each", "step", "on links", "examples/s", "efficiency", "memory each")
    for column in columns:
        table.add_column(column, justify="right")
    for one in costs:
        too_much = one.memory > memory
        table.add_row(
            f"{one.devices}",
            f"{one.examples:,}",
            f"{1e3 * one.seconds:,.1f} ms",
            f"{one.communication:.1%}",
            f"{one.examples_per_second:,.0f}",
            f"{_efficiency(one, costs[0]):.0%}",
            f"{one.memory / 1e9:.1f} GB{'!' if too_much else ''}",
        )
    out.print(table, highlight=False)
    if any(one.memory > memory for one in costs):
        out.print(f"  ! more than the {memory / 1e9:.0f} GB that it has", highlight=False)
    out.print()
