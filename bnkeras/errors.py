"""The exceptions a user can meet.

Every message states the rule, the value received, the choices where there are
any, and the remedy. The command line prints the message alone and exits with
`exit_code`: 2 when the input was bad, 1 when the work failed.
"""

import difflib
from collections.abc import Iterable


class BnkerasError(Exception):
    """Base class of every error that `bnkeras` raises on purpose."""

    exit_code = 1


class InputError(BnkerasError, ValueError):
    """Something the caller passed in breaks a rule."""

    exit_code = 2


class ModelError(InputError):
    """A network cannot be built with these arguments."""


class SeedingError(InputError):
    """A seed, path or initialisation law is not valid."""


class RegimeError(InputError):
    """A regime does not exist or does not fit the model."""


class RecipeError(InputError):
    """A recipe does not exist or does not validate."""


class StudyError(InputError):
    """A study does not exist or does not validate."""


class SpaceError(InputError):
    """A search space does not exist, does not validate or does not fit the recipe."""


class DataError(InputError):
    """A dataset is missing, or its source is not what it should be."""


class CorruptDataError(BnkerasError):
    """Data on disk are damaged."""


class RunDirectoryError(InputError):
    """A run directory cannot be used for this run."""


class RunTakenError(RunDirectoryError):
    """Another process is training in the run directory."""


class SearchError(InputError):
    """A directory cannot be used for this search."""


class ClusterError(InputError):
    """The workers that are to train together are not described as they should be."""


class RunError(BnkerasError):
    """A training run cannot go on."""


class WorkerLostError(RunError):
    """Another worker of the same training has stopped, failed or gone silent."""


class ExportError(BnkerasError):
    """A compact export cannot be written, or cannot be trusted."""


class RoundingWarning(UserWarning):
    """Weights regenerate to the values that they had but for their last bits."""


class BackendError(BnkerasError, RuntimeError):
    """Keras runs on a backend that cannot do what is asked for."""

    exit_code = 2


class MissingDependencyError(BnkerasError, ImportError):
    """An optional package is needed and not installed."""

    exit_code = 2


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the nearest of `choices`, or an empty string.

    >>> did_you_mean("resnet14_bnolny", ["resnet14_bnonly", "mlp_all"])
    " Did you mean 'resnet14_bnonly'?"
    """
    nearest = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return f" Did you mean '{nearest[0]}'?" if nearest else ""
