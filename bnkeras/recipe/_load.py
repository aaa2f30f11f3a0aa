"""Load a recipe: gather its values, lay the overrides over them, validate."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bnkeras.errors import RecipeError
from bnkeras.recipe import _overrides
from bnkeras.recipe._compose import gather, is_path
from bnkeras.recipe._draft import Draft
from bnkeras.recipe._faults import Fault, report
from bnkeras.recipe._recipe import Recipe
from bnkeras.recipe._validate import validate


def load(
    name_or_path: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    seed: int | None = None,
) -> Recipe:
    """Return a shipped recipe or that of a user's file.

    Args:
        name_or_path: a name of `names()`, or the path of a TOML file. What ends in
            `.toml` or has a `/` in it is a path.
        overrides: texts such as `"train.epochs=20"`; the value is TOML, or a text if
            it is not TOML. They are laid over the recipe in order and validated alike.
        seed: the root seed, before any other.

    Raises:
        RecipeError: there is no such recipe, or it has faults: all of them are in the
            message.

    Example:
        >>> load("resnet14_bnonly", ["train.epochs=20"]).train.epochs
        20
    """
    draft = gather(name_or_path)
    faults = []
    for text in overrides:
        parsed = _overrides.parse(text)
        if isinstance(parsed, Fault):
            faults.append(parsed)
        else:
            draft.amend(_overrides.table(*parsed), f"--set {_overrides.shown(text)}")
    if seed is not None:
        draft.amend({"seed": seed}, f"--seed {seed}")
    path = is_path(name_or_path)
    recipe, found = _recipe(draft, Path(name_or_path).stem if path else str(name_or_path))
    faults += found
    if recipe is None or faults:
        raise RecipeError(report(str(name_or_path), faults))
    as_shipped = not (path or overrides) and seed is None
    if draft.base is None or as_shipped:
        return recipe
    # A shipped recipe is valid: a test loads every one.
    shipped, _ = _recipe(gather(draft.base), draft.base)
    return recipe if shipped is None else replace(recipe, changes=shipped.differences(recipe))


def from_settings(settings: Mapping[str, Any], name: str) -> Recipe:
    """Return the recipe whose settings `Recipe.as_dict` gave, as an export keeps them.

    Args:
        settings: nested tables of plain values.
        name: what the recipe is called, in errors too.

    Raises:
        RecipeError: the settings have faults: all of them are in the message.

    Example:
        >>> from_settings(load("resnet14_bnonly").as_dict(), "mine").train.epochs
        160
    """
    draft = Draft()
    draft.merge(settings, name)
    recipe, faults = _recipe(draft, name)
    if recipe is None:
        raise RecipeError(report(name, faults))
    return recipe


def _recipe(draft: Draft, name: str) -> tuple[Recipe | None, list[Fault]]:
    document, faults = validate(draft)
    if document is None:
        return None, faults
    return Recipe(
        seed=document.seed,
        model=document.model,
        data=document.data,
        train=document.train,
        strategy=document.strategy,
        name=name,
        about=document.about,
        expected=document.expected.get(document.model.regime),
        base=draft.base,
    ), []
