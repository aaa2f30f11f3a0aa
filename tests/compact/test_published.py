"""Trained networks by name: the index, where it lies, and what a probe refuses."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bnkeras
from bnkeras.compact.manifest import MANIFEST
from bnkeras.compact.published import index, located
from bnkeras.compact.published.probe import Probe, write_probe
from bnkeras.errors import ExportError, InputError
from bnkeras.settings import toml

NAME = "digits_resnet14_bnonly"
HERE = Path(__file__).parent


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of the index and of one network, in place of the checkout's."""
    copy = tmp_path / "saved_models"
    shutil.copytree(index.FOLDER / NAME, copy / NAME)
    shutil.copy(index.FOLDER / "index.toml", copy)
    monkeypatch.setattr(index, "FOLDER", copy)
    return copy


def test_a_name_is_found_in_the_checkout():
    assert located(NAME) == index.FOLDER / NAME
    assert Path(__file__).resolve().parents[2] / "saved_models" == index.FOLDER


@pytest.mark.parametrize("path", ["runs/mine", "./mine", f"saved_models/{NAME}", ".", "..", "a\\b"])
def test_a_path_is_left_as_it_is(path, monkeypatch):
    monkeypatch.setattr(index, "find_named", None)  # the index is not read
    assert located(path) == Path(path)


def test_a_path_imports_no_index():
    code = "import sys, bnkeras.compact.reader; print('bnkeras.settings' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_directory_goes_before_a_name(tmp_path, monkeypatch):
    (tmp_path / NAME).mkdir()
    monkeypatch.chdir(tmp_path)
    assert located(NAME) == located(Path(NAME)) == Path(NAME)
    with pytest.raises(InputError, match=f"{NAME} is no compact export"):
        bnkeras.load_compact(NAME)


def test_an_unknown_name_gets_the_choices():
    with pytest.raises(InputError) as caught:
        bnkeras.load_compact("resnet14_bnolny")
    message = str(caught.value)
    assert "no directory 'resnet14_bnolny'" in message
    assert "Did you mean 'resnet14_bnonly'?" in message
    assert "digits_resnet14_bnonly, resnet14_bnonly, resnet14_random2, mlp_bnoutput" in message
    assert "given by its path" in message


def test_a_package_without_a_checkout_has_none(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "FOLDER", tmp_path / "saved_models")
    with pytest.raises(InputError) as caught:
        bnkeras.load_compact(NAME)
    message = str(caught.value)
    assert f"no directory {NAME!r}" in message
    assert "come with the checkout" in message
    assert str(tmp_path / "saved_models" / "index.toml") in message
    assert "give the path of an export" in message


def test_a_network_that_is_not_there(folder):
    (folder / NAME / MANIFEST).unlink()
    with pytest.raises(ExportError, match=r"bnkeras.json is missing\. Put back .* checkout -- "):
        located(NAME)
    with pytest.raises(ExportError, match=r"'mlp_bnoutput', and .* is missing"):
        located("mlp_bnoutput")


def test_another_digest_is_refused(folder):
    digest = index.read_index()[NAME].digest
    changed = (folder / "index.toml").read_text().replace(digest, "ab" * 32)
    (folder / "index.toml").write_text(changed)
    with pytest.raises(ExportError) as caught:
        bnkeras.verify_compact(NAME)
    assert digest in str(caught.value)
    assert "ab" * 32 in str(caught.value)


def test_a_changed_file_is_refused(folder):
    file = folder / NAME / "variables" / "variables.data-00000-of-00001"
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)
    with pytest.raises(ExportError, match="is damaged: its SHA-256"):
        bnkeras.load_compact(NAME)


def test_a_task_is_refused_as_by_path():
    with pytest.raises(InputError, match="has no tasks; received the task 'letters'"):
        bnkeras.load_compact(NAME, task="letters")


def test_all_faults_of_an_index_are_told_at_once(folder):
    (folder / "index.toml").write_text(
        (folder / "index.toml").read_text()
        + '["Not a name"]\n[other]\nrecipe1 = "x"\nseed = -1\naccuracy = 143.9\n'
        'commits = ["abc"]\ndigest = "12"\n[[tables]]\n'
    )
    with pytest.raises(InputError) as caught:
        bnkeras.load_compact(NAME)
    message = str(caught.value)
    assert message.startswith(f"The index {folder / 'index.toml'} has ")
    for fault in (
        "Not a name: must be a name of lower-case letters",
        "other.recipe1: is not a setting; received \"x\". Did you mean 'recipe'?",
        "other.seed: must be an integer, 0 to 2^64 − 1; received -1",
        "other.accuracy: must be a percentage, 0 to 100; received 143.9",
        'other.commits: must be a list of commits, each of 40 hexadecimal digits; received ["abc"]',
        'other.digest: must be a SHA-256 of 64 hexadecimal digits; received "12"',
        "other.command: is missing; it must be text that is not empty",
        "tables: must be a table; received ",
    ):
        assert fault in message


def test_a_table_is_read_as_it_is_written():
    networks = index.read_index()
    text = "\n".join(network.to_toml(name) for name, network in networks.items())
    again, faults = index.check(toml.tomllib.loads(text))
    assert (again, faults) == (networks, [])


def test_a_name_is_no_folder_of_probes():
    assert index.is_name("resnet14_bnonly")
    assert not any(map(index.is_name, ("probes", "", "14", "a-b", "A", "a/b", "ä")))


def test_a_probe_tells_what_differs():
    logits = np.eye(4, dtype=np.float32)
    # The last two of its logits are a close call.
    logits[3, 2] = 0.9999
    probe = Probe(np.zeros((4, 2, 2, 1), np.uint8), np.arange(4), logits)
    probe.check(logits + 5e-4, right=4)
    probe.check(logits, right=3)
    with pytest.raises(ExportError, match=r"4 of 4 answers are right, and 2 were; 1 are close"):
        probe.check(logits, right=2)
    with pytest.raises(ExportError, match=r"differ from those that were kept by 0\.002 of"):
        probe.check(logits + 2e-3, right=4)
    with pytest.raises(ExportError, match="differ from those that were kept by nan"):
        probe.check(logits * np.nan, right=4)
    with pytest.raises(ExportError, match=r"shape \(3, 4\), not \(4, 4\)"):
        probe.check(logits[:3], right=3)


def test_examples_are_written_once(folder):
    probe = Probe(np.zeros((4, 2, 2, 1), np.uint8), np.arange(4), np.eye(4, dtype=np.float32))
    write_probe("one", "mine-12345678", probe)
    write_probe("two", "mine-12345678", probe)
    other = Probe(probe.inputs + np.uint8(1), probe.labels, probe.logits)
    with pytest.raises(ExportError, match=r"mine-12345678\.npz holds other examples"):
        write_probe("three", "mine-12345678", other)
    assert not (folder / "probes" / "three.npz").exists()


_LOAD = f"""
import json, sys
sys.path.insert(0, {str(HERE / "fresh")!r})
import no_tensorflow
import numpy as np
import bnkeras

model = bnkeras.load_compact({NAME!r})
logits = np.asarray(model(np.load("inputs.npy"), training=False)).tolist()
others = ("tensorflow", "bnkeras.training", "bnkeras.pipelines")
print(json.dumps([logits, [name for name in others if name in sys.modules]]))
"""


def test_on_jax_from_another_folder(tmp_path):
    pytest.importorskip("jax")
    inputs = np.random.default_rng(0).normal(size=(3, 8, 8, 1)).astype(np.float32)
    np.save(tmp_path / "inputs.npy", inputs)
    done = subprocess.run(
        [sys.executable, "-c", _LOAD],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    logits, imported = json.loads(done.stdout)
    assert imported == []
    wanted = bnkeras.load_compact(NAME)(inputs, training=False)
    np.testing.assert_allclose(logits, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
