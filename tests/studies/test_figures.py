"""The figures of studies: what is drawn, and what is written beside it."""

import re

import numpy as np
import pytest

from bnkeras.reporting import COLOURS, write_figure
from bnkeras.studies.figures import (
    Axis,
    Curve,
    Line,
    Point,
    Sample,
    draw_accuracy,
    draw_clamping,
    draw_scales,
    draw_slopes,
    draw_small_scales,
    draw_zeros,
    fitted,
)
from bnkeras.studies.figures.style import colour, marker

DEPTHS = Axis("depth", (14, 32, 56, 110, 218, 434, 866))


def line(name="γ and β only", style=0, places=DEPTHS.places, paper=()):
    """Return a line that rises by a point from place to place."""
    points = tuple(Point(place, 40.0 + number, 0.5) for number, place in enumerate(places))
    return Line(name, style, points, paper)


def sample(row, column, style=0, values=(0.0, 0.5), paper=None):
    """Return a panel's values."""
    return Sample(row, column, style, np.array(values), 50.0, paper)


def legend(figure):
    """Return the words of a figure's legend."""
    return [text.get_text() for text in figure.legends[0].get_texts()]


def seen(panels):
    """Return the panels that show something."""
    return [panel for panel in panels if panel.get_visible()]


def ticks(panel):
    """Return the words along a panel."""
    return [text.get_text() for text in panel.get_xticklabels()]


def overlaps(figure):
    """Return the words of a figure that lie on others."""
    figure.canvas.draw()
    texts = [(*panel.texts, panel.title, panel._left_title) for panel in seen(figure.axes)]
    shown = [text for found in texts for text in found if text.get_text()]
    for panel in seen(figure.axes):
        shown += [text for text in panel.get_xticklabels() if text.get_text()]
        shown += [panel.xaxis.label, panel.yaxis.label]
    shown += [text for one in figure.legends for text in one.get_texts()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown if text.get_text()]
    boxes = [(text, box) for text, box in boxes if box.width and box.height]
    width, height = figure.bbox.width, figure.bbox.height
    outside = [
        text
        for text, box in boxes
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]
    return outside + [
        f"{one} / {other}"
        for place, (one, box) in enumerate(boxes)
        for other, second in boxes[place + 1 :]
        if box.overlaps(second)
    ]


def test_the_slope_is_that_of_exact_points():
    fit = fitted([Point(1000, 40.0), Point(2000, 45.0), Point(8000, 55.0)])
    assert fit.slope == pytest.approx(5.0)
    assert fit.start + fit.slope * np.log2(4000) == pytest.approx(50.0)


def test_the_slope_is_that_of_least_squares():
    # Doublings 0, 1, 2 and 0, 4, 2: slope (−1·0 + 0·4 + 1·2) / 2 = 1.
    assert fitted([Point(1, 0.0), Point(2, 4.0), Point(4, 2.0)]).slope == pytest.approx(1.0)


def test_one_number_of_parameters_has_no_slope():
    assert fitted([Point(1000, 40.0), Point(1000, 41.0)]) is None
    assert fitted([]) is None


def test_slopes_stand_in_the_legend():
    falling = Line("by width", 1, (Point(1000, 40.0), Point(2000, 39.0)))
    rising = Line("by depth", 0, (Point(1000, 40.0), Point(4000, 50.0)), (Point(2000, 60.0),))
    figure = draw_slopes("slopes", [rising, falling, Line("alone", 2, (Point(900, 3.0),))], "%")
    assert legend(figure) == [
        "by depth: +5.0 points per doubling",
        "by width: -1.0 points per doubling",
        "alone",
        "hollow: the paper, full length",
    ]
    assert overlaps(figure) == []


def test_accuracy_has_a_colour_and_a_marker_for_each_line():
    names = [f"series {number}" for number in range(9)]
    figure = draw_accuracy("by depth", DEPTHS, list(map(line, names, range(9))), "%")
    assert legend(figure) == names
    looks = [(handle.get_color(), handle.get_marker()) for handle in figure.legends[0].get_lines()]
    assert len(set(looks)) == 9
    assert overlaps(figure) == []


def test_the_papers_values_are_hollow_and_of_the_same_colour():
    figure = draw_accuracy("by depth", DEPTHS, [line(style=1, paper=(Point(14, 48.0),))], "%")
    drawn = [one for one in figure.axes[0].lines if one.get_marker() == marker(1)]
    assert {one.get_color() for one in drawn} == {COLOURS[1]}
    assert "white" in {one.get_markerfacecolor() for one in drawn}
    assert legend(figure)[-1] == "hollow: the paper, full length"


def test_numbers_stand_on_a_logarithmic_axis():
    figure = draw_accuracy("by depth", DEPTHS, [line()], "accuracy, %")
    (panel,) = figure.axes
    assert panel.get_xscale() == "log"
    assert ticks(panel) == ["14", "32", "56", "110", "218", "434", "866"]


def test_ticks_that_would_touch_are_left_out():
    depths = tuple(range(14, 111, 6))
    figure = draw_accuracy("by depth", Axis("depth", depths), [line(places=depths)], "%")
    assert ticks(figure.axes[0])[0] == "14"
    assert len(ticks(figure.axes[0])) < len(depths)
    assert overlaps(figure) == []


def test_a_single_point_is_a_figure():
    one = line(places=(14,), paper=(Point(14, 48.0),))
    figure = draw_accuracy("alone", Axis("depth", (14,)), [one], "%")
    low, high = figure.axes[0].get_xlim()
    assert low < 14 < high
    assert overlaps(figure) == []


def test_lines_stand_beside_each_other_over_names():
    names = ("γ ~ U[0, 1], β = 0", "γ = 1, β = 0", "γ ~ U[−1, 1], β = 0", "γ ~ U[0, 1], β = 1")
    lines = [line(f"network {number}", number, names) for number in range(4)]
    figure = draw_accuracy("by initialisation", Axis("", names), lines, "%")
    places = [drawn.get_xdata()[0] for drawn in figure.axes[0].lines if len(drawn.get_xdata()) == 4]
    assert len(set(places[::3])) == 4
    assert overlaps(figure) == []
    assert not [word for word in ticks(figure.axes[0]) if re.search(r"(=|~)\n|\n(=|~)", word)]


def test_levels_are_horizontal():
    ks = Axis("k", (1, 2, 4))
    level = Line("ResNet-14", 3, (Point("", 44.0),), (Point("", 48.0),))
    lines = [line("ResNet-14", 3, ks.places)]
    figure = draw_accuracy("by k", ks, lines, "%", [level], "γ and β only")
    words = ["dashed: γ and β only", "dotted: γ and β only, the paper"]
    assert legend(figure) == ["ResNet-14", *words]
    figure = draw_accuracy("by k", ks, [line("random", 0, ks.places)], "%", [level], "γ and β only")
    assert legend(figure) == ["random", "ResNet-14", words[1]]
    levels = [one for one in figure.axes[0].lines if one.get_color() == colour(3)]
    assert [list(one.get_ydata()) for one in levels] == [[44.0, 44.0], [48.0, 48.0]]


def test_panels_without_a_sample_are_not_seen():
    samples = [sample("all", "14", 0), sample("all", "32", 0), sample("bnonly", "14", 1, paper=27)]
    figure = draw_scales("γ", samples, "γ")
    assert len(figure.axes) == 4
    titles = [panel.get_title(loc="left") for panel in seen(figure.axes)]
    assert titles == ["14\n50% |γ| < 0.01", "32\n50% |γ| < 0.01", "14\n50% |γ| < 0.01 (paper 27%)"]
    assert overlaps(figure) == []


def test_a_histogram_holds_every_value():
    figure = draw_scales("γ", [sample("all", "14", values=[0.0] * 997 + [9.0, -9.0, 0.3])], "γ")
    (panel,) = figure.axes
    heights = panel.patches[0].get_data().values
    assert heights.sum() == pytest.approx(100)
    assert heights[20] == pytest.approx(99.7)  # 0 is in the middle of the middle bin
    assert "γ: all" in figure.get_suptitle()


def test_a_wide_table_of_histograms_is_turned():
    depths = [str(depth) for depth in DEPTHS.places]
    samples = [sample(row, depth) for row in ("all", "bnonly") for depth in depths]
    figure = draw_zeros("zeros", samples)
    width, height = figure.get_size_inches()
    assert height > width
    assert figure.axes[0].get_title(loc="left") == "all\n50% above 0.99"
    assert figure.axes[0].get_ylabel() == "14\n% of channels"


def test_one_row_of_histograms_goes_on_below():
    figure = draw_zeros("zeros", [sample("all", str(depth)) for depth in DEPTHS.places])
    assert len(seen(figure.axes)) == 7
    assert figure.axes[0].get_gridspec().ncols == 4
    assert overlaps(figure) == []


def test_small_scales_have_a_panel_for_each_threshold():
    lines = {0.01: [line(paper=(Point(110, 27.0),))], 0.05: [line()], 0.1: [line()]}
    figure = draw_small_scales("near zero", DEPTHS, lines)
    assert [panel.get_title(loc="left") for panel in figure.axes] == [
        "|γ| < 0.01",
        "|γ| < 0.05",
        "|γ| < 0.1",
    ]
    assert legend(figure) == ["γ and β only", "hollow: the paper, full length"]
    assert overlaps(figure) == []


def test_clamping_has_a_panel_for_each_network():
    points = tuple(Point(threshold, 48.0) for threshold in (0.0, 0.01, 0.1, 1.0))
    curves = [Curve(f"ResNet-{n}", "all", 2, points) for n in (14, 32, 56, 110, 218)]
    figure = draw_clamping("clamping", curves)
    assert len(seen(figure.axes)) == 5
    assert legend(figure) == ["all"]
    assert overlaps(figure) == []


def test_a_large_figure_is_a_small_file(tmp_path):
    values = np.random.default_rng(0).normal(0, 0.4, 3000)
    samples = [
        sample(f"series {row}", str(depth), row, values)
        for row in range(2)
        for depth in DEPTHS.places
    ]
    written = write_figure(draw_scales("γ", samples, "γ"), tmp_path, "scales")
    assert written.png.stat().st_size < 200_000
