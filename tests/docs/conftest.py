"""The package as the reference sees it: read, not imported."""

import importlib.util
from pathlib import Path
from types import ModuleType

import griffe
import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def hooks() -> ModuleType:
    return _module("hooks")


@pytest.fixture(scope="session")
def package(hooks, tmp_path_factory) -> griffe.Module:
    """The package, its docstrings changed as the site has them."""
    folder = tmp_path_factory.mktemp("package")
    hooks.lay_out_package(folder)
    return griffe.load(
        "bnkeras",
        search_paths=[folder],
        try_relative_path=False,
        allow_inspection=False,
        extensions=griffe.load_extensions(_module("docstrings").Docstrings()),
    )
