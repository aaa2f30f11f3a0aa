"""Load a recipe: gather its values, lay the overrides over them, validate."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bnkeras.errors import RecipeError
from bnkeras.recipe import _overrides
from bnkeras.recipe._compose import gather
from bnkeras.recipe._draft import Draft
from bnkeras.recipe._recipe import Recipe
from bnkeras.recipe._validate import validate
from bnkeras.settings import toml
from bnkeras.settings.faults import Fault, report


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
    draft, recipe, faults = _read(name_or_path, overrides, seed)
    if recipe is None or faults:
        raise RecipeError(report("recipe", str(name_or_path), faults))
    as_shipped = not (toml.is_path(name_or_path) or overrides) and seed is None
    if draft.base is None or as_shipped:
        return recipe
    # A shipped recipe is valid: a test loads every one.
    shipped, _ = _recipe(gather(draft.base), draft.base)
    return recipe if shipped is None else replace(recipe, changes=shipped.differences(recipe))


def faults_of(name_or_path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> list[Fault]:
    """Return what is wrong with a recipe and with what is set in it, none if it loads.

    A fault that an override causes has the origin `--set TEXT`.

    Args:
        name_or_path: as for `load`.
        overrides: as for `load`.

    Raises:
        RecipeError: there is no such recipe.

    Example:
        >>> faults_of("resnet14_bnonly", ["train.epochs=0"])[0].origin
        '--set train.epochs=0'
    """
    return _read(name_or_path, overrides, None)[2]


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
        raise RecipeError(report("recipe", name, faults))
    return recipe


def _read(
    name_or_path: str | os.PathLike[str], overrides: Sequence[str], seed: int | None
) -> tuple[Draft, Recipe | None, list[Fault]]:
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
    path = toml.is_path(name_or_path)
    recipe, found = _recipe(draft, Path(name_or_path).stem if path else str(name_or_path))
    return draft, recipe, faults + found


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
