"""`bnkeras recipe`: what is shipped, what a recipe comes down to, and running one."""

import hashlib
import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from bnkeras.cli.console import err, human_bytes, out, print_json
from bnkeras.cli.options import DataDir, Json

if TYPE_CHECKING:
    from bnkeras.recipe import Recipe
    from bnkeras.training import RunResult

app = typer.Typer(
    name="recipe",
    help="Recipes: a network, a regime and the settings that train it.",
    no_args_is_help=True,
)


def _complete(incomplete: str) -> list[str]:
    from bnkeras.recipe import names

    return [name for name in names() if name.startswith(incomplete)]


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A name that `bnkeras recipe list` shows, or the path of a TOML file.",
        autocompletion=_complete,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a setting, such as `train.epochs=20`. Give it as often as you like.",
    ),
]
Seed = Annotated[int | None, typer.Option(help="Root seed of weights, shuffling and augmentation.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Run directory; the export lies inside it. Without it, a folder of `runs/` that is "
        "named after the recipe and what was changed of it.",
    ),
]


@app.command("list")
def list_recipes(as_json: Json = False) -> None:
    """Show every shipped recipe with the accuracy to expect of it.

    Examples:

        bnkeras recipe list

        bnkeras recipe list --json
    """
    from bnkeras.recipe import catalogue, load, models, regimes

    recipes = [(entry.model, load(entry.name)) for entry in catalogue()]
    if as_json:
        print_json([{"model": model, **_row(recipe)} for model, recipe in recipes])
        return
    out.print("Recipes, with the test accuracy to expect and where that number is from.\n")
    _print_groups(recipes, models())
    out.print("[bold]What a regime trains[/]")
    for regime, title in regimes().items():
        out.print(f"  {regime:<18}{title}", highlight=False)


@app.command()
def show(name: Name, settings: Set = None, seed: Seed = None, as_json: Json = False) -> None:
    """Print a recipe as it is composed, every setting with what it means.

    What is printed is a recipe: save it to a file, change it, and give the file's
    path in place of a name.

    Examples:

        bnkeras recipe show resnet14_bnonly

        bnkeras recipe show resnet14_bnonly --set train.epochs=20 > mine.toml

        bnkeras recipe show mine.toml --json
    """
    from bnkeras.recipe import load

    recipe = load(name, settings or (), seed)
    if as_json:
        print_json(_facts(recipe))
    else:
        # Not through the console: it would wrap lines and read brackets as markup.
        print(recipe.to_toml(), end="")


@app.command()
def run(
    name: Name,
    settings: Set = None,
    seed: Seed = None,
    directory: Out = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Train what a recipe describes, evaluate it on the test images, and export it.

    A run that was stopped goes on from its last checkpoint when the same command is
    given again, and ends with the same weights. A finished run is not repeated.

    Examples:

        bnkeras recipe run digits_resnet14_bnonly

        bnkeras recipe run resnet14_bnonly --set train.epochs=20 --set 'train.milestones=[10,15]'

        bnkeras recipe run resnet14_bnonly --seed 1 --out runs/second

        bnkeras recipe run mine.toml --data-dir /data
    """
    from bnkeras.recipe import load

    recipe = load(name, settings or (), seed)
    directory = directory or _default_directory(name, recipe)

    from bnkeras.cli.quiet import start_tensorflow

    start_tensorflow()
    from bnkeras.cli.training import train

    if not as_json:
        _print_heading(recipe, directory)
    try:
        result = train(recipe, directory, data_dir, print_epochs=not as_json)
    except KeyboardInterrupt:
        err.print("Stopped. The same command goes on from the last checkpoint.")
        raise typer.Exit(130) from None
    if as_json:
        print_json({"directory": str(result.directory), **result.figures})
    else:
        _print_outcome(recipe, result)


def _default_directory(name: str, recipe: "Recipe") -> Path:
    """Return `runs/NAME`, with a digest of the settings behind it where options changed them."""
    from bnkeras.recipe import load

    if not recipe.differences(load(name)):
        return Path("runs", recipe.name)
    settings = json.dumps(recipe.as_dict(), sort_keys=True)
    return Path("runs", f"{recipe.name}-{hashlib.sha256(settings.encode()).hexdigest()[:6]}")


def _print_heading(recipe: "Recipe", directory: Path) -> None:
    title = escape(recipe.about.title or recipe.name)
    changes = ", ".join(f"{key} = {here}" for key, (_, here) in recipe.changes.items())
    heading = f"[bold]{title}[/]" + (f", with {escape(changes)}" if changes else "")
    out.print(heading, highlight=False, soft_wrap=True)
    out.print(
        f"in {escape(str(directory))}; stop it whenever you like, the same command goes on\n",
        highlight=False,
        soft_wrap=True,
    )


def _print_outcome(recipe: "Recipe", result: "RunResult") -> None:
    figures = result.figures
    counts = figures["parameters"]
    if result.finished_before:
        out.print(
            f"{escape(str(result.directory))} holds the finished run; its figures:",
            highlight=False,
            soft_wrap=True,
        )
    expected = f" (expected: {recipe.expected})" if recipe.expected else ""
    out.print(
        f"[bold]test accuracy {figures['test_accuracy']:.1%}[/]{expected}, "
        f"{counts['trainable']:,} of {counts['total']:,} parameters trained "
        f"({counts['trainable'] / counts['total']:.2%}), "
        f"export {escape(str(result.export))} of {human_bytes(figures['export_bytes'])}",
        highlight=False,
        soft_wrap=True,
    )


def _row(recipe: "Recipe") -> dict[str, Any]:
    expected = recipe.expected
    return {
        "recipe": recipe.name,
        "dataset": recipe.data.dataset,
        "network": recipe.model.network,
        "regime": recipe.model.regime,
        "accuracy": expected and expected.accuracy,
        "spread": expected and expected.spread,
        "seeds": expected and expected.seeds,
        "from": expected and expected.source,
    }


def _facts(recipe: "Recipe") -> dict[str, Any]:
    expected = recipe.expected
    return {
        "recipe": recipe.name,
        "about": recipe.about.model_dump(),
        "expected": expected and expected.model_dump(by_alias=True),
        "base": recipe.base,
        "changes": recipe.changes,
        **recipe.as_dict(),
    }


def _print_groups(recipes: Sequence[tuple[str, "Recipe"]], titles: dict[str, str]) -> None:
    """Print the recipes of each model under its title, narrow enough for 80 columns."""
    from rich.table import Table

    width = max(len(recipe.name) for _, recipe in recipes)
    for model, group in groupby(recipes, key=lambda pair: pair[0]):
        members = [recipe for _, recipe in group]
        network, dataset = members[0].model.network, members[0].data.dataset
        out.print(
            f"[bold]{titles[model]}[/] (network {network}, dataset {dataset})", highlight=False
        )
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(width=width)
        table.add_column(width=8, justify="right")
        table.add_column()
        for recipe in members:
            regime, expected = recipe.model.regime, recipe.expected
            part = recipe.name.removesuffix(regime)
            accuracy, source = (str(expected), expected.source) if expected else ("", "")
            table.add_row(f"{part}[cyan]{regime}[/]", accuracy, source)
        out.print(table, highlight=False)
        out.print()
