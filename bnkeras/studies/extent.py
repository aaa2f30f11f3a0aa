"""How large a study is, without composing the recipe of every member."""

from functools import cache
from itertools import product
from typing import NamedTuple

from bnkeras.recipe import load
from bnkeras.studies.definition import Document, Variant


class Extent(NamedTuple):
    """The size of a study, all replicates together.

    Args:
        members: its runs.
        epochs: theirs, at the full budget.
    """

    members: int
    epochs: int


def extent(study: Document) -> Extent:
    """Return the size of a study; `members` would tell the same, for seconds of work.

    Members are told apart by the text of their settings, and only settings of `train` are
    taken to change how many epochs there are.
    """
    epochs = {}
    for grid, variant in product(study.grid, study.variant or (Variant(name="-"),)):
        changes = (*study.set, *grid.set, *variant.set)
        of_training = tuple(change for change in changes if change.startswith("train."))
        for model, regime in product(grid.models, grid.regimes):
            one = model, regime, frozenset(changes)
            epochs[one] = _epochs(model, grid.regimes[0], of_training)
    return Extent(study.replicates * len(epochs), study.replicates * sum(epochs.values()))


@cache
def _epochs(model: str, regime: str, changes: tuple[str, ...]) -> int:
    return load(f"{model}_{regime}", changes).train.epochs
