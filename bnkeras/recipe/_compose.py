"""From the name of a shipped recipe, or the path of a user's file, to merged values."""

import os
from pathlib import Path
from typing import Any

from bnkeras.errors import RecipeError, did_you_mean
from bnkeras.recipe._draft import Draft
from bnkeras.recipe._parts import (
    catalogue,
    composition,
    names,
    parent_of,
    part,
    part_names,
    refuse_circle,
    regimes_of,
    splits,
    tuned,
)
from bnkeras.settings import toml

_AND_MORE = ", and random<k> for every k"


def gather(reference: str | os.PathLike[str]) -> Draft:
    """Return the merged values of a recipe's name or of a user's file.

    A user's file may say `extends = "resnet14_bnonly"`, a shipped recipe, or
    `extends = "../base.toml"`, a path seen from its own folder.

    Raises:
        RecipeError: a name or file does not exist, is not TOML, or extends itself.
    """
    if not toml.is_path(reference):
        return compose(str(reference))
    chain: list[tuple[Path, dict[str, Any]]] = []
    wanted: str | os.PathLike[str] | None = reference
    folder, referrer = Path(), ""
    while wanted is not None and toml.is_path(wanted):
        path = Path(os.path.normpath(folder / wanted))
        if path.resolve() in [known.resolve() for known, _ in chain]:
            refuse_circle([*(known for known, _ in chain), path])
        table = toml.read(path, "recipe", RecipeError, referrer)
        wanted = parent_of(table, path)
        referrer = f"{path} extends {wanted!r}. "
        folder = path.parent
        chain.append((path, table))
    draft = Draft() if wanted is None else compose(str(wanted), referrer)
    for path, table in reversed(chain):
        draft.amend(table, f"file {path}")
    return draft


def compose(name: str, referrer: str = "") -> Draft:
    """Return the merged values of a shipped recipe; `referrer` opens the message of an error.

    Raises:
        RecipeError: there is no such recipe; the message says what there is.
    """
    if name in part_names("tuned"):
        parent, changes = tuned(name)
        draft = compose(parent)
        draft.base = name
        # Neither is true of other settings: how long it takes, what it reaches.
        for table in ("about", "expected"):
            draft.values.pop(table, None)
        draft.absorb(changes)
        return draft
    found = composition(name)
    if found is None:
        raise RecipeError(referrer + _unknown(name))
    model, regime = part("models", found[0]), part("regimes", found[1])
    draft = Draft(base=name)
    draft.absorb(model)
    draft.absorb(regime)
    # Both parts say what they are: the recipe says both.
    for key, between in (("title", ": "), ("source", "; regime: ")):
        own, other = model.get(("about", key)), regime.get(("about", key))
        if isinstance(own, str) and isinstance(other, str) and not own.startswith(other):
            own += between + other
        if own is not None:
            draft.merge({"about": {key: own}}, model.origin(("about", key)) or "")
    return draft


def _unknown(name: str) -> str:
    listing = "`bnkeras recipe list` shows all."
    if name in part_names("models"):
        choices = regimes_of(name)
        return (
            f"No recipe {name!r}: that is a model alone. Add a regime, such as "
            f"{name}_{choices[0]}; it has {', '.join(choices)}{_AND_MORE}."
        )
    known = splits(name)
    if not known:
        return f"No recipe {name!r}.{did_you_mean(name, names())} {listing}"
    model, regime = known[0]
    choices = regimes_of(model)
    if reason := part("models", model).get(("excludes", regime)):
        reason, hint = f", since {reason}", ""
    else:
        reason = ""
        hint = did_you_mean(name, [entry.name for entry in catalogue() if entry.model == model])
    return (
        f"No recipe {name!r}: the model {model} has no regime {regime!r}{reason}. "
        f"It has {', '.join(choices)}{_AND_MORE}.{hint} {listing}"
    )
