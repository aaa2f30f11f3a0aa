"""How long the members of a study train: all of their epochs, or a share."""

from dataclasses import dataclass

from bnkeras.errors import InputError
from bnkeras.recipe import Recipe

_RULE = 'A budget is "full" or the share of the epochs to train, such as 2% or 0.02'


@dataclass(frozen=True)
class Budget:
    """A share of the epochs of each recipe, in (0, 1].

    Attributes:
        share: 1 for all epochs.

    Example:
        >>> Budget.parse("2.5%").settings(load("resnet14_bnonly"))
        ('train.epochs=4', 'train.milestones=[2, 3]', 'train.warmup_epochs=0')
    """

    share: float = 1.0

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """Return the budget that `text` names: `full`, `2%`, `0.02`.

        Raises:
            InputError: it names none.
        """
        if text == "full":
            return cls()
        number, percent = text.removesuffix("%"), text.endswith("%")
        try:
            share = float(number) / (100 if percent else 1)
        except ValueError:
            share = 0.0
        if not 0 < share <= 1:
            raise InputError(f"{_RULE}, above 0 and at most 100%; received {text!r}.")
        return cls(share)

    def __str__(self) -> str:
        """Return the share as it is written on the command line."""
        return "full" if self.share == 1 else f"{100 * self.share:g}%"

    def settings(self, recipe: Recipe) -> tuple[str, ...]:
        """Return the settings, as after `--set`, that shorten the schedule of `recipe`.

        Epochs, the starts of lower rates and the warm-up shrink alike, to whole epochs, and
        at least one epoch is left. Drops that would come at the same epoch become one. A
        schedule without drops is a function of all steps, and shrinks with these.
        """
        if self.share == 1:
            return ()
        train = recipe.train
        epochs = max(1, self._of(train.epochs))
        shortened = [f"train.epochs={epochs}"]
        if "milestones" not in train.unused():
            milestones = sorted({max(1, self._of(start)) for start in train.milestones})
            kept = [start for start in milestones if start < epochs]
            shortened.append(f"train.milestones={kept}")
        warmup = min(self._of(train.warmup_epochs), epochs - 1)
        return (*shortened, f"train.warmup_epochs={warmup}")

    def _of(self, epochs: int) -> int:
        # Halves go up, also where round() would go to an even number.
        return int(self.share * epochs + 0.5)


FULL = Budget()
