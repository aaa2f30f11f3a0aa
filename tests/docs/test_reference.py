"""The reference has every public name, and what stands there is complete."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import griffe

import bnkeras
from bnkeras import errors

ROOT = Path(__file__).resolve().parents[2]
PAGES = {path.stem: path.read_text("utf-8") for path in (ROOT / "docs" / "api").glob("*.md")}
# A directive, its options, and the paragraph below.
ENTRY = re.compile(r"^::: (\S+)\n((?: .*\n)*)(?:\n(?!:::|#)(.+)\n)?", re.MULTILINE)
ENTRIES = {
    name: (options, told) for text in PAGES.values() for name, options, told in ENTRY.findall(text)
}
# What lists names for the use of other rooms alone.
INTERNAL = {"reporting", "studies.figures"}
ERRORS = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.BnkerasError)
}


def entry(package: griffe.Module, name: str) -> griffe.Object:
    found = package[name.removeprefix("bnkeras.")]
    found = found.final_target if found.is_alias else found
    # `bnkeras.training.run` is the function, which its module hides from griffe.
    return found.members.get(found.name, found) if found.is_module else found


def entries(package: griffe.Module) -> Iterator[tuple[str, griffe.Object]]:
    """Each name of the reference, methods that it shows included; not the rooms themselves."""
    for name, (options, _) in ENTRIES.items():
        found = entry(package, name)
        if found.is_module or found.is_attribute:
            continue
        yield name, found
        if found.is_class and "members: false" not in options:
            for method in found.members.values():
                if method.is_function and not method.name.startswith("_"):
                    yield f"{name}.{method.name}", method


def documented(found: griffe.Object, *kinds: str) -> dict[str, griffe.DocstringElement]:
    sections = found.docstring.parse(
        "google",
        returns_named_value=False,
        returns_multiple_items=False,
        warn_missing_types=False,
    )
    return {
        str(getattr(item, "name", item.annotation)).lstrip("*"): item
        for section in sections
        if section.kind.value in kinds
        for item in section.value
    }


def rooms(package: griffe.Module) -> list[str]:
    """The packages that list public names."""
    found = [package, *(module for module in package.modules.values() if module.is_init_module)]
    return [room.path for room in found if room.exports is not None and room is not package]


def test_every_public_name_has_an_entry(package):
    shown = {entry(package, name).path for name in ENTRIES}
    wanted = {f"bnkeras.{name}" for name in bnkeras._PUBLIC}
    for room in rooms(package):
        if room.removeprefix("bnkeras.") not in INTERNAL:
            names = [str(getattr(name, "name", name)) for name in entry(package, room).exports]
            wanted |= {f"{room}.{name}" for name in names}
    assert len(wanted) > 60
    # A room re-exports what another page shows.
    missing = {name for name in wanted - set(ENTRIES) if entry(package, name).path not in shown}
    assert not missing, f"add them to docs/api: {sorted(missing)}"


def test_what_editors_see_is_what_python_gives(package):
    seen = {
        name: member.target_path
        for name, member in package.members.items()
        if member.is_alias and member.target_path.startswith("bnkeras.") and name[0] != "_"
    }
    assert seen == {name: f"{module}.{name}" for name, module in bnkeras._PUBLIC.items()}


def test_every_error_is_shown(package):
    assert "bnkeras.errors" in ENTRIES
    shown = {name for name in ERRORS if not re.search(rf"!\^{name}", PAGES["errors"])}
    assert shown == ERRORS
    assert all(entry(package, f"bnkeras.errors.{name}").docstring for name in ERRORS)


def test_every_entry_has_a_summary(package):
    wrong = []
    for name, found in entries(package):
        lines = found.docstring.value.splitlines() if found.docstring else [""]
        if not lines[0].endswith((".", ":")) or (len(lines) > 1 and lines[1].strip()):
            wrong.append(name)
    assert not wrong, f"a first line that says what it is: {wrong}"


def test_every_constant_is_told(package):
    wrong = [
        name
        for name, (_, told) in ENTRIES.items()
        if entry(package, name).is_attribute and not told
    ]
    assert not wrong, f"a paragraph below the entry in docs/api: {wrong}"


def test_every_parameter_is_documented(package):
    wrong = []
    for name, found in entries(package):
        told = documented(found, "parameters", "attributes")
        for parameter in found.parameters:
            plain = parameter.name.lstrip("*")
            if plain in {"self", "cls", *told} or f"`{plain}`" in found.docstring.value:
                continue
            wrong.append(f"{name}({plain})")
    assert not wrong, f"in Args, or in backticks in the text: {wrong}"


def test_every_documented_parameter_exists(package):
    wrong = []
    for name, found in entries(package):
        parameters = {parameter.name.lstrip("*") for parameter in found.parameters}
        wrong += [f"{name}({told})" for told in documented(found, "parameters").keys() - parameters]
    assert not wrong


def raised(function: ast.FunctionDef, beside: dict[str, ast.FunctionDef], seen: set[str]):
    """The errors that a function and the private ones of its module that it calls raise."""
    for node in ast.walk(function):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield ast.unparse(node.exc.func).rpartition(".")[2]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = node.func.id
            if name.startswith("_") and name in beside and name not in seen:
                seen.add(name)
                yield from raised(beside[name], beside, seen)


def test_every_error_that_is_raised_is_documented(package):
    wrong, count = [], 0
    for name, found in entries(package):
        tree = ast.parse(found.filepath.read_text("utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        beside = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        makers = ("__init__", "__post_init__")
        places = (
            [found.members[maker].lineno for maker in makers if maker in found.members]
            if found.is_class
            else [found.lineno]
        )
        for node in functions:
            # Griffe counts a decorator to the function.
            if min([node.lineno, *(each.lineno for each in node.decorator_list)]) in places:
                found_errors = ERRORS.intersection(raised(node, beside, set()))
                count += len(found_errors)
                missing = found_errors - set(documented(found, "raises"))
                wrong += [f"{name}: {error}" for error in sorted(missing)]
    assert count > 30
    assert not wrong, f"in Raises: {wrong}"


def test_examples_are_code(package):
    def within(found: griffe.Object) -> Iterator[griffe.Object]:
        yield found
        for member in found.members.values():
            if not member.is_alias:
                yield from within(member)

    wrong = []
    for found in within(package):
        for section in found.docstring.parse("google", warnings=False) if found.docstring else ():
            if section.kind.value in ("text", "admonition"):
                text = section.value if section.kind.value == "text" else section.value.contents
                outside = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
                if re.search(r"^>>>", outside, flags=re.MULTILINE):
                    wrong.append(found.path)
    assert not wrong


def test_the_help_of_every_command_is_put_in(hooks):
    page = (ROOT / "docs" / "command_line.md").read_text("utf-8")
    assert page.count(hooks.HELP) == 1
    text = hooks.help_of_commands()
    headings = re.findall(r"^#+ `(.+)`$", text, flags=re.MULTILINE)
    assert {"bnkeras", "bnkeras recipe run", "bnkeras compact slim"} <= set(headings)
    assert "`--set KEY=VALUE`" in text
    assert "..." not in "".join(re.findall(r"^\* `\w+`: .*$", text, flags=re.MULTILINE))
