"""How the reference reads docstrings: examples as code, one section of them."""

import re
from typing import Any

import griffe


class Docstrings(griffe.Extension):
    """Put docstrings into the form that griffe and Markdown know.

    Griffe knows `>>>` lines in a section `Examples`; elsewhere Markdown would take them for a
    quotation. The arguments of a named tuple are attributes to it.
    """

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of `obj`."""
        if not obj.docstring:
            return
        text = with_examples(obj.docstring.value)
        if obj.is_class and any(str(base) == "NamedTuple" for base in obj.bases):
            text = re.sub(r"^Args:$", "Attributes:", text, flags=re.MULTILINE)
        obj.docstring.value = text


def with_examples(text: str) -> str:
    """Return a docstring with its `>>>` lines in a section, or in a block of code.

    Example:
        >>> with_examples("Double.\\n\\n>>> double(2)\\n4")
        'Double.\\n\\n```pycon\\n>>> double(2)\\n4\\n```'
    """
    text = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
    return re.sub(
        r"^>>> (?:.+\n?)+", lambda found: _fenced(found.group()), text, flags=re.MULTILINE
    )


def _fenced(lines: str) -> str:
    end = "\n" if lines.endswith("\n") else ""
    return f"```pycon\n{lines.rstrip()}\n```{end}"
