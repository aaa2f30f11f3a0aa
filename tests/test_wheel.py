"""The built wheel, installed into an empty folder and used from outside the checkout."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from bnkeras._version import __version__

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]


def _run(arguments: list[str], cwd: Path, path: Path | None = None) -> str:
    """Run Python in `cwd`, with `path` before what is installed, and return what it prints."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    run = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Build the wheel from a copy: nothing lands in the checkout, nothing comes from its build/."""
    source = tmp_path_factory.mktemp("source")
    for folder in ("bnkeras", "pipelines", "recipes"):
        shutil.copytree(
            ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    # Without isolation the setuptools of the `dev` extra builds it, and no network is needed.
    _run(["-m", "build", "--wheel", "--no-isolation"], cwd=source)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """Install the wheel alone; what it depends on comes from the environment of the tests."""
    target = tmp_path_factory.mktemp("installed")
    pip = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    _run([*pip, "--target", str(target), str(wheel)], cwd=target)
    return target


def test_contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        about = f"bnkeras-{__version__}.dist-info"
        assert archive.read(f"{about}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert {name.partition("/")[0] for name in names} == {"bnkeras", about}
    recipes = {path.relative_to(ROOT).as_posix() for path in (ROOT / "recipes").rglob("*.toml")}
    assert recipes
    assert {f"bnkeras/{path}" for path in recipes} <= names
    sources = {
        path.relative_to(ROOT).as_posix().removeprefix("bnkeras/")
        for folder in ("bnkeras", "pipelines", "recipes")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {f"bnkeras/{path}" for path in sources} == {name for name in names if name[-3:] == ".py"}


def test_imports(installed, tmp_path):
    # An editable install of the checkout would step in for a module that the wheel lacks,
    # so each one must come from the wheel.
    probe = f"""
import importlib, json, sys
for name in {PACKAGES}:
    importlib.import_module(name)
mine = {{k: m for k, m in sys.modules.items() if k.partition(".")[0] == "bnkeras"}}
print(json.dumps({{k: m.__file__ or m.__path__[0] for k, m in mine.items()}}))
"""
    files = json.loads(_run(["-c", probe], cwd=tmp_path, path=installed))
    assert set(files) >= set(PACKAGES)
    elsewhere = {
        name: file for name, file in files.items() if not Path(file).is_relative_to(installed)
    }
    assert not elsewhere


def test_command_line(installed, tmp_path):
    version = ["-m", "bnkeras.cli.main", "--version"]
    assert _run(version, cwd=tmp_path, path=installed) == f"bnkeras {__version__}\n"
    script = str(installed / "bin" / "bnkeras")
    assert _run([script, "--version"], cwd=tmp_path, path=installed) == f"bnkeras {__version__}\n"


def test_recipes(installed, tmp_path):
    listing = ["-m", "bnkeras.cli.main", "recipe", "list", "--json"]
    shipped, here = (
        [row["recipe"] for row in json.loads(_run(listing, cwd=tmp_path, path=path))]
        for path in (installed, None)
    )
    assert shipped
    assert shipped == here


def test_trained_networks_come_with_the_checkout(installed, tmp_path):
    probe = """
from bnkeras.compact.published import located
try:
    located("resnet14_bnonly")
except ValueError as error:
    print(error)
"""
    message = _run(["-c", probe], cwd=tmp_path, path=installed)
    assert message.startswith(
        "There is no directory 'resnet14_bnonly'. Trained networks with names"
    )
    assert f"there is no {installed / 'saved_models' / 'index.toml'}" in message
