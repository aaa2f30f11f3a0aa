"""Figures in one style, the same bytes every time."""

import pytest

from bnkeras.errors import MissingDependencyError
from bnkeras.reporting import clear, figures, new_figure, write_figure


def drawn():
    figure, panels = new_figure(2, 2, size=(4, 3), ratios=[1, 2])
    panels[0, 0].plot([0, 1], [1, 0], label="γ")
    panels[0, 0].set_title("a title")
    panels[0, 0].legend()
    clear(panels[1, 1])
    return figure, panels


def test_a_figure_is_written_as_png_and_svg(tmp_path):
    picture = write_figure(drawn()[0], tmp_path / "new", "curve")
    assert picture.png == tmp_path / "new" / "curve.png"
    assert picture.png.read_bytes().startswith(b"\x89PNG")
    assert picture.svg == tmp_path / "new" / "curve.svg"
    assert b"<svg" in picture.svg.read_bytes()
    assert {file.name for file in picture.png.parent.iterdir()} == {"curve.png", "curve.svg"}


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    first, second = (write_figure(drawn()[0], tmp_path / name, "curve") for name in "ab")
    assert first.png.read_bytes() == second.png.read_bytes()
    assert first.svg.read_bytes() == second.svg.read_bytes()


def test_the_style_holds_for_what_is_drawn_later():
    _, panels = drawn()
    panel = panels[0, 0]
    assert (panel.get_title("left"), panel.get_title("center")) == ("a title", "")
    assert panel._left_title.get_size() == 10
    assert not panel.get_legend().get_frame_on()
    assert not panel.spines["top"].get_visible()
    assert not panels[1, 1].get_visible()


def test_matplotlib_is_left_as_it_was():
    import matplotlib

    before = dict(matplotlib.rcParams)
    drawn()
    assert dict(matplotlib.rcParams) == before


def test_without_matplotlib(monkeypatch):
    monkeypatch.setattr(figures, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'bnkeras\[plots\]'"):
        new_figure()
