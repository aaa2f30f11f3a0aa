"""The shipped parts, and the names they compose to.

A part is `models/NAME.toml` or `regimes/NAME.toml` in the recipes folder. It may say
`extends = "OTHER"`, another part of the same folder; one whose name starts with `_`
is only there to be extended.
"""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import bnkeras.recipes
from bnkeras.errors import RecipeError
from bnkeras.recipe._draft import Draft
from bnkeras.regimes.names import RandomRegime, random_regime
from bnkeras.settings import toml

ROOT = Path(bnkeras.recipes.__file__).parent

# The part that all random-k regimes share, and those of them that are listed.
_RANDOM = "_random"
_LISTED = ("random2", "random2output")


class Entry(NamedTuple):
    """A shipped recipe: its name, and the two parts it is composed of."""

    name: str
    model: str
    regime: str


def names() -> list[str]:
    """Return the names of all listed recipes, model by model; see `catalogue`."""
    return [entry.name for entry in catalogue()]


def models() -> dict[str, str]:
    """Return the model parts and their titles."""
    return _titles("models")


def regimes() -> dict[str, str]:
    """Return the regime parts and their titles."""
    return _titles("regimes")


def catalogue() -> list[Entry]:
    """Return every model with every regime that makes sense for it.

    Of the random-k regimes, of which there is one for every k, those of the papers' main
    figure are listed; all of them load.
    """
    return [
        Entry(f"{model}_{regime}", model, regime)
        for model in part_names("models")
        for regime in regimes_of(model)
    ]


def splits(name: str) -> list[tuple[str, str]]:
    """Return the ways to read `name` as a model part and a regime, longest model first.

    The regime need not exist.

    >>> splits("resnet14_bnonly")
    [('resnet14', 'bnonly')]
    """
    known = [model for model in part_names("models") if name.startswith(f"{model}_")]
    return [(model, name.removeprefix(f"{model}_")) for model in sorted(known, key=len)[::-1]]


def regimes_of(model: str) -> list[str]:
    """Return the listed regimes that the model part does not exclude."""
    excluded = part("models", model).get(("excludes",), {})
    return [regime for regime in part_names("regimes") if regime not in excluded]


def has_regime(model: str, regime: str) -> bool:
    """Return whether the model has the regime, listed or not."""
    return regime in regimes_of(model) or random_regime(regime) is not None


def part_names(kind: str) -> list[str]:
    """Return the parts of a folder without its bases, numbers in numerical order."""
    found = toml.stems(ROOT / kind)
    if kind == "regimes" and (ROOT / kind / f"{_RANDOM}.toml").exists():
        found += _LISTED
    return sorted(found, key=toml.natural)


def part(kind: str, name: str) -> Draft:
    """Return the merged values of one part and of those it extends.

    Raises:
        RecipeError: it extends a part that does not exist, or itself.
    """
    chain: list[tuple[Path, dict[str, Any]]] = []
    referrer = ""
    masked = random_regime(name) if kind == "regimes" else None
    wanted: str | None = _RANDOM if masked else name
    while wanted is not None:
        path = ROOT / kind / f"{wanted}.toml"
        if path in [known for known, _ in chain]:
            refuse_circle([*(known for known, _ in chain), path])
        table = dict(_read(path, referrer))
        wanted = parent_of(table, path)
        referrer = f"{path} extends {wanted!r}. "
        chain.append((path, table))
    draft = Draft()
    for path, table in reversed(chain):
        draft.merge(table, f"file {path}")
    if masked:
        about = {"title": _random_title(masked)}
        draft.merge({"about": about, "model": {"regime": name}}, f"regime {name}")
    return draft


def parent_of(table: dict[str, Any], path: Path) -> str | None:
    """Take `extends` out of `table` and return it.

    Raises:
        RecipeError: it is not text.
    """
    parent = table.pop("extends", None)
    if parent is None or (isinstance(parent, str) and parent):
        return parent
    raise RecipeError(
        f"{path}: extends is the name of a recipe or the path of a file, in quotes; "
        f"received {toml.literal(parent)}."
    )


def refuse_circle(chain: list[Path]) -> None:
    """Raise the error of files that extend each other in a circle."""
    raise RecipeError("These extend each other in a circle: " + " → ".join(map(str, chain)) + ".")


def _random_title(regime: RandomRegime) -> str:
    weights = "random weight" if regime.k == 1 else "random weights"
    where = ", spread over the layer" if regime.spread else ""
    return f"{regime.k} {weights} per channel{where}{' and the output layer' * regime.output}"


def _titles(kind: str) -> dict[str, str]:
    return {name: part(kind, name).get(("about", "title"), name) for name in part_names(kind)}


@cache
def _read(path: Path, referrer: str) -> dict[str, Any]:
    # Cached, since 60 recipes are made of 20 files; callers copy before they change it.
    return toml.read(path, "recipe", RecipeError, referrer)
