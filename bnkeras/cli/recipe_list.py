"""The tables of `bnkeras recipe list`."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from rich.table import Table

from bnkeras.cli.console import out
from bnkeras.errors import RecipeError, did_you_mean
from bnkeras.models.paper_networks import find
from bnkeras.models.sizes import counts
from bnkeras.recipe import Entry, Recipe, catalogue, load, models, regimes
from bnkeras.regimes.sizes import trainable

_HEAD = """\
A recipe is MODEL_REGIME, such as [bold]resnet14_bnonly[/]. Below are, of each model, its
parameters, its γ and β, and the test accuracies to expect, in %.
"""
_FOOT = """\
  There is random<k> for every k, and random<k>spread, whose weights are chosen
  over the whole layer and not for each channel; both with output, too.

`bnkeras recipe list MODEL` shows each recipe of a model and the sources of the
accuracies, `bnkeras recipe show NAME` every setting of a recipe."""


def rows(wanted: Sequence[str] | None) -> list[dict[str, Any]]:
    """Return every recipe, or those of the wanted models, JSON-ready."""
    return [_row(entry, recipe) for entry, recipe in _recipes(wanted)]


def print_overview() -> None:
    """Print a line per model, grouped by dataset, and what the regimes are."""
    out.print(_HEAD, highlight=False)
    shipped = _recipes(None)
    by_dataset: dict[str, dict[str, list[tuple[Entry, Recipe]]]] = {}
    for entry, recipe in shipped:
        if entry.tuned:
            continue
        of_dataset = by_dataset.setdefault(recipe.data.dataset, {})
        of_dataset.setdefault(entry.model, []).append((entry, recipe))
    for dataset, members in by_dataset.items():
        out.print(f"[bold]Dataset {dataset}[/]", highlight=False)
        table = _table(right=(1, 2), width=17)
        for model, of_model in members.items():
            expected = [
                f"[cyan]{entry.regime}[/] {recipe.expected.accuracy:.1f}"
                f"{' top-5' if recipe.expected.top5 else ''}"
                for entry, recipe in of_model
                if recipe.expected
            ]
            first = of_model[0][1]
            norm = f"{_counts(first)['batchnorm']:,}"
            table.add_row(model, _total(first), norm, ", ".join(expected))
        out.print(table, highlight=False)
        out.print()
    _print_tuned([recipe for entry, recipe in shipped if entry.tuned])
    out.print("[bold]What a regime trains[/]")
    for regime, title in regimes().items():
        out.print(f"  {regime:<18}{title}", highlight=False)
    out.print(_FOOT, highlight=False)


def print_models(wanted: Sequence[str]) -> None:
    """Print the recipes of the wanted models, each with its source."""
    titles = models()
    for model, group in groupby(_recipes(wanted), key=lambda pair: pair[0].model):
        members = list(group)
        first = members[0][1]
        out.print(
            f"[bold]{titles[model]}[/]\nnetwork {first.model.network}, dataset "
            f"{first.data.dataset}, {_total(first)} parameters, of which train:",
            highlight=False,
        )
        table = _table(right=(1, 2), width=max(len(entry.name) for entry, _ in members))
        for entry, recipe in members:
            expected = recipe.expected
            accuracy, source = (str(expected), expected.source) if expected else ("", "")
            rest = entry.name.removeprefix(f"{entry.model}_")
            name = f"{entry.name.removesuffix(rest)}[cyan]{rest}[/]"
            table.add_row(name, f"{_trained(recipe):,}", accuracy, source)
        out.print(table, highlight=False)
        out.print()


def _print_tuned(recipes: Sequence[Recipe]) -> None:
    """Print a line per tuned recipe, which the lines of the models do not have."""
    if not recipes:
        return
    out.print("[bold]Recipes with other settings[/]")
    table = _table(right=(1, 2), width=max(len(recipe.name) for recipe in recipes))
    for recipe in recipes:
        accuracy = f"{recipe.expected.accuracy:.1f}" if recipe.expected else ""
        table.add_row(recipe.name, f"{_trained(recipe):,}", accuracy, recipe.about.title)
    out.print(table, highlight=False)
    out.print()


def _table(right: Sequence[int], width: int) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for column in range(4):
        table.add_column(
            width=width if column == 0 else None,
            no_wrap=column < 3,
            justify="right" if column in right else "left",
        )
    return table


def _recipes(wanted: Sequence[str] | None) -> list[tuple[Entry, Recipe]]:
    """Return all recipes, or those of the wanted models."""
    known = models()
    for model in wanted or ():
        if model not in known:
            raise RecipeError(
                f"No model {model!r}.{did_you_mean(model, known)} `bnkeras recipe list` shows all."
            )
    chosen = wanted or known
    return [(entry, load(entry.name)) for entry in catalogue() if entry.model in chosen]


def _row(entry: Entry, recipe: Recipe) -> dict[str, Any]:
    expected = recipe.expected
    return {
        "model": entry.model,
        "recipe": recipe.name,
        "dataset": recipe.data.dataset,
        "network": recipe.model.network,
        "regime": recipe.model.regime,
        "tuned": entry.tuned,
        "parameters": _counts(recipe)["total"],
        "trained": _trained(recipe),
        "accuracy": expected and expected.accuracy,
        "top5": expected and expected.top5,
        "spread": expected and expected.spread,
        "seeds": expected and expected.seeds,
        "from": expected and expected.source,
    }


def _total(recipe: Recipe) -> str:
    return f"{'about ' if _depends_on_data(recipe) else ''}{_counts(recipe)['total']:,}"


def _counts(recipe: Recipe) -> dict[str, int]:
    return counts(recipe.model.network, **_arguments(recipe))


def _trained(recipe: Recipe) -> int:
    return trainable(recipe.model.network, recipe.model.regime, **_arguments(recipe))


def _arguments(recipe: Recipe) -> dict[str, Any]:
    arguments = recipe.model.build_arguments()
    if _depends_on_data(recipe):
        # That of the tweets of the paper's experiment, as far as they can be had.
        arguments |= find("tweets_lstm").arguments
    return arguments


def _depends_on_data(recipe: Recipe) -> bool:
    return recipe.model.network == "tweet_lstm"
