"""What README and docs/ tell to type does what they say.

The Python of a page runs from its first block to its last in one process and one namespace, in a
folder with finished runs of the digits. `tests/docs/setups` holds, by page, the names that it takes
for granted. A block below a comment `<!-- not run: WHY -->` is compiled only; one below
`<!-- file: NAME -->` is a file of the reader's. Commands are parsed as the command line parses
them; those that take a moment run.
"""

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import typer
from markdown_it import MarkdownIt

from bnkeras import recipe
from bnkeras.cli.main import app, main
from bnkeras.pipelines import get_spec
from bnkeras.studies.shipped import load_study

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
REMARK = re.compile(r"<!-- (not run|file): (.+?) -->", re.DOTALL)
# Blocks that are compiled only: every one more is a promise less.
NOT_RUN = 5
# Pages whose blocks another test runs.
RUN_ELSEWHERE = {"docs/serving.md": "tests/compact/test_serving_docs.py"}
# They train, or convert networks, which takes a quarter of a minute or more.
SLOW = {"README.md", "docs/data.md", "docs/export_format.md"}
SLOW |= {f"docs/how_to/{name}.md" for name in ("jax", "many_tasks", "own_data")}
# They search, measure and start processes of their own, for half a minute or more.
EXHAUSTIVE = {"docs/analysis.md", "docs/how_to/tuning.md", "docs/studies.md"}
PAGES = ["README.md"]
PAGES += sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
COMMAND = re.compile(r"^(?:exec )?(?:[A-Z_]+=\S+ )*bnkeras (?P<arguments>.*)$")
QUICK = {"recipe list", "recipe show", "study list", "compact inspect", "compact list"}
QUICK |= {"networks counts", "networks near"}


class Block(NamedTuple):
    """A fenced block of a page; `line` is that of its first line, counted from 0."""

    line: int
    language: str
    code: str
    reason: str | None
    file: str | None


def blocks(page: str) -> Iterator[Block]:
    remarks = {}
    for token in MarkdownIt().parse((ROOT / page).read_text("utf-8")):
        if token.type == "fence":
            told = remarks.get("not run"), remarks.get("file")
            yield Block(token.map[0] + 1, token.info.strip(), token.content, *told)
        remarks = dict(REMARK.findall(token.content)) if token.type == "html_block" else {}


def python(page: str) -> list[Block]:
    return [block for block in blocks(page) if block.language == "python"]


def commands(page: str) -> Iterator[tuple[str, list[str], str]]:
    """Each `bnkeras` command of the blocks of a page: where, its arguments, what it prints."""
    for block in blocks(page):
        if block.language in ("python", "json", "toml"):
            continue
        # A line that goes on is one with the next, which must not change the count of lines.
        text = re.sub(r"\\\n", "\\\\\0", block.code)
        lines = text.splitlines()
        prompted = any(line.startswith("$ ") for line in lines)
        for number, line in enumerate(lines):
            if prompted and not line.startswith("$ "):
                continue
            typed = line.removeprefix("$ ").replace("\\\0", " ").strip()
            if found := COMMAND.match(typed):
                printed = []
                for other in lines[number + 1 :] if prompted else ():
                    if other.startswith("$ "):
                        break
                    printed.append(other)
                place = f"{page}:{block.line + 1 + number + text[: text.find(line)].count(chr(0))}"
                arguments = shlex.split(found["arguments"], comments=True)
                yield place, arguments, "\n".join(printed).strip()


def files_of(page: str) -> dict[str, str]:
    """The files that a page has its reader write, by `cat > NAME <<'END'` too."""
    written = re.compile(r"^cat > (\S+) <<'?(\w+)'?\n(.*?)^\2$", re.MULTILINE | re.DOTALL)
    files = {}
    for block in blocks(page):
        files |= {name: text for name, _, text in written.findall(block.code)}
        files |= {block.file: block.code} if block.file else {}
    return files


def parse(arguments: list[str]) -> tuple[str, dict]:
    """Return the command that `arguments` name, and its parameters, as typer reads them."""
    command, name, context, path = typer.main.get_command(app), "bnkeras", None, []
    while True:
        context = command.make_context(name, list(arguments), parent=context)
        if not hasattr(command, "commands"):
            return " ".join(path), context.params
        rest = [*context._protected_args, *context.args]
        name, command, arguments = command.resolve_command(context, rest)
        path.append(name)


def check(arguments: list[str]) -> None:
    """Raise what the command line would of a command that does not fit; files lie here."""
    try:
        path, values = parse(arguments)
    except typer.Exit:  # --help or --version
        return
    group = path.partition(" ")[0]
    subject = str(values.get("name") or values.get("dataset") or "")
    # NAME stands for any, and what is in a folder was written by a command before.
    if not subject or subject.isupper() or (subject.endswith(".toml") and "/" in subject):
        return
    if group in ("recipe", "tune"):
        recipe.load(subject, values.get("settings") or ())
    elif group == "study":
        load_study(subject)
    elif group == "data":
        get_spec(subject)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A folder with the digits, and a finished run of them by the names that pages give it."""
    folder = tmp_path_factory.mktemp("pages")
    run_python(folder, "pages", (HERE / "setups" / "place.py").read_text("utf-8"))
    for name in ("resnet14_bnonly", "quickstart/bnonly"):
        shutil.copytree(folder / "runs" / "digits_resnet14_bnonly", folder / "runs" / name)
    return folder


@pytest.fixture
def place(page, runs, tmp_path) -> Path:
    """A folder for the reader of a page, with the runs and the files that it has written."""
    shutil.copytree(runs, tmp_path / "page")
    for name, text in files_of(page).items():
        (tmp_path / "page" / name).write_text(text)
    return tmp_path / "page"


def run_python(folder: Path, page: str, source: str, setup: Path = HERE / "none") -> None:
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    if page in PAGES:
        shell = "".join(block.code for block in blocks(page))
        environment |= dict(re.findall(r"^export (KERAS_BACKEND)=(\w+)$", shell, re.MULTILINE))
    done = subprocess.run(
        [sys.executable, HERE / "page_runner.py", page, setup],
        input=source,
        cwd=folder,
        env=environment | {"BNKERAS_DATA_DIR": str(folder / "data"), "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("page", [page for page in PAGES if python(page)])
def test_python_compiles(page):
    for block in python(page):
        ast.parse("\n" * block.line + block.code, page)


def _marks(page: str) -> list[pytest.MarkDecorator]:
    slow, exhaustive = page in SLOW, page in EXHAUSTIVE
    return [pytest.mark.slow] * slow + [pytest.mark.exhaustive] * exhaustive


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=_marks(page))
        for page in PAGES
        if page not in RUN_ELSEWHERE and not all(block.reason for block in python(page))
    ],
)
def test_python_runs(page, place):
    lines = [""] * len((ROOT / page).read_text("utf-8").splitlines())
    for block in python(page):
        code = block.code.splitlines()
        if not block.reason:
            lines[block.line : block.line + len(code)] = code
    setup = HERE / "setups" / f"{Path(page).with_suffix('').name.lower()}.py"
    run_python(place, page, "\n".join(lines), setup)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "notebook", sorted((ROOT / "docs").rglob("*.ipynb")), ids=lambda path: path.name
)
def test_a_notebook_runs(notebook, tmp_path):
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 5
    run_python(tmp_path, notebook.name, "\n\n".join(code))


def test_what_does_not_run_is_counted():
    reasons = [block.reason for page in PAGES for block in python(page) if block.reason]
    assert len(reasons) == NOT_RUN
    assert all(len(reason.split()) > 2 for reason in reasons)
    for page, test in RUN_ELSEWHERE.items():
        assert Path(page).name in (ROOT / test).read_text("utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_commands(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in files_of(page).items():
        Path(name).write_text(text)
    wrong = []
    for place, arguments, printed in commands(page):
        if printed.startswith("bnkeras: "):  # the page shows what a mistake gives
            continue
        try:
            check(arguments)
        except Exception as error:
            wrong.append(f"{place}: {shlex.join(arguments)}: {error}")
    assert not wrong, "\n".join(wrong)


def test_commands_are_found():
    assert sum(1 for page in PAGES for _ in commands(page)) > 60


@pytest.mark.parametrize("page", PAGES)
def test_quick_commands_run(page, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    monkeypatch.setenv("BNKERAS_DATA_DIR", str(place / "data"))
    for where, arguments, printed in commands(page):
        mistake = printed.startswith("bnkeras: ")
        if not (mistake or " ".join(arguments[:2]) in QUICK or "--dry-run" in arguments):
            continue
        if arguments[:2] == ["compact", "inspect"] and not Path(arguments[2]).exists():
            continue
        monkeypatch.setattr(sys, "argv", ["bnkeras", *arguments])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        _, err = capsys.readouterr()
        assert (code != 0) == mistake, f"{where}: {err}"
        if mistake:
            assert err.strip() == printed, where
