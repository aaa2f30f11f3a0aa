"""`bnkeras compact list` and `publish`, and names where the other subcommands take a path."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest

from bnkeras.compact.published import index

NAME = "digits_resnet14_bnonly"


@pytest.fixture
def run(call_bnkeras):
    return partial(call_bnkeras, "compact")


def test_list_for_people(run):
    code, out, err = run("list")
    assert (code, err) == (0, "")
    table, hint = out.split("\n\n")
    head, *rows = (line.split() for line in table.splitlines())
    assert head == ["name", "trained", "dataset", "accuracy", "bytes"]
    assert rows[0] == [NAME, "1,120", "of", "174,970", "digits", "89.44%", "100,471"]
    assert [row[0] for row in rows] == list(index.read_index())
    assert 'bnkeras.load_compact("NAME")' in hint


def test_list_as_json(run):
    code, out, _ = run("list", "--json")
    assert code == 0
    row = next(row for row in json.loads(out) if row["name"] == "resnet14_bnonly")
    assert row["command"].startswith("bnkeras recipe run resnet14_bnonly --set train.epochs=20 ")
    assert row["commits"] == ["be8b3594dbc2682529c9935786246036a4529b04"]
    assert (row["accuracy"], row["examples"], row["seed"]) == (43.92, 10_000, 0)


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ("list", "bnkeras compact list --json"),
        ("publish", "bnkeras compact publish runs/resnet56_bnonly --as resnet56_bnonly"),
        ("inspect", "bnkeras compact inspect resnet14_bnonly"),
        ("verify", "bnkeras compact verify resnet14_bnonly"),
        ("expand", "bnkeras compact expand resnet14_bnonly"),
    ],
)
def test_help_gives_examples(run, command, example):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert example in out


@pytest.mark.parametrize("command", ["inspect", "verify", "expand"])
def test_an_unknown_name(run, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(command, "digits_resnet14_bnolny")
    assert (code, out) == (2, "")
    assert f"Did you mean '{NAME}'?" in err


def test_without_a_checkout(run, tmp_path, monkeypatch):
    monkeypatch.setattr(index, "FOLDER", tmp_path)
    code, out, err = run("list")
    assert (code, out) == (2, "")
    assert "come with the checkout" in err


def test_names_from_another_folder(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("inspect", NAME, "--json")
    assert (code, json.loads(out)["path"]) == (0, str(index.FOLDER / NAME))
    code, out, _ = run("verify", NAME)
    assert code == 0
    assert out.count(" ok: ") == 6
    code, out, _ = run("expand", NAME)
    assert code == 0
    code, out, _ = run("slim", NAME, "--out", "small", "--no-test", "--json")
    assert (code, json.loads(out)["path"]) == (0, str(index.FOLDER / NAME))
    # Nothing is written beside the network itself.
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{NAME}.keras",
        f"{NAME}.weights.h5",
        "small",
    ]


def test_publish(run, tmp_path, monkeypatch):
    from bnkeras import publishing

    network = index.read_index()[NAME]
    given = []
    monkeypatch.setattr(publishing, "publish", lambda *all_: given.append(all_) or network)
    code, out, _ = run("publish", tmp_path, "--as", "mine", "--data-dir", tmp_path / "data")
    assert code == 0
    assert given == [(tmp_path, "mine", tmp_path / "data")]
    facts = dict(line.split(None, 1) for line in out.splitlines())
    assert facts == {
        "wrote": f"{index.FOLDER / 'mine'}, 100,471 bytes",
        "accuracy": "89.44% of 360 test examples",
        "probe": "60 of its examples right",
        "command": "bnkeras recipe run digits_resnet14_bnonly --seed 0",
    }
    code, out, _ = run("publish", tmp_path, "--as", "mine", "--json")
    assert json.loads(out)["digest"] == network.digest


def test_what_is_no_run(run, tmp_path):
    code, out, err = run("publish", tmp_path, "--as", "mine")
    assert (code, out) == (2, "")
    assert f"{tmp_path} is no finished run" in err


def test_a_changed_network_is_refused(run, tmp_path, monkeypatch):
    copy = Path(shutil.copytree(index.FOLDER / NAME, tmp_path / NAME))
    shutil.copy(index.FOLDER / "index.toml", tmp_path)
    monkeypatch.setattr(index, "FOLDER", tmp_path)
    with (copy / "assets.extra" / "bnkeras.json").open("a") as manifest:
        manifest.write("\n")
    code, _, err = run("inspect", NAME)
    assert code == 1
    assert index.read_index()[NAME].digest in err
