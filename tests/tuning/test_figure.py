"""The picture of a search."""

import pytest

from bnkeras.tuning import Request, load_space
from bnkeras.tuning.trials import BASELINE, Trial

SPACE = """
    [about]
    title = "One power of ten"

    [[range]]
    setting = "train.learning_rate"
    from = 0.02
    to = 0.2
    scale = "log"

    [[law]]
    setting = "model.beta"
    laws = ["constant(x)"]
    from = 0.0
    to = 2.0
"""


@pytest.fixture
def panels(tmp_path):
    pytest.importorskip("matplotlib")
    from bnkeras.tuning.figure import figure_of

    (tmp_path / "mine.toml").write_text(SPACE)
    request = Request("mlp_bnonly", load_space(tmp_path / "mine.toml"))
    settings = [(0.02, "constant(2)"), (0.2, "constant(0)"), (0.1, "constant(1)")]
    trials = [Trial(BASELINE, {}, 1, 0.3, 1.0)]
    for number, (rate, beta) in enumerate(settings):
        found = {"train.learning_rate": rate, "model.beta": beta}
        trials.append(Trial(str(number), found, 1, 0.4, 1.0))
    figure = figure_of(trials, request)
    figure.canvas.draw()
    return {panel.get_title("left"): panel for panel in figure.axes}


@pytest.mark.parametrize(
    ("setting", "searched"), [("train.learning_rate", (0.02, 0.2)), ("model.beta", (0.0, 2.0))]
)
def test_what_lies_at_a_bound_is_seen_whole(panels, setting, searched):
    panel = panels[setting]
    xs = panel.lines[0].get_xdata()
    assert (min(xs), max(xs)) == searched
    left, right = panel.get_xlim()
    ends = panel.transData.transform([(min(xs), 40), (max(xs), 40)])[:, 0]
    edges = panel.transData.transform([(left, 40), (right, 40)])[:, 0]
    # Pixels: wider than half of a marker.
    assert ends[0] - edges[0] > 3
    assert edges[1] - ends[1] > 3


def test_rates_are_written_out(panels):
    panel = panels["train.learning_rate"]
    left, right = panel.get_xlim()
    shown = [
        label.get_text()
        for label in panel.get_xticklabels()
        if left <= label.get_position()[0] <= right
    ]
    assert shown == ["0.02", "0.05", "0.1", "0.2"]
    assert not any(label.get_text() for label in panel.get_xticklabels(minor=True))
