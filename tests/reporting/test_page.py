"""Pages that need no other file."""

import re

from bnkeras.reporting import Page, new_figure, write_figure


def written(tmp_path, name="report.html"):
    figure, ((panel,),) = new_figure()
    panel.plot([0, 1])
    page = Page("γ <of> a run & more")
    page.heading("<h1>")
    page.text("<script>alert(1)</script>")
    page.code("bnkeras analyze <RUN>")
    page.table([{"layer": "<b>", "count": 1234, "share": 0.123456, "none": None}], "a <caption>")
    page.figure(write_figure(figure, tmp_path, "curve"), 'a "quoted" <caption>')
    return page.write(tmp_path / name).read_text("utf-8")


def test_nothing_is_loaded_from_elsewhere(tmp_path):
    html = written(tmp_path)
    assert re.findall(r"<(?:script|link|iframe|object)\b", html) == []
    sources = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert "@import" not in html
    assert "url(" not in html


def test_all_text_is_shown_as_it_is(tmp_path):
    html = written(tmp_path)
    assert "<title>γ &lt;of&gt; a run &amp; more</title>" in html
    assert "<h2>&lt;h1&gt;</h2>" in html
    assert "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>" in html
    assert "<code>bnkeras analyze &lt;RUN&gt;</code>" in html
    assert "<td>&lt;b&gt;</td>" in html
    assert 'alt="a &quot;quoted&quot; &lt;caption&gt;"' in html


def test_numbers_in_tables(tmp_path):
    html = written(tmp_path)
    assert '<td class="number">1,234</td><td class="number">0.1235</td>' in html
    assert '<td class="number"></td>' in html


def test_the_same_page_has_the_same_bytes(tmp_path):
    assert written(tmp_path, "a.html") == written(tmp_path, "b.html")
