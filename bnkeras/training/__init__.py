"""From a recipe to a trained network: optimizer, schedule, loop, run directory, resume."""

from bnkeras.training.given import Data
from bnkeras.training.run import RunResult, run

__all__ = ["Data", "RunResult", "run"]
