"""From what a study says of a figure, and what its runs came to, to the drawn figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bnkeras.models.sizes import counts
from bnkeras.studies import definition, figures
from bnkeras.studies.arrangement import Arrangement, Placed, arrange
from bnkeras.studies.figures import Curve, Line, Point, Sample
from bnkeras.studies.measures import LABELS, Measures
from bnkeras.studies.outcomes import Group, summarize
from bnkeras.studies.paper_values import Published, published

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The first is the papers'.
_THRESHOLDS = (0.01, 0.05, 0.1)
_BARS = "Means over the seeds that are finished; bars are their standard deviations."


@dataclass(frozen=True)
class Drawn:
    """A figure, or why there is none.

    Attributes:
        figure: to be written; None where nothing of it is there yet.
        caption: what it shows; without a figure, why there is none.
        facts: what was computed for it, JSON-ready.
    """

    figure: "Figure | None"
    caption: str
    facts: dict


def draw(
    study: definition.Study,
    figure: definition.Figure,
    groups: Sequence[Group],
    measures: Measures,
) -> Drawn:
    """Draw a figure of `study` from what its groups came to."""
    drawer = _Drawer(study, figure, arrange(figure, groups), measures)
    drawn = getattr(drawer, figure.kind)()
    if drawn is not None:
        return drawn
    if not any(one.group.finished for one in drawer.every):
        return Drawn(None, "no run of it is finished.", {})
    faults = {
        measures.faults.get(outcome.run.path)
        for one in drawer.every
        for outcome in one.group.finished
    } - {None}
    why = "; ".join(sorted(faults)) or "the finished runs do not have what it shows."
    return Drawn(None, why, {})


class _Drawer:
    """One method for each kind of figure; each returns None where it has nothing to draw."""

    def __init__(
        self,
        study: definition.Study,
        figure: definition.Figure,
        arrangement: Arrangement,
        measures: Measures,
    ):
        self.study = study
        self.figure = figure
        self.arrangement = arrangement
        self.measures = measures
        self.every = (*arrangement.placed, *arrangement.levels)

    def accuracy(self) -> Drawn | None:
        measure = self.figure.measure
        lines = self._lines(self.arrangement.placed, measure)
        levels = self._lines(self.arrangement.levels, measure)
        if not any(line.points for line in (*lines, *levels)):
            return None
        names = dict.fromkeys(one.group.member.series for one in self.arrangement.levels)
        drawn = figures.draw_accuracy(
            self.figure.title,
            self._axis(lines),
            lines,
            LABELS[measure],
            levels,
            ", ".join(names),
        )
        return Drawn(drawn, f"{_BARS} {self._papers((*lines, *levels))}", {})

    def slopes(self) -> Drawn | None:
        placed = [
            one._replace(x=size)
            for one in self.arrangement.placed
            if (size := _batchnorm(one.group)) is not None
        ]
        lines = self._lines(placed, self.figure.measure)
        lines = [line for line in lines if line.points]
        if not lines:
            return None
        fits = {line.name: figures.fitted(line.points) for line in lines}
        slopes = {name: fit.slope for name, fit in fits.items() if fit is not None}
        facts = {"points_per_doubling": {name: round(s, 4) for name, s in slopes.items()}}
        words = [_BARS, self._papers(lines)]
        ratio = self._depth_over_width(slopes)
        if ratio is not None:
            facts["depth_over_width"] = round(ratio, 4)
            words.append(
                f"The slope of depth is {ratio:.2f} times that of width: "
                f"{abs(ratio - 1):.0%} {'steeper' if ratio >= 1 else 'less steep'}."
            )
        label = LABELS[self.figure.measure]
        drawn = figures.draw_slopes(self.figure.title, lines, label)
        return Drawn(drawn, " ".join(filter(None, words)), facts)

    def scales(self) -> Drawn | None:
        of_gamma = self.figure.of == "gamma"
        samples = []
        for one in self.arrangement.placed:
            analyses = self.measures.analyses(one.group)
            values = [found.gamma if of_gamma else found.beta for found in analyses]
            paper = self._paper(one.group, "small_gamma") if of_gamma else None
            share = summarize([100 * float(np.mean(np.abs(v) < 0.01)) for v in values if v.size])
            if share is not None:
                samples.append(self._sample(one, np.concatenate(values), share.mean, paper))
        symbol = "γ" if of_gamma else "β"
        if not samples:
            return None
        caption = f"All channels of the finished seeds together. {self._shares(samples)}"
        return Drawn(figures.draw_scales(self.figure.title, samples, symbol), caption.strip(), {})

    def zeros(self) -> Drawn | None:
        samples = []
        for one in self.arrangement.placed:
            analyses = self.measures.analyses(one.group)
            values = [found.zero_probabilities for found in analyses]
            values = [found for found in values if found is not None]
            share = self.measures.summary(one.group, "dead_relus")
            if values and share is not None:
                paper = self._paper(one.group, "dead_relus")
                samples.append(self._sample(one, np.concatenate(values), share.mean, paper))
        if not samples:
            return None
        caption = (
            f"How often each channel behind a ReLU is zero, over test examples and places in the "
            f"image; the channels of the finished seeds together. {self._shares(samples)}"
        )
        return Drawn(figures.draw_zeros(self.figure.title, samples), caption.strip(), {})

    def small_scales(self) -> Drawn | None:
        of_gamma = self.figure.of == "gamma"
        lines: dict[float, list[Line]] = {}
        for threshold in _THRESHOLDS:
            points = {}
            for one in self.arrangement.placed:
                found = self.measures.analyses(one.group)
                values = [analysis.gamma if of_gamma else analysis.beta for analysis in found]
                shares = [100 * float(np.mean(np.abs(v) < threshold)) for v in values if v.size]
                points[id(one.group)] = summarize(shares)
            is_the_papers = of_gamma and threshold == _THRESHOLDS[0]
            lines[threshold] = _joined(
                self.arrangement.placed,
                lambda group, points=points: points[id(group)],
                lambda group, shown=is_the_papers: (
                    published(self.study, group.member, "small_gamma") if shown else None
                ),
            )
        every = [line for series in lines.values() for line in series]
        if not any(line.points for line in every):
            return None
        drawn = figures.draw_small_scales(
            self.figure.title, self._axis(every), lines, "γ" if of_gamma else "β"
        )
        return Drawn(drawn, f"{_BARS} {self._papers(every)}", {})

    def clamping(self) -> Drawn | None:
        curves = []
        for one in self.arrangement.placed:
            found = [analysis.clamping for analysis in self.measures.analyses(one.group)]
            found = [clamping for clamping in found if clamping is not None]
            if not found:
                continue
            by_threshold: dict[float, list[float]] = {}
            for clamping in found:
                for threshold, accuracy in zip(clamping.thresholds, clamping.accuracy, strict=True):
                    by_threshold.setdefault(float(threshold), []).append(100 * float(accuracy))
            points = [
                Point(threshold, mean, sd)
                for threshold, values in sorted(by_threshold.items())
                for mean, sd, _ in [summarize(values)]
            ]
            curves.append(Curve(self._place(one.x), one.line, one.style, tuple(points)))
        if not curves:
            return None
        caption = f"{_BARS} Every |γ| below the threshold is set to 0, β is kept."
        return Drawn(figures.draw_clamping(self.figure.title, curves), caption, {})

    def _lines(self, placed: Sequence[Placed], measure: definition.Measure) -> list[Line]:
        return _joined(
            placed,
            lambda group: self.measures.summary(group, measure),
            lambda group: published(self.study, group.member, measure),
        )

    def _axis(self, lines: Sequence[Line]) -> figures.Axis:
        shown = {point.x for line in lines for point in (*line.points, *line.paper)}
        return self.arrangement.axis(shown)

    def _paper(self, group: Group, measure: definition.Measure) -> str | None:
        value = published(self.study, group.member, measure)
        return None if value is None else str(value)

    def _sample(
        self, placed: Placed, values: np.ndarray, share: float, paper: str | None
    ) -> Sample:
        return Sample(placed.line, self._place(placed.x), placed.style, values, share, paper)

    def _place(self, x: float | str) -> str:
        if self.figure.x in ("depth", "width", "k"):
            return f"{self.figure.x} {x}"
        return f"{x:,} parameters" if self.figure.x == "parameters" else str(x)

    def _papers(self, lines: Sequence[Line]) -> str:
        if not any(line.paper for line in lines):
            return "The paper's values of these are not known in numbers."
        return "Hollow: the paper's values, at full length and with its own settings."

    def _shares(self, samples: Sequence[Sample]) -> str:
        if any(sample.paper is not None for sample in samples):
            return "In brackets the paper's shares, at full length and with its own settings."
        return ""

    def _depth_over_width(self, slopes: dict[str, float]) -> float | None:
        """Return the slope along depths, divided by that along widths, if there is one of each."""
        along: dict[str, list[float]] = {"depth": [], "width": []}
        for name, slope in slopes.items():
            members = [one.group.member for one in self.arrangement.placed if one.line == name]
            varied = [
                axis for axis in along if len({member.at(axis) for member in members} - {None}) > 1
            ]
            if len(varied) == 1:
                along[varied[0]].append(slope)
        if len(along["depth"]) != 1 or len(along["width"]) != 1 or not along["width"][0]:
            return None
        return along["depth"][0] / along["width"][0]


def _joined(placed: Sequence[Placed], value, paper) -> list[Line]:
    """Return the lines of groups, with what `value` and `paper` give of each group."""
    points: dict[tuple[str, int], tuple[list[Point], list[Point]]] = {}
    for one in placed:
        ours, papers = points.setdefault((one.line, one.style), ([], []))
        summary = value(one.group)
        if summary is not None:
            ours.append(Point(one.x, summary.mean, summary.sd))
        found: Published | None = paper(one.group)
        if found is not None:
            papers.append(Point(one.x, found.value, found.spread))
            if found.upto is not None:
                papers.append(Point(one.x, found.upto))
    return [
        Line(name, style, tuple(ours), tuple(papers))
        for (name, style), (ours, papers) in points.items()
        if ours or papers
    ]


def _batchnorm(group: Group) -> int | None:
    """Return how many BatchNorm parameters a network has."""
    for outcome in group.finished:
        if outcome.run.parameters:
            return outcome.run.parameters["batchnorm"]
    network = group.member.recipe.model
    if network.network == "tweet_lstm":  # its size depends on the words of the texts
        return None
    return counts(network.network, **network.build_arguments())["batchnorm"]
