"""The shipped parts, the names they compose to, and what is tuned of these.

A part is `models/NAME.toml` or `regimes/NAME.toml` in the recipes folder. It may say
`extends = "OTHER"`, another part of the same folder; one whose name starts with `_`
is only there to be extended. A tuned recipe is `tuned/NAME.toml`, which says
`extends = "MODEL_REGIME"`, the composition whose settings it changes.
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
    """A shipped recipe.

    Attributes:
        name: `<model>_<regime>`, or that of a recipe with other settings than these have.
        model: the part that says what network.
        regime: the part that says what trains.
        tuned: whether it is one with other settings.
    """

    name: str
    model: str
    regime: str
    tuned: bool = False


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
    """Return every model with every regime that makes sense for it, then what is tuned of it.

    Of the random-k regimes, of which there is one for every k, those of the papers' main
    figure are listed; all of them load.
    """
    changed: dict[str, list[Entry]] = {}
    for name in part_names("tuned"):
        model, regime = composition(tuned(name)[0])
        changed.setdefault(model, []).append(Entry(name, model, regime, tuned=True))
    return [
        entry
        for model in part_names("models")
        for entry in (
            *(Entry(f"{model}_{regime}", model, regime) for regime in regimes_of(model)),
            *changed.get(model, ()),
        )
    ]


def tuned(name: str) -> tuple[str, Draft]:
    """Return the composition that a tuned recipe extends, and what it changes of it.

    Raises:
        RecipeError: it does not extend a composition.
    """
    path = ROOT / "tuned" / f"{name}.toml"
    table = dict(_read(path, ""))
    parent = parent_of(table, path)
    if parent is None or composition(parent) is None:
        raise RecipeError(
            f"{path}: a tuned recipe extends the MODEL_REGIME whose settings it changes, such as "
            f'extends = "resnet14_bnonly"; received '
            f"{'no extends' if parent is None else toml.literal(parent)}."
        )
    draft = Draft()
    draft.merge(table, f"file {path}")
    return parent, draft


def composition(name: str) -> tuple[str, str] | None:
    """Return the model part and the regime that `name` is composed of, or None.

    >>> composition("resnet14_random7")
    ('resnet14', 'random7')
    """
    return next((split for split in splits(name) if has_regime(*split)), None)


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
    """Return what a folder has, without bases, numbers in numerical order."""
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
