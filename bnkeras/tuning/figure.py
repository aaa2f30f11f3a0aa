"""The picture of a search: accuracies trial by trial, and against each setting."""

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from bnkeras.reporting.figures import COLOURS, MARKERS, Picture, clear, new_figure, write_figure
from bnkeras.tuning.checking import holds, taken_apart
from bnkeras.tuning.definition import Choice, Law, Parameter, Range
from bnkeras.tuning.request import Request
from bnkeras.tuning.trials import BASELINE, SearchDirectory, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 3
_AXIS = "held-out accuracy, %"


def draw(directory: SearchDirectory, request: Request) -> Picture | None:
    """Draw the trials so far as `search.png` and `search.svg`; None where none is finished.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    trials = [trial for trial in directory.recorded() if trial.finished]
    if not any(trial.name != BASELINE for trial in trials):
        return None
    return write_figure(figure_of(trials, request), directory.path, "search")


def figure_of(trials: Sequence[Trial], request: Request) -> "Figure":
    """Return the picture of finished trials, in the order in which they began."""
    searched = [trial for trial in trials if trial.name != BASELINE]
    own = next((trial for trial in trials if trial.name == BASELINE), None)
    panels_of = _by_setting(request)
    count = 1 + len(panels_of)
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    figure, grid = new_figure(rows, columns, size=(3.6 * columns, 2.7 * rows), sharey=True)
    panels = list(grid.flat)
    _draw_course(panels[0], searched, request)
    for panel, (setting, parameters) in zip(panels[1:], panels_of.items(), strict=False):
        _draw_setting(panel, setting, parameters, searched)
    for number, panel in enumerate(panels):
        if number >= count:
            clear(panel)
            continue
        if own is not None:
            label = "the recipe itself" if number == 0 else None
            panel.axhline(100 * own.val_accuracy, color="0.5", linestyle="--", label=label)
        if number % columns == 0:
            panel.set_ylabel(_AXIS)
    panels[0].legend(fontsize=8)
    return figure


def _by_setting(request: Request) -> dict[str, list[Parameter]]:
    found: dict[str, list[Parameter]] = {}
    for parameter in request.space.parameters:
        found.setdefault(parameter.setting, []).append(parameter)
    return found


def _draw_course(panel: "Axes", trials: Sequence[Trial], request: Request) -> None:
    accuracies = [100 * trial.val_accuracy for trial in trials]
    numbers = [int(trial.name) for trial in trials]
    panel.plot(numbers, accuracies, MARKERS[0], color=COLOURS[0], markersize=5, label="a trial")
    best = [*accumulate(accuracies, max)]
    panel.step(numbers, best, where="post", color=COLOURS[1], label="the best so far")
    panel.set_xlabel("trial")
    panel.xaxis.get_major_locator().set_params(integer=True)
    panel.set_title(f"{request.base.name}, {request.method}")


def _draw_setting(
    panel: "Axes", setting: str, parameters: Sequence[Parameter], trials: Sequence[Trial]
) -> None:
    panel.set_title(setting)
    with_it = [trial for trial in trials if setting in trial.settings]
    first = parameters[0]
    if isinstance(first, Choice):
        _draw_choices(panel, [*dict.fromkeys(v for p in parameters for v in p.values)], with_it)
        return
    groups = _groups(parameters, with_it, setting)
    for index, (label, points) in enumerate(groups.items()):
        panel.plot(
            [x for x, _ in points],
            [y for _, y in points],
            MARKERS[index % len(MARKERS)],
            color=COLOURS[index % len(COLOURS)],
            markersize=5,
            label=label,
        )
    if any(parameter.scale == "log" for parameter in parameters):
        _set_log_scale(panel)
    ends = [end for one in parameters for end in (one.low, one.high) if end is not None]
    if ends:
        _show_span(panel, min(ends), max(ends))
    panel.set_xlabel("x" if isinstance(first, Law) else "value")
    if len(groups) > 1 or isinstance(first, Law):
        panel.legend(fontsize=8)


def _set_log_scale(panel: "Axes") -> None:
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    panel.set_xscale("log")
    # 0.02, 0.05, 0.1: a search often spans one power of ten, whose every digit would not fit.
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    panel.xaxis.set_minor_formatter(NullFormatter())


def _show_span(panel: "Axes", low: float, high: float) -> None:
    """Show all that was searched, not only what was tried, and a margin: the best may lie there."""
    scale = panel.xaxis.get_transform()
    left, right = scale.transform([low, high])
    margin = 0.04 * (right - left)
    panel.set_xlim(*scale.inverted().transform([left - margin, right + margin]))


def _draw_choices(panel: "Axes", values: Sequence[Any], trials: Sequence[Trial]) -> None:
    setting = panel.get_title("left")
    for place, value in enumerate(values):
        accuracies = [
            100 * trial.val_accuracy for trial in trials if trial.settings[setting] == value
        ]
        panel.plot([place] * len(accuracies), accuracies, MARKERS[0], color=COLOURS[0], ms=5)
        if accuracies:
            mean = sum(accuracies) / len(accuracies)
            panel.plot([place - 0.25, place + 0.25], [mean, mean], color=COLOURS[1])
    panel.set_xticks(range(len(values)), [str(value) for value in values], fontsize=8)
    panel.set_xlim(-0.5, len(values) - 0.5)
    panel.set_xlabel("value, and the mean of its trials")


def _groups(
    parameters: Sequence[Range | Law], trials: Sequence[Trial], setting: str
) -> dict[str, list[tuple[float, float]]]:
    """Return the points of a setting that has a number: by its law, or by what it depends on."""
    groups: dict[str, list[tuple[float, float]]] = {}
    for parameter in parameters:
        for trial in trials:
            if parameter.when is not None and not holds(parameter.when, trial.settings):
                continue
            value = trial.settings[setting]
            if isinstance(parameter, Range):
                label, x = parameter.when or setting, value
            elif (found := taken_apart(value, parameter.laws)) is not None:
                label, x = found
            else:
                continue
            groups.setdefault(label, []).append((x, 100 * trial.val_accuracy))
    return groups
