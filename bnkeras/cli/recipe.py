"""`bnkeras recipe`: what is shipped, what a recipe comes down to, and running one."""

import hashlib
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from bnkeras.cli import onednn
from bnkeras.cli.console import err, human_bytes, out, print_json
from bnkeras.cli.options import DataDir, Json
from bnkeras.errors import RecipeError
from bnkeras.interrupts import interrupted_by

if TYPE_CHECKING:
    from bnkeras.recipe import Recipe
    from bnkeras.training import RunResult
    from bnkeras.training.cluster import Cluster

app = typer.Typer(
    name="recipe",
    help="Recipes: a network, a regime and the settings that train it.",
    no_args_is_help=True,
)


def _complete(incomplete: str) -> list[str]:
    from bnkeras.recipe import names

    return [name for name in names() if name.startswith(incomplete)]


def _complete_model(incomplete: str) -> list[str]:
    from bnkeras.recipe import models

    return [name for name in models() if name.startswith(incomplete)]


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A name that `bnkeras recipe list` shows, or the path of a TOML file.",
        autocompletion=_complete,
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[MODEL]...",
        help="Models of which to show every recipe, such as resnet14.",
        autocompletion=_complete_model,
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
def list_recipes(models: Models = None, as_json: Json = False) -> None:
    """Show the models and regimes that recipes are made of, and the accuracy to expect.

    Examples:

        bnkeras recipe list

        bnkeras recipe list resnet14 mlp

        bnkeras recipe list --json
    """
    from bnkeras.cli.recipe_list import print_models, print_overview, rows

    if as_json:
        print_json(rows(models))
    elif models:
        print_models(models)
    else:
        print_overview()


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

    check_data(recipe, data_dir)

    from bnkeras.cli.quiet import start_tensorflow

    start_tensorflow()
    from bnkeras.cli.training import train
    from bnkeras.training.strategy import cluster_for

    cluster = cluster_for(recipe.strategy)
    if not as_json:
        _print_heading(recipe, directory, cluster)
    try:
        with interrupted_by(signal.SIGTERM):
            result = train(recipe, directory, data_dir, cluster, print_epochs=not as_json)
    except KeyboardInterrupt:
        err.print("Stopped. The same command goes on from the last checkpoint.")
        raise typer.Exit(130) from None
    if as_json:
        print_json({"directory": str(result.directory), **result.figures})
    elif cluster is None or cluster.is_chief:
        _print_outcome(recipe, result)
    else:
        done = f"{cluster} has done its part; the chief has written the export."
        out.print(done, highlight=False, soft_wrap=True)


def check_data(recipe: "Recipe", data_dir: Path | None) -> None:
    """Raise the error of a dataset that is not prepared, before seconds go into starting up."""
    from bnkeras import pipelines
    from bnkeras.recipe import GIVEN

    dataset = recipe.data.dataset
    if dataset == GIVEN:
        raise RecipeError(
            f'data.dataset = "{GIVEN}" stands for data that a program hands to '
            f"bnkeras.training.run; the command line has none. Prepare them, and name them: "
            f"bnkeras data prepare folder/NAME --source PATH."
        )
    if not pipelines.get_spec(dataset).auto:
        pipelines.find(dataset, data_dir, recipe.data.fingerprint)


def _default_directory(name: str, recipe: "Recipe") -> Path:
    """Return `runs/NAME`, with a digest of the settings behind it where options changed them."""
    from bnkeras.recipe import load

    if not recipe.differences(load(name)):
        return Path("runs", recipe.name)
    settings = recipe.as_dict()
    # A setting that came later: a command from before goes on in the directory that it began.
    if settings["train"]["schedule"] == "steps":
        del settings["train"]["schedule"]
    written = json.dumps(settings, sort_keys=True).encode()
    return Path("runs", f"{recipe.name}-{hashlib.sha256(written).hexdigest()[:6]}")


def _print_heading(recipe: "Recipe", directory: Path, cluster: "Cluster | None") -> None:
    title = escape(recipe.about.title or recipe.name)
    changes = ", ".join(f"{key} = {here}" for key, (_, here) in recipe.changes.items())
    heading = f"[bold]{title}[/]" + (f", with {escape(changes)}" if changes else "")
    out.print(heading, highlight=False, soft_wrap=True)
    place = f"in {escape(str(directory))}"
    if cluster is None:
        what = f"{place}; stop it whenever you like, the same command goes on"
    elif cluster.is_chief:
        what = f"{place}; this is {cluster}, the chief, and waits for the others"
    else:
        what = f"this is {cluster}; the chief, {cluster.workers[0]}, reports and writes"
    out.print(what, highlight=False, soft_wrap=True)
    if faster := onednn.hint(recipe):
        out.print(f"[dim]{faster}[/]", highlight=False, soft_wrap=True)
    out.print()


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
    top5 = figures.get("test_top5_accuracy")
    among = "" if top5 is None else f", {top5:.1%} among the first five"
    out.print(
        f"[bold]test accuracy {figures['test_accuracy']:.1%}{among}[/]{expected}, "
        f"{counts['trainable']:,} of {counts['total']:,} parameters trained "
        f"({counts['trainable'] / counts['total']:.2%}), "
        f"export {escape(str(result.export))} of {human_bytes(figures['export_bytes'])}",
        highlight=False,
        soft_wrap=True,
    )


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
