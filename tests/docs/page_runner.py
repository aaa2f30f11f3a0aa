"""Runs the Python of a page in this process: `page_runner.py PAGE SETUP`, the source on stdin.

A value in a comment below an expression is compared with what the expression gives.
"""

import ast
import re
import sys
from pathlib import Path

import bnkeras.recipe

# What a page trains is small, unless it says how long itself; nothing else of it is changed.
SMALL = ("train.epochs=1", "train.milestones=[]", "train.warmup_epochs=0", "train.batch_size=32")
SHOWN = re.compile(r"\s*# ([\[({'\"\d-].*|None|True|False|[A-Z]\w+\(.*\))$")
load = bnkeras.recipe.load


def small(name_or_path, overrides=(), **options):
    """Load a recipe as `bnkeras.recipe.load` does, to be run in a moment."""
    path = str(name_or_path)
    return load(name_or_path, overrides if "/" in path else [*SMALL, *overrides], **options)


def check(value, shown: str, place: str):
    """Raise unless `value` is what the page shows."""
    try:
        right = ast.literal_eval(shown) == value
    except (SyntaxError, ValueError):
        right = False
    if not right and repr(value) != shown:
        raise AssertionError(f"{place}: the page shows {shown}, and it is {value!r}")


def main(page: str, setup: Path) -> None:
    """Run a page whose other lines are empty, so that lines of tracebacks are its own."""
    source = sys.stdin.read()
    lines = source.splitlines()
    tree = ast.parse(source, page)
    for node in tree.body:
        below = lines[node.end_lineno] if node.end_lineno < len(lines) else ""
        if isinstance(node, ast.Expr) and (shown := SHOWN.match(below)):
            place = f"{page}:{node.end_lineno + 1}"
            call = ast.parse(f"check(value, {shown[1]!r}, {place!r})").body[0].value
            call.args[0] = node.value
            node.value = ast.copy_location(call, node.value)
    bnkeras.recipe.load = small
    namespace = {"__name__": "__main__", "check": check}
    if setup.exists():
        exec(compile(setup.read_text("utf-8"), setup, "exec"), namespace)
    exec(compile(ast.fix_missing_locations(tree), page, "exec"), namespace)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
