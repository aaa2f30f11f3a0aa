"""What is measured of finished runs: accuracies, and what their analysis finds."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bnkeras.errors import BnkerasError
from bnkeras.studies.definition import Measure
from bnkeras.studies.outcomes import Group, Outcome, Summary, summarize

if TYPE_CHECKING:
    from bnkeras.analysis.analysis import Analysis

# Called with what is being done, and how many of how many steps of it are.
Progress = Callable[[str, int, int], object]

LABELS: dict[Measure, str] = {
    "accuracy": "test accuracy, %",
    "top5": "top-5 accuracy, %",
    "small_gamma": "% of γ with |γ| < 0.01",
    "dead_relus": "% of channels zero in over 99% of places",
}


class Measures:
    """The values of finished runs; those that need an analysis are analysed when asked for.

    Args:
        data_dir: where datasets lie; None for the default.
        progress: is told how far an analysis is.

    Attributes:
        faults: by run directory, why there is no analysis, or no part of one.
    """

    def __init__(self, data_dir: Path | None = None, progress: Progress | None = None):
        self.faults: dict[Path, str] = {}
        self._data_dir = data_dir
        self._progress = progress
        self._analyses: dict[Path, Analysis | None] = {}

    def analysis(self, outcome: Outcome) -> "Analysis | None":
        """Return the analysis of a finished run, None where it could not be made."""
        path = outcome.run.path
        if path not in self._analyses:
            self._analyses[path] = self._analysed(outcome)
        return self._analyses[path]

    def analyses(self, group: Group) -> "list[Analysis]":
        """Return the analyses of the finished replicates, as far as there are any."""
        found = map(self.analysis, group.finished)
        return [analysis for analysis in found if analysis is not None]

    def of(self, outcome: Outcome, measure: Measure) -> float | None:
        """Return a measure of a finished run, in %; None where it has none."""
        if measure in ("accuracy", "top5"):
            name = "test_accuracy" if measure == "accuracy" else "test_top5_accuracy"
            return _percent(outcome.run.figure(name))
        analysis = self.analysis(outcome)
        if analysis is None:
            return None
        share = analysis.shares.get(0.01) if measure == "small_gamma" else analysis.mostly_zero
        return _percent(share)

    def summary(self, group: Group, measure: Measure) -> Summary | None:
        """Return what the finished replicates of a group come to; None before the first."""
        values = [self.of(outcome, measure) for outcome in group.finished]
        return summarize([value for value in values if value is not None])

    def _analysed(self, outcome: Outcome) -> "Analysis | None":
        # Imports TensorFlow, which a report of accuracies can do without.
        from bnkeras.analysis.analyze import analysis_of_run

        def told(part: str, done: int, steps: int) -> None:
            if self._progress is not None:
                self._progress(f"{outcome.member}: {part}", done, steps)

        path = outcome.run.path
        try:
            found = analysis_of_run(path, self._data_dir, told)
        except (BnkerasError, OSError) as error:
            self.faults[path] = str(error)
            return None
        if found.left_out:
            reasons = dict.fromkeys(one.why for one in found.left_out)
            self.faults[path] = "; ".join(reasons)
        return found


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 4)
