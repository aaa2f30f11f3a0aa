"""The runs that a study is made of."""

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from bnkeras.errors import InputError
from bnkeras.recipe import Recipe, load
from bnkeras.recipe import regimes as regime_titles
from bnkeras.regimes.names import random_regime
from bnkeras.regimes.sizes import trainable
from bnkeras.studies.budget import FULL, Budget
from bnkeras.studies.definition import Axis, Document, Grid, Variant

_ONLY_ONE = Variant(name="-")


@dataclass(frozen=True)
class Member:
    """One run of a study.

    Attributes:
        recipe: what it trains, budget and seed included.
        model: the model part of its recipe.
        regime: its regime.
        series: what figures call the members that it belongs to: the grid's, or the regime's title.
        variant: the name of its variant, None in a study without any.
        replicate: 0, 1, …; also its seed.
        as_shipped: whether the settings are those of the shipped recipe, but for budget and
            seed: then what the recipe expects is what the paper has of it.
        directory: where it runs, below the folder of all members. Studies that have the same
            member share its run.
        settings: what its grid sets: it tells apart the members of several grids with the same
            model and regime.
    """

    recipe: Recipe
    model: str
    regime: str
    series: str
    variant: str | None
    replicate: int
    as_shipped: bool
    directory: Path
    settings: tuple[str, ...] = ()

    def at(self, axis: Axis) -> float | str | None:
        """Return where it stands along the `axis` of a figure, None where it has no place there."""
        network = self.recipe.model
        if axis in ("model", "variant"):
            return self.model if axis == "model" else self.variant
        if axis in ("depth", "width"):
            return getattr(network, axis, None)
        if axis == "k":
            random = random_regime(self.regime)
            return None if random is None else random.k
        if network.network == "tweet_lstm":  # its size depends on the words of the texts
            return None
        return trainable(network.network, network.regime, **network.build_arguments())

    def __str__(self) -> str:
        """Return what it is, in one line."""
        variant = (self.variant,) if self.variant else ()
        parts = (self.recipe.name, *self.settings, *variant, f"seed {self.replicate}")
        return ", ".join(parts)


def members(
    study: Document,
    budget: Budget = FULL,
    *,
    replicates: int | None = None,
    models: Collection[str] = (),
    regimes: Collection[str] = (),
) -> list[Member]:
    """Return the runs of `study`, all of one replicate before those of the next.

    Args:
        study: the study.
        budget: how long each trains.
        replicates: how many seeds, in place of the study's.
        models: only these models; all, where none is named.
        regimes: only these regimes; likewise.

    Raises:
        InputError: the study has no such model or regime.
        RecipeError: a recipe does not exist, or a setting is not valid.
    """
    _check_known("model", models, [one for grid in study.grid for one in grid.models])
    _check_known("regime", regimes, [one for grid in study.grid for one in grid.regimes])
    found: dict[Path, Member] = {}
    for grid, variant in product(study.grid, study.variant or (_ONLY_ONE,)):
        for member in _of_grid(study, grid, variant, budget, models, regimes):
            found.setdefault(member.directory, member)
    seeds = range(replicates or study.replicates)
    return [_seeded(member, seed) for seed in seeds for member in found.values()]


def share_of(members: list[Member], shard: int, shards: int) -> list[Member]:
    """Return every `shards`-th of `members`, from number `shard` (1, 2, …) on."""
    return members[shard - 1 :: shards]


def _of_grid(
    study: Document,
    grid: Grid,
    variant: Variant,
    budget: Budget,
    models: Collection[str],
    regimes: Collection[str],
) -> Iterator[Member]:
    """Yield the members of a grid with seed 0, only of the models and regimes named, if any."""
    titles = regime_titles()
    changes = (*study.set, *grid.set, *variant.set)
    for model, regime in product(grid.models, grid.regimes):
        if (models and model not in models) or (regimes and regime not in regimes):
            continue
        name = f"{model}_{regime}"
        whole = load(name, changes)
        shortened = budget.settings(whole)
        recipe = load(name, (*changes, *shortened)) if shortened else whole
        yield Member(
            recipe=recipe,
            model=model,
            regime=regime,
            series=grid.series or titles.get(regime) or recipe.about.title.partition(": ")[2],
            variant=None if variant is _ONLY_ONE else variant.name,
            replicate=0,
            as_shipped=not whole.changes,
            directory=_directory(recipe),
            settings=grid.set,
        )


def _seeded(member: Member, seed: int) -> Member:
    recipe = member.recipe.seeded(seed)
    return replace(member, recipe=recipe, replicate=seed, directory=_directory(recipe))


def _directory(recipe: Recipe) -> Path:
    """Return `NAME/seed0`, with a digest behind the name of what was set otherwise than shipped."""
    changes = {key: here for key, (_, here) in recipe.changes.items() if key != "seed"}
    name = recipe.name
    if changes:
        written = json.dumps(changes, sort_keys=True).encode()
        name += f"-{hashlib.sha256(written).hexdigest()[:6]}"
    return Path(name, f"seed{recipe.seed}")


def _check_known(what: str, wanted: Collection[str], known: Collection[str]) -> None:
    for one in wanted:
        if one not in known:
            raise InputError(
                f"The study has no {what} {one!r}; it has {', '.join(dict.fromkeys(known))}."
            )
