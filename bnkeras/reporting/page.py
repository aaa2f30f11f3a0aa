"""A report as one HTML file that needs no other: style and pictures lie inside."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from bnkeras.files import write_text
from bnkeras.reporting.figures import Picture

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff;
       max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
figure { margin: 1rem 0; } figure img { max-width: 100%; height: auto; }
figcaption, caption { color: #555; font-size: .9rem; text-align: left; padding: .3rem 0; }
.table { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-size: .92rem; }
th, td { padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top; }
thead th { border-bottom: 1px solid #999; } tbody tr:nth-child(even) { background: #f5f6f8; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
code { background: #f0f1f3; padding: 0 .25em; border-radius: 3px; overflow-wrap: anywhere; }
pre { background: #f0f1f3; padding: .6rem .8rem; overflow-x: auto; } pre code { padding: 0; }
"""


class Page:
    """An HTML page, put together from top to bottom.

    All text is shown as it is: nothing in it is markup.

    Args:
        title: of the page.

    Example:
        >>> page = Page("ResNet-14")
        >>> page.heading("γ")
        >>> page.table([{"layer": "stem", "mean": 0.5}])
        >>> page.write(Path("report.html"))
    """

    def __init__(self, title: str):
        self.title = title
        self._parts: list[str] = []

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._parts.append(f"<h2>{escape(text)}</h2>")

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f"<p>{escape(text)}</p>")

    def code(self, text: str) -> None:
        """Add lines to be typed, such as a command."""
        self._parts.append(f"<pre><code>{escape(text)}</code></pre>")

    def table(self, rows: Sequence[Mapping[str, Any]], caption: str = "") -> None:
        """Add a table of one or more rows that share their keys.

        Columns of numbers are set flush right; `None` is an empty cell.
        """
        numeric = {
            key: all(isinstance(row[key], int | float | None) for row in rows) for key in rows[0]
        }

        def cells(tag: str, values: Mapping[str, Any]) -> str:
            return "".join(
                f'<{tag} class="number">{_shown(value)}</{tag}>'
                if numeric[key]
                else f"<{tag}>{_shown(value)}</{tag}>"
                for key, value in values.items()
            )

        title = f"<caption>{escape(caption)}</caption>" if caption else ""
        head = cells("th", {key: key for key in rows[0]})
        body = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
        self._parts.append(
            f'<div class="table"><table>{title}<thead><tr>{head}</tr></thead>\n'
            f"<tbody>{body}</tbody></table></div>"
        )

    def figure(self, picture: Picture, caption: str) -> None:
        """Add a picture; the caption also stands for it where it cannot be seen."""
        # Each is a document of its own, so that the ids in one are not those in another.
        image = base64.b64encode(picture.svg.read_bytes()).decode("ascii")
        self._parts.append(
            f'<figure><img alt="{escape(caption)}" src="data:image/svg+xml;base64,{image}">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )

    def write(self, path: Path) -> Path:
        """Write the page, whole or not at all, and return its path."""
        body = "\n".join(self._parts)
        write_text(
            path,
            f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(self.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
            f"<h1>{escape(self.title)}</h1>\n{body}\n</body>\n</html>\n",
        )
        return path


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return escape(f"{value:.4g}" if isinstance(value, float) else str(value))
