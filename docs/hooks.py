"""What the site has beside the pages: reference, help, notebooks, and files that pages link to.

A link to another file of the checkout, as `../results/README.md`, is right where the pages are
read as files. In the site such a file stands under `checkout/`, and the links go there.
"""

import atexit
import json
import logging
import os
import re
import shutil
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from properdocs.plugins import event_priority
from properdocs.structure.files import File, Files, InclusionLevel
from properdocs.structure.pages import Page
from pymdownx.slugs import slugify

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = "checkout"
LINK = re.compile(r"(?<=\]\()[^)\s]+(?=\))")
HELP = "<!-- help of every command -->"
LOADED = re.compile(r"<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)=[\"']?(?:https?:)?//[^>]*>")

log = logging.getLogger("properdocs.hooks.bnkeras")


def lay_out_package(folder: Path) -> None:
    """Copy the source of the package into `folder` as it is installed."""
    package = folder / "bnkeras"
    places = {"bnkeras": package}
    places |= {name: package / name for name in ("pipelines", "recipes")}
    for source, place in places.items():
        for path in sorted((ROOT / source).rglob("*.py")):
            target = place / path.relative_to(ROOT / source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def help_of_commands() -> str:
    """Return the help of every `bnkeras` command, as Markdown."""
    import typer.main
    from typer.cli import get_docs_for_click

    from bnkeras.cli.main import app

    command = typer.main.get_command(app)
    _whole_summaries(command)
    return get_docs_for_click(obj=command, ctx=typer.Context(command), name="bnkeras", indent=1)


def _whole_summaries(command) -> None:
    """Keep the lists of commands from being cut after 45 characters."""
    for below in getattr(command, "commands", {}).values():
        below.short_help = (below.help or "").partition("\n\n")[0]
        _whole_summaries(below)


# Before mkdocstrings has read the configuration.
@event_priority(100)
def on_config(config):
    """Lay the package out for the reference, which does not import it; anchors as on GitHub."""
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    folder = mkdtemp()
    atexit.register(shutil.rmtree, folder)
    lay_out_package(Path(folder))
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [folder]
    return config


def on_files(files: Files, config) -> Files:
    """Add the files of the checkout that pages link to, and what the pages among them link to."""
    for path in sorted((ROOT / "docs").rglob("*.ipynb")):
        files.append(File.generated(config, _uri(path), content=_notebook(path)))
    waiting = [file.src_uri for file in files.documentation_pages()]
    for name in re.findall(rf"{OUTSIDE}/(\S+)", (ROOT / "properdocs.yml").read_text("utf-8")):
        waiting.append(_add(files, ROOT / name, config))
        files.get_file_from_path(waiting[-1]).inclusion = InclusionLevel.INCLUDED
    while waiting:
        here = waiting.pop()
        if not here.endswith(".md"):
            continue
        text = files.get_file_from_path(here).content_string
        paths = (_linked(here, target) for target in LINK.findall(text))
        waiting += [
            _add(files, path, config)
            for path in dict.fromkeys(paths)
            if path and path.exists() and not files.get_file_from_path(_uri(path))
        ]
    return files


def on_page_markdown(markdown: str, page: Page, config, files: Files) -> str:
    """Make links that leave docs/ links of the site, and put in the help of the commands."""
    here = page.file.src_uri

    def rewritten(match: re.Match[str]) -> str:
        path = _linked(here, match.group())
        if path is None or not path.exists():
            return match.group()
        target = os.path.relpath(_uri(path), PurePosixPath(here).parent)
        return urlunsplit(urlsplit(match.group())._replace(path=quote(target)))

    if HELP in markdown:
        markdown = markdown.replace(HELP, help_of_commands())
    return LINK.sub(rewritten, markdown)


def on_post_page(output: str, page: Page, config) -> str:
    """Warn of what a page would load from another server."""
    for found in LOADED.findall(output):
        log.warning("%s loads from elsewhere: %s", page.file.src_uri, found)
    return output


def _linked(here: str, target: str) -> Path | None:
    """Return what `target`, a link on the page `here`, leads to in the checkout, if it does."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or not parts.path:
        return None
    place = PurePosixPath(here)
    page = ROOT / (place.relative_to(OUTSIDE) if place.parts[0] == OUTSIDE else "docs" / place)
    path = Path(os.path.normpath(page.parent / unquote(parts.path)))
    return path if path.is_relative_to(ROOT) else None


def _uri(path: Path) -> str:
    """Return where a file or folder of the checkout stands in the site."""
    if path.suffix == ".ipynb":
        path = path.with_name(f"{path.stem}_notebook.md")
    if path.is_dir():
        path /= "README.md" if (path / "README.md").exists() else "index.md"
    if path.is_relative_to(ROOT / "docs"):
        return path.relative_to(ROOT / "docs").as_posix()
    return f"{OUTSIDE}/{path.relative_to(ROOT).as_posix()}"


def _notebook(path: Path) -> str:
    """Return a notebook as a page."""
    parts = []
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(f"```python\n{source}\n```" if cell["cell_type"] == "code" else source)
        for output in cell.get("outputs", ()):
            data = output.get("data") or {"text/plain": output["text"]}
            if "image/png" in data:
                image = "".join(data["image/png"].split())
                parts.append(f'<img alt="" src="data:image/png;base64,{image}">')
            else:
                text = "".join(data["text/plain"]).rstrip()
                parts.append(f"```text\n{text}\n```")
    parts.append(f'<a href="{path.name}" download>The notebook</a>')
    return "\n\n".join(parts)


def _add(files: Files, path: Path, config) -> str:
    """Add a file of the checkout, or a list of what a folder holds; return its place."""
    uri = _uri(path)
    if path.is_dir() and uri.endswith("/index.md"):
        names = sorted(
            f"{child.name}/" if child.is_dir() else child.name for child in path.iterdir()
        )
        lines = [f"# `{path.relative_to(ROOT).as_posix()}`", "", *(f"- [{n}]({n})" for n in names)]
        file = File.generated(config, uri, content="\n".join(lines))
    else:
        source = path / "README.md" if path.is_dir() else path
        file = File.generated(config, uri, abs_src_path=str(source))
    # The navigation need not list it.
    file.inclusion = InclusionLevel.NOT_IN_NAV
    files.append(file)
    return uri
