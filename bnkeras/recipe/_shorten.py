"""The schedule of a recipe, for fewer epochs."""

from bnkeras.recipe._recipe import Recipe


def shortened(recipe: Recipe, share: float) -> tuple[str, ...]:
    """Return the settings, as after `--set`, that give `recipe` a share of its epochs.

    Epochs, the starts of lower rates and the warm-up shrink alike, to whole epochs, and
    at least one epoch is left. Drops that would come at the same epoch become one. A
    schedule without drops is a function of all steps, and shrinks with these.

    Args:
        recipe: the recipe.
        share: of its epochs, above 0; above 1, for more of them.

    Example:
        >>> shortened(load("resnet14_bnonly"), 0.025)
        ('train.epochs=4', 'train.milestones=[2, 3]', 'train.warmup_epochs=0')
    """

    def of(epochs: int) -> int:
        # Halves go up, also where round() would go to an even number.
        return int(share * epochs + 0.5)

    train = recipe.train
    epochs = max(1, of(train.epochs))
    settings = [f"train.epochs={epochs}"]
    if "milestones" not in train.unused():
        milestones = sorted({max(1, of(start)) for start in train.milestones})
        settings.append(f"train.milestones={[one for one in milestones if one < epochs]}")
    return (*settings, f"train.warmup_epochs={min(of(train.warmup_epochs), epochs - 1)}")
