"""Pages say the same as files and on the site."""

import re
from collections import Counter
from pathlib import Path

import markdown
import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "results/README.md"]
PAGES += ["saved_models/README.md"]
PAGES += sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
PARTS = re.compile(r"<(li|ol|ul|tr|h\d|p|strong|em|a|img|blockquote)\b")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_the_same_parts_in_both(page):
    """Python-Markdown wants four spaces before what belongs to a list, and GitHub fewer."""
    text = (ROOT / page).read_text("utf-8")
    as_file = MarkdownIt().enable("table").render(text)
    extensions = ["tables", "sane_lists", "pymdownx.superfences"]
    on_site = markdown.markdown(text, extensions=extensions)
    assert Counter(PARTS.findall(on_site)) == Counter(PARTS.findall(as_file))


@pytest.mark.parametrize(
    ("here", "target", "place"),
    [
        ("scaling.md", "../results/README.md", "checkout/results/README.md"),
        ("scaling.md", "data.md", "data.md"),
        ("how_to/own.md", "../../README.md", "checkout/README.md"),
        ("checkout/results/README.md", "../docs/scaling.md", "scaling.md"),
        ("checkout/README.md", "results/", "checkout/results/README.md"),
        ("analysis.md", "../recipes/studies", "checkout/recipes/studies/index.md"),
        ("analysis.md", "https://example.org/x.md", None),
        ("analysis.md", "#what-the-numbers-mean", None),
    ],
)
def test_links_lead_to_the_same_file_in_the_site(hooks, here, target, place):
    path = hooks._linked(here, target)
    assert (path and hooks._uri(path)) == place
