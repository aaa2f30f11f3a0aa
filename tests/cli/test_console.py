"""What a file of somebody else says, shown on a terminal."""

import hashlib
import json

import pytest

import bnkeras
from bnkeras.cli.console import visible

# ESC and the C1 controls begin commands to a terminal, U+202E turns the text behind it around,
# and what follows a line's end looks like a line of this program.
NAME = "\x1b]0;owned\x07\x1b[2Jcat\x9b31m\u202e\r\nfiles        ok: all is well"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """An export with such names wherever one may be."""
    model = bnkeras.build("mlp", hidden=(20,), input_shape=(8, 8, 1), seed=3)
    export = bnkeras.save_compact(model, tmp_path_factory.mktemp("hostile") / "export")
    file = export / "assets.extra" / "bnkeras.json"
    manifest = json.loads(file.read_text())["manifest"]
    manifest["class_names"] = [NAME]
    manifest["architecture"]["name"] = NAME
    manifest["versions"] = {NAME: NAME}
    manifest["inputs"][0]["name"] = NAME
    manifest["files"][NAME] = {"bytes": 1, "sha256": NAME}
    manifest["training"] = {"result": {"recipe": NAME + "\ud800"}}
    manifest["regime"] = NAME
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    file.write_text(f'{{"sha256":"{digest}",\n"manifest":{text}}}\n')
    return export


@pytest.mark.parametrize("arguments", [["inspect"], ["inspect", "--json"], ["verify"]])
def test_names_do_not_command_the_terminal(call_bnkeras, hostile, arguments):
    code, out, err = call_bnkeras("compact", *arguments, hostile)
    assert code == (1 if arguments == ["verify"] else 0)
    shown = out + err
    assert "\\u202e" in shown
    assert not set(shown) & {"\x1b", "\x07", "\x9b", "\r", "\u202e", "\ud800"}
    if arguments == ["inspect"]:
        assert not any(line.startswith("files") for line in out.splitlines())


def test_json_says_what_the_names_are(call_bnkeras, hostile):
    _, out, _ = call_bnkeras("compact", "inspect", hostile, "--json")
    assert json.loads(out)["class_names"] == [NAME]
    assert json.loads(out)["recipe"] == NAME + "\ud800"


def test_what_can_be_seen_stays():
    for text in ("für γ und β", "猫 🐈", "[bold]a[/]", "two\nlines", "C:\\new"):
        assert visible(text) == text
    assert visible("a\tb\u200dc\U000e0001") == "a\\tb\\u200dc\\U000e0001"
