"""Whether a recipe fits the dataset that lies prepared for it."""

from collections.abc import Iterator
from typing import Any

from bnkeras.errors import RecipeError
from bnkeras.pipelines import Prepared
from bnkeras.recipe import DEFAULT_IMAGE_SIZE, Recipe, unused_settings
from bnkeras.settings.faults import Fault, report
from bnkeras.settings.toml import literal


def check_fit(recipe: Recipe, prepared: Prepared) -> None:
    """Compare the recipe with what only a prepared dataset says of itself.

    Raises:
        RecipeError: it does not fit; all faults are in the message, and what mends them.
    """
    found = list(_faults(recipe, prepared))
    if not found:
        return
    message = report("recipe", recipe.name, [fault for fault, _ in found])
    if mended := [(fault.key, value) for fault, value in found if value is not None]:
        settings = " ".join(f"--set '{key}={literal(value)}'" for key, value in mended)
        message += f"\nAdd {settings}."
    raise RecipeError(message)


def _faults(recipe: Recipe, prepared: Prepared) -> Iterator[tuple[Fault, Any]]:
    """Yield what does not fit, each with the value that would, or None."""
    spec, model = prepared.spec, recipe.model
    decided: dict[str, Any] = {"classes": len(spec.class_names)}
    if spec.kind == "pixels":
        decided["input_shape"] = tuple(spec.image_shape)
    elif spec.kind == "jpegs":
        size = recipe.data.image_size or DEFAULT_IMAGE_SIZE
        decided["input_shape"] = (size, size, 3)
    for key, need in decided.items():
        value = getattr(model, key, need)
        if value != need:
            rule = f"must be {literal(need)}, as {spec.name} has it"
            yield Fault(f"model.{key}", f"{rule}; received {literal(value)}"), need
    for key, why in unused_settings(spec.kind, hasattr(model, "input_shape")).items():
        if value := getattr(recipe.data, key, None):
            rule = f"{why}, as those of {spec.name} are not"
            # Recipes of small images shift them; the others are only there if they were asked for.
            mended = 0 if key == "translate" else None
            yield Fault(f"data.{key}", f"{rule}; received {literal(value)}"), mended
    batch, examples = recipe.train.batch_size, prepared.counts["train"]
    if batch > examples:
        rule = f"must be at most {examples}, the training examples there are"
        yield Fault("train.batch_size", f"{rule}; received {batch}"), None
