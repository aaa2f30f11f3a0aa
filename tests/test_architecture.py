"""The rules of the house: which room may import which, and what is imported when.

The imports are read from the source, those inside functions included, so that a
forbidden one is found whether or not a test happens to run it.
"""

import ast
import graphlib
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# A room and the rooms it may import. Every room may import `_version`, and none but
# the command line the package itself, whose names are re-exports from the rooms.
_BASE = {"errors", "seeding"}
_NETWORKS = _BASE | {"layers", "models", "regimes"}
_DATA = {"files", "settings", "pipelines", "recipe", "recipes"}
_TRAINING = _NETWORKS | _DATA | {"compact", "training"}
_ANALYSIS = _TRAINING | {"reporting", "analysis"}
MAY_IMPORT = {
    "errors": set(),
    "files": set(),
    "interrupts": set(),
    "settings": {"errors"},
    "seeding": {"errors"},
    "layers": _BASE,
    "models": _BASE | {"layers"},
    "regimes": _BASE | {"layers", "models"},
    "compact": _NETWORKS | {"settings"},
    "pipelines": _BASE,
    "recipes": set(),
    "recipe": _BASE | {"models", "regimes", "pipelines", "recipes", "settings"},
    "training": _TRAINING - {"training"},
    "tuning": _TRAINING | {"reporting"},
    "reporting": {"errors", "files"},
    "analysis": _ANALYSIS - {"analysis"},
    "studies": _ANALYSIS | {"interrupts"},
    "publishing": _TRAINING,
    "cli": _ANALYSIS | {"interrupts", "tuning", "studies", "publishing", "bnkeras"},
}

# These import only Keras, NumPy and the standard library when they are imported, so
# that they also run where TensorFlow is absent. `seeding.graph` is the TensorFlow form.
WITHOUT_TENSORFLOW = {"seeding", "layers", "models", "regimes"}
TENSORFLOW_FORM = "bnkeras.seeding.graph"


class Import(NamedTuple):
    """One import statement: the modules that it names, and whether it runs at import."""

    line: int
    names: tuple[str, ...]
    at_import: bool


class Module(NamedTuple):
    """One source file of the package."""

    name: str
    path: Path
    tree: ast.Module
    imports: list[Import]

    @property
    def room(self) -> str:
        parts = self.name.split(".")
        if len(parts) == 1:
            return "bnkeras"
        return "cli" if parts[1] == "__main__" else parts[1]

    def at(self, line: int) -> str:
        return f"{self.path.relative_to(ROOT)}:{line}"


def _module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[0] != "bnkeras":  # `pipelines/` and `recipes/` are installed inside the package
        parts.insert(0, "bnkeras")
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


SOURCES = {
    _module_name(path): path
    for folder in ("bnkeras", "pipelines", "recipes")
    for path in sorted((ROOT / folder).rglob("*.py"))
}


def _statements(node: ast.AST, at_import: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    """Yield every node below `node`, and whether it runs when the module is imported."""
    for child in ast.iter_child_nodes(node):
        yield child, at_import
        inside = at_import and not isinstance(
            child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        )
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            inside = False
        yield from _statements(child, inside)


def _imported(module: str, is_package: bool, node: ast.AST) -> tuple[str, ...]:
    """Return the modules that `node` imports; none if it is no import."""
    if isinstance(node, ast.Import):
        return tuple(alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parts = module.split(".")
            above = parts[: len(parts) - node.level + is_package]
            base = ".".join([*above, base] if base else above)
        below = [f"{base}.{alias.name}" for alias in node.names]
        found = tuple(name for name in below if name in SOURCES)
        # `from bnkeras import errors` names a room, not the package.
        return found if len(found) == len(below) else (base, *found)
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func).rpartition(".")[2]
        argument = node.args[0] if node.args else None
        if (
            called in {"import_module", "__import__"}
            and isinstance(argument, ast.Constant)
            and isinstance(argument.value, str)
        ):
            return (argument.value,)
    return ()


def _read(name: str, path: Path) -> Module:
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    imports = []
    for node, at_import in _statements(tree):
        if names := _imported(name, path.name == "__init__.py", node):
            imports.append(Import(node.lineno, names, at_import))
    return Module(name, path, tree, imports)


@cache
def modules() -> dict[str, Module]:
    """Return every source file of the package, read once."""
    return {name: _read(name, path) for name, path in SOURCES.items()}


def test_the_source_is_found():
    assert {module.room for module in modules().values()} >= {"bnkeras", "errors", "cli", "recipes"}


def test_the_table_of_rooms_has_no_cycle():
    order = list(graphlib.TopologicalSorter(MAY_IMPORT).static_order())
    assert order[-1] == "cli"


def test_every_module_stands_in_a_room():
    rooms = {module.room for module in modules().values()}
    assert rooms <= {"bnkeras", "_version", *MAY_IMPORT}, "say what a new room may import"


def test_arrows_between_rooms_run_one_way():
    wrong = []
    for module in modules().values():
        if module.room in {"bnkeras", "_version"}:
            continue
        allowed = MAY_IMPORT.get(module.room, set()) | {module.room, "_version"}
        for statement in module.imports:
            for name in statement.names:
                top, _, rest = name.partition(".")
                room = rest.partition(".")[0] or "bnkeras"
                if top == "bnkeras" and room not in allowed:
                    wrong.append(f"{module.at(statement.line)}: {module.room} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_the_package_itself_imports_its_rooms_only_when_asked():
    wrong = [
        f"bnkeras/__init__.py:{statement.line} imports {', '.join(statement.names)}"
        for statement in modules()["bnkeras"].imports
        if statement.at_import
        and not all(
            name in {"bnkeras._version", "bnkeras.errors"}
            or name.partition(".")[0] in sys.stdlib_module_names
            for name in statement.names
        )
    ]
    assert not wrong, "\n".join(wrong)


def test_networks_need_only_keras_and_numpy_at_import():
    wrong = []
    for module in modules().values():
        if module.room not in WITHOUT_TENSORFLOW or module.name == TENSORFLOW_FORM:
            continue
        for statement in module.imports:
            for name in statement.names if statement.at_import else ():
                known = {"bnkeras", "keras", "numpy"} | sys.stdlib_module_names
                if name.partition(".")[0] not in known or name == TENSORFLOW_FORM:
                    wrong.append(f"{module.at(statement.line)} imports {name} at import")
    assert not wrong, "\n".join(wrong)


def test_loading_an_export_needs_no_training():
    heavy = {"bnkeras.training", "bnkeras.tuning", "bnkeras.analysis", "matplotlib"}
    reached_from = {name: name for name in SOURCES if f"{name}.".startswith("bnkeras.compact.")}
    assert reached_from
    waiting, wrong = list(reached_from), []
    while waiting:
        module = modules()[waiting.pop()]
        for statement in module.imports:
            for name in statement.names:
                parts = name.split(".")
                prefixes = [".".join(parts[: i + 1]) for i in range(len(parts))]
                if heavy.intersection(prefixes):
                    wrong.append(f"{module.at(statement.line)} imports {name}")
                # Importing a module imports the packages around it; the outermost is lazy.
                for prefix in prefixes[1:]:
                    if prefix in SOURCES and prefix not in reached_from:
                        reached_from[prefix] = module.name
                        waiting.append(prefix)
    assert not wrong, "\n".join(wrong)


def test_what_load_compact_runs_imports_no_tensorflow():
    known = {"bnkeras.compact.reader", "bnkeras.models.registry"}
    waiting, wrong = list(known), []
    while waiting:
        module = modules()[waiting.pop()]
        # What finds a network by its name needs it nowhere, not even inside of a function.
        nowhere = module.name.startswith("bnkeras.compact.published")
        for statement in module.imports:
            if not (statement.at_import or nowhere):
                continue
            for name in statement.names:
                if name.partition(".")[0] in {"tensorflow", "tensorflow_datasets"}:
                    wrong.append(f"{module.at(statement.line)} imports {name}")
                for part in (name, name.rpartition(".")[0]):
                    if part in SOURCES and part not in known:
                        known.add(part)
                        waiting.append(part)
    assert known >= {"bnkeras.compact.published.index", "bnkeras.settings.section"}
    assert not wrong, "\n".join(wrong)


def _is_exit(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in {"sys.exit", "os._exit", "exit", "quit", "SystemExit"}
    if isinstance(node, ast.Raise):
        return isinstance(node.exc, ast.Name) and node.exc.id == "SystemExit"
    return isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.stdout", "sys.stderr"}


def test_only_the_command_line_prints_or_exits():
    wrong = []
    for module in modules().values():
        if module.room == "cli":
            continue
        for node, _ in _statements(module.tree):
            printed = isinstance(node, ast.Call) and ast.unparse(node.func) == "print"
            if printed or _is_exit(node):
                wrong.append(f"{module.at(node.lineno)}: {ast.unparse(node)}")
        for statement in module.imports:
            if {name.partition(".")[0] for name in statement.names} & {"rich", "typer"}:
                wrong.append(f"{module.at(statement.line)} imports {', '.join(statement.names)}")
    assert not wrong, "\n".join(wrong)


def test_every_folder_is_installed():
    with_code = {path.parent for path in SOURCES.values()}
    assert all((folder / "__init__.py").is_file() for folder in with_code)
    # Setuptools warns of a folder of data that is not listed as a package.
    with_recipes = {path.parent for path in (ROOT / "recipes").rglob("*.toml")}
    packages = {_module_name(folder / "__init__.py") for folder in with_code | with_recipes}
    assert packages == set(PROJECT["tool"]["setuptools"]["packages"])


@pytest.mark.parametrize("name", ["bnkeras", "bnkeras.cli.main"])
def test_import_is_light(name):
    heavy = {"tensorflow", "keras", "tensorflow_datasets", "matplotlib", "sklearn"}
    probe = f"import sys, {name}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert not heavy & set(run.stdout.split())


def test_the_public_names_are_documented():
    package = importlib.import_module("bnkeras")
    public = {name: getattr(package, name) for name in package.__all__}
    objects = {
        name: value
        for name, value in public.items()
        if inspect.isroutine(value) or inspect.isclass(value)
    }
    assert objects
    assert not [name for name, value in objects.items() if not (value.__doc__ or "").strip()]
    assert set(public) <= set(dir(package))


def _pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    unclear = [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.+]+", pin)]
    assert not unclear, f"only lines of the form name==version, not {unclear}"
    return {_canonical(pin.split("==")[0]): pin.split("==")[1] for pin in pins}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_pins_lie_within_the_bounds():
    pins = _pins()
    project = PROJECT["project"]
    lines = [*project["dependencies"], *PROJECT["build-system"]["requires"]]
    lines += [line for extra in project["optional-dependencies"].values() for line in extra]
    wrong = []
    for requirement in map(Requirement, lines):
        pin = pins.get(_canonical(requirement.name))
        if requirement.name != project["name"] and (
            pin is None or not requirement.specifier.contains(pin)
        ):
            wrong.append(f"{requirement}: pinned to {pin}")
    assert not wrong, "\n".join(wrong)


def test_pre_commit_runs_the_pinned_ruff():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"ruff==([\d.]+)", hooks) == [_pins()["ruff"]]


def test_the_citation_names_this_version():
    from bnkeras._version import __version__

    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
