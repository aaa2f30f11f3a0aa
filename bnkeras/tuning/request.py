"""What a search was asked for: recipe, space, how it chooses, how long a trial trains."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from bnkeras.errors import InputError, SpaceError
from bnkeras.recipe import GIVEN, Recipe, load, shortened
from bnkeras.settings.faults import report
from bnkeras.settings.toml import literal
from bnkeras.tuning.checking import faults_with
from bnkeras.tuning.definition import Space

Method = Literal["random", "hyperband", "bayesian"]
METHODS: tuple[str, ...] = get_args(Method)

# Held out of the training examples where the recipe holds out none, %.
_VALIDATION = 10


@dataclass(frozen=True)
class Request:
    """A search, as the command line or a program asks for it.

    Attributes:
        recipe: name or path of the recipe.
        space: the search space.
        settings: what else is set in the recipe, as after --set.
        method: "random" draws; "bayesian" fits a Gaussian process to the trials so far;
            "hyperband" trains many shortly and the best of them longer (Li et al. 2018).
        trials: how many; hyperband has as many as its brackets need.
        epochs: that a trial trains, the recipe's schedule shortened to them; with hyperband the
            most. None: as the space has it.
        seed: of what is drawn. The root seed of all trials is that of the recipe.

    Raises:
        RecipeError: there is no such recipe, or it has faults.
        SpaceError: the recipe does not take what the space has.
        InputError: the method, or a number, is none.

    Example:
        >>> request = Request("resnet14_bnonly", load_space("initialisation"), trials=12)
        >>> request.trial({"model.gamma": "constant(1)"}).model.gamma
        'constant(1)'
    """

    recipe: str
    space: Space
    settings: tuple[str, ...] = ()
    method: Method = "random"
    trials: int = 20
    epochs: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check it."""
        if self.method not in METHODS:
            raise InputError(f"A method is {', '.join(METHODS)}; received {self.method!r}.")
        for name in ("trials", "epochs"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is an integer ≥ 1; received {value!r}.")
        faults = faults_with(self.space, self.recipe, (*self.settings, *self.space.set))
        if faults:
            raise SpaceError(
                report("search space", f"{self.space.name} with {self.recipe}", faults)
            )

    @cached_property
    def base(self) -> Recipe:
        """The recipe itself, of all its epochs."""
        return load(self.recipe, self.settings)

    @property
    def trial_epochs(self) -> int:
        """How many epochs a trial trains, at most."""
        return self.epochs or self.space.epochs

    @property
    def epochs_of_trials(self) -> list[int]:
        """How many epochs each trial trains if none fails, the longest last."""
        if self.method != "hyperband":
            return [self.trial_epochs] * self.trials
        return sorted(_hyperband(self.trial_epochs))

    @property
    def validation(self) -> int:
        """How many % of the training examples judge the trials."""
        return self.base.data.validation or _VALIDATION

    def baseline(self) -> Recipe:
        """Return the recipe itself, as long and on the same examples as a trial."""
        return self._judged(self.base, self.settings, self.trial_epochs)

    def trial(self, values: Mapping[str, Any], epochs: int | None = None) -> Recipe:
        """Return the recipe of a trial.

        Args:
            values: what is searched, by setting.
            epochs: how many to train; None for all.
        """
        settings = self._with(values)
        return self._judged(load(self.recipe, settings), settings, epochs or self.trial_epochs)

    def found(self, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe with the found `values`, of all its epochs and training examples."""
        return load(self.recipe, self._with(values))

    def as_dict(self) -> dict[str, Any]:
        """Return what another call must have in common to go on with this search, JSON-ready."""
        return {
            "recipe": self.base.as_dict(),
            "space": self.space.model_dump(mode="json", by_alias=True, exclude_none=True),
            "method": self.method,
            "epochs": self.trial_epochs,
            "seed": self.seed,
        }

    def _with(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        searched = (f"{setting}={literal(value)}" for setting, value in values.items())
        return (*self.settings, *self.space.set, *searched)

    def _judged(self, recipe: Recipe, settings: tuple[str, ...], epochs: int) -> Recipe:
        changes = [*settings, *shortened(recipe, epochs / recipe.train.epochs)]
        if recipe.data.dataset != GIVEN:  # which has validation examples of its own
            changes.append(f"data.validation={self.validation}")
        return load(self.recipe, changes)


def _hyperband(longest: int, factor: int = 3) -> Iterator[int]:
    """Yield the epochs of each trial of Keras Tuner's Hyperband, with its default factor.

    Bracket b of B begins with ⌈⌈1 + log₃ R⌉ / (b + 1) · 3^b⌉ trials of ⌈R / 3^b⌉ epochs; in each
    round after that a third of them trains three times as long, up to R epochs (Li et al. 2018).
    """
    brackets = 0
    while longest >= factor**brackets:
        brackets += 1
    ends_with = math.ceil(1 + math.log(longest, factor))
    for bracket in range(brackets):
        for power in range(bracket + 1):
            trials = math.ceil(ends_with / (bracket + 1) * factor**power)
            yield from [math.ceil(longest / factor**power)] * trials
