"""How long the members of a study train: all of their epochs, or a share."""

from dataclasses import dataclass

from bnkeras.errors import InputError
from bnkeras.recipe import Recipe, shortened

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

        None for the whole of them; see `bnkeras.recipe.shortened`.
        """
        return () if self.share == 1 else shortened(recipe, self.share)


FULL = Budget()
