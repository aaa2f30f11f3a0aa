"""`bnkeras compact inspect` and `bnkeras compact verify`."""

import json
import shutil
import subprocess
import sys
from functools import partial

import pytest

COMMAND = [sys.executable, "-m", "bnkeras.cli.main", "compact"]


@pytest.fixture
def run(call_bnkeras):
    return partial(call_bnkeras, "compact")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """An export as a run writes it."""
    import bnkeras

    model = bnkeras.build("resnet_cifar", depth=14, input_shape=(8, 8, 1), seed=3)
    return bnkeras.save_compact(
        bnkeras.set_regime(model, "bnoutput"),
        tmp_path_factory.mktemp("recorded") / "export",
        class_names=["[bold]zero[/]", "one"],
        preprocessing={"scale": "channel", "mean": [0.3], "std": [0.4]},
        training={"recipe": {"seed": 3}, "result": {"recipe": "mine", "test_accuracy": 0.7225}},
    )


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """An export of a network by hand."""
    import bnkeras

    model = bnkeras.build("mlp", hidden=(20,), input_shape=(8, 8, 1), seed=2**64 - 1)
    return bnkeras.save_compact(model, tmp_path_factory.mktemp("bare") / "export")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """An export of a subclassed model behind a front, with external weights."""
    import keras
    import numpy as np
    import tensorflow as tf

    import bnkeras

    class Mine(keras.Model):
        def __init__(self):
            super().__init__(name="mine")
            self.dense = keras.layers.Dense(32, name="dense")
            self.bn = keras.layers.BatchNormalization(name="bn")

        def call(self, x):
            return self.bn(self.dense(x))

    class Lengths(tf.Module):
        spec = tf.TensorSpec([None], tf.string, "text")

        def __call__(self, texts):
            return tf.cast(tf.strings.length(texts)[:, None] + tf.range(16), tf.float32)

    model = Mine()
    model(np.ones((2, 16), np.float32))
    return bnkeras.save_compact(
        bnkeras.set_regime(model, "bnonly"),
        tmp_path_factory.mktemp("foreign") / "export",
        front=Lengths(),
        external=["*"],
        external_origin="a backbone",
    )


def test_inspect_for_people(run, recorded):
    code, out, err = run("inspect", recorded)
    assert (code, err) == (0, "")
    facts = dict(line.split(None, 1) for line in out.split("\n\n")[0].splitlines())
    assert facts["network"].startswith("resnet_cifar(")
    assert "depth=14" in facts["network"]
    assert "input_shape=[8, 8, 1]" in facts["network"]
    image = "image float32 [?, 8, 8, 1]"
    logits = "logits float32 [?, 10], probabilities float32 [?, 10]"
    assert facts["signature"] == f"{image} -> {logits}"
    assert facts["seed"] == "3"
    assert facts["generator"] == "philox4x32-10/quantile16 version 1"
    assert facts["regime"] == "bnoutput"
    assert facts["classes"] == "[bold]zero[/], one"
    assert facts["inputs"] == "mean=[0.3], scale='channel', std=[0.4]"
    assert facts["recipe"] == "mine"
    assert facts["accuracy"] == "72.25% of the test images"
    assert "tensorflow 2." in out
    rows = {line.split()[0]: line.split() for line in out.split("\n\n")[1].splitlines()}
    # The stem's kernel has too few values. The output layer's is as seeded: nothing was trained.
    assert rows["seeded"] == ["seeded", "15", "173,696", "694,784", "0", "0.0%"]
    assert rows["stored"][:5] == ["stored", "62", "2,394", "9,576", "9,576"]
    assert rows["external"] == ["external", "0", "0", "0", "0", "0.0%"]
    assert not {"front", "external", "loads"} & set(facts)
    size = sum(file.stat().st_size for file in recorded.rglob("*") if file.is_file())
    assert f"{size:,} bytes in all: " in out
    assert out.endswith(" of the 704,360 bytes that all values take in float32.\n")


def test_inspect_as_json(run, recorded):
    code, out, _ = run("inspect", recorded, "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["arguments"]["input_shape"] == [8, 8, 1]
    assert facts["class_names"] == ["[bold]zero[/]", "one"]
    assert facts["test_accuracy"] == 0.7225
    assert facts["recipe"] == "mine"
    assert facts["provenance"][0] == {
        "provenance": "seeded",
        "variables": 15,
        "values": 173_696,
        "float32_bytes": 694_784,
        "stored_bytes": 0,
        "share": 0.0,
    }
    sizes = {
        str(file.relative_to(recorded)): file.stat().st_size
        for file in recorded.rglob("*")
        if file.is_file()
    }
    assert {row["file"]: row["bytes"] for row in facts["files"]} == sizes
    assert facts["bytes"] == sum(sizes.values())
    assert sum(row["share"] for row in facts["files"]) == pytest.approx(1)
    assert facts["ratio"] == facts["bytes"] / facts["float32_bytes"]


def test_inspect_of_what_is_not_recorded(run, bare):
    code, out, _ = run("inspect", bare)
    assert code == 0
    facts = dict(line.split(None, 1) for line in out.split("\n\n")[0].splitlines())
    assert facts["seed"] == "18446744073709551615"
    assert facts["classes"] == facts["inputs"] == facts["recipe"] == "not recorded"
    assert facts["regime"] == "all"
    assert "accuracy" not in facts


def test_inspect_of_a_model_of_another_origin(run, foreign):
    code, out, _ = run("inspect", foreign)
    assert code == 0
    facts = dict(line.split(None, 1) for line in out.split("\n\n")[0].splitlines())
    assert facts["network"] == "mine"
    assert facts["loads"].startswith("only into a model: The configuration holds 'Mine' of ")
    assert facts["front"] == "text string [?] -> outputs float32 [?, 32]"
    assert facts["signature"] == "inputs float32 [?, 16] -> outputs float32 [?, 32]"
    assert facts["seed"] == "none"
    (file,) = (foreign.parent / "external").iterdir()
    assert facts["external"] == f"a backbone, 2,176 bytes, in {file}"
    rows = {line.split()[0]: line.split() for line in out.split("\n\n")[1].splitlines()}
    assert rows["external"] == ["external", "2", "544", "2,176", "0", "0.0%"]

    _, out, _ = run("inspect", foreign, "--json")
    facts = json.loads(out)
    assert (facts["arguments"], facts["rebuilt"], facts["seed"]) == (None, False, None)
    assert facts["front"] == {"name": "text", "dtype": "string", "shape": [None]}
    assert facts["inputs"] == [{"name": "inputs", "dtype": "float32", "shape": [None, 16]}]
    assert facts["external"]["found"] == str(file)


def test_inspect_where_the_external_weights_are_missing(run, foreign, tmp_path):
    export = shutil.copytree(foreign, tmp_path / "export")
    _, out, _ = run("inspect", export, "--json")
    external = json.loads(out)["external"]
    assert external["found"] is None
    _, out, _ = run("inspect", export)
    assert f"a backbone, 2,176 bytes, missing: {external['file']}" in out
    shutil.copy(foreign.parent / "external" / external["file"], export / "assets")
    _, out, _ = run("inspect", export)
    assert f"in {export / 'assets' / external['file']}" in out


def test_verify_looks_where_it_is_told(run, tmp_path):
    import keras

    import bnkeras

    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(32, name="dense")], name="m")
    bnkeras.set_regime(model, [("*", "freeze")])
    export = bnkeras.save_compact(model, tmp_path / "export", external=["*"])
    assert run("verify", export)[0] == 0
    (tmp_path / "external").rename(tmp_path / "elsewhere")
    code, out, err = run("verify", export)
    assert code == 1
    assert "variables    failed" in out
    assert "external weights" in err
    code, out, err = run("verify", export, "--external", tmp_path / "elsewhere")
    assert (code, err) == (0, "")
    assert "2 external ones have the recorded digests" in out
    assert "graph        ok: its outputs of 8 probe inputs are" in out


def test_inspect_reads_the_manifest_alone(recorded, tmp_path):
    export = shutil.copytree(recorded, tmp_path / "export")
    shutil.rmtree(export / "variables")
    code = (
        "import sys; from typer.testing import CliRunner; from bnkeras.cli.main import app\n"
        f"done = CliRunner().invoke(app, ['compact', 'inspect', {str(export)!r}])\n"
        "assert done.exit_code == 0 and 'bnoutput' in done.output, done.output\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_verify_for_people(run, recorded):
    code, out, err = run("verify", recorded)
    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["manifest", "ok:"],
        ["files", "ok:"],
        ["variables", "ok:"],
        ["weights", "ok:"],
        ["graph", "ok:"],
        ["probe", "ok:"],
    ]
    assert "15 regenerated from seed 3 and 62 stored ones" in out
    assert "weights      ok: the graph regenerates 15 bit for bit\n" in out
    assert "its logits of 8 probe images are the rebuilt network's, bit for bit\n" in out
    assert "the outputs are those that were saved, within " in out


def test_verify_as_json(run, bare):
    code, out, err = run("verify", bare, "--json")
    assert (code, err) == (0, "")
    verdict = json.loads(out)
    assert verdict["verified"] is True
    assert (verdict["failed"], verdict["error"]) == (None, None)
    assert verdict["passed"]["files"]["files"] == 4
    count = {"variables": 8, "seeded": 1, "stored": 7, "external": 0}
    assert verdict["passed"]["variables"] == count
    assert verdict["passed"]["graph"] == {"probes": 8, "largest_difference": 0.0}


@pytest.fixture
def damaged(bare, tmp_path):
    export = shutil.copytree(bare, tmp_path / "export")
    file = export / "variables" / "variables.data-00000-of-00001"
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)
    return export


def test_verify_says_what_failed(run, damaged):
    code, out, err = run("verify", damaged)
    assert code == 1
    assert [line.split(None, 1)[1].split(":")[0] for line in out.splitlines()] == [
        "ok",
        "failed",
        "not checked",
        "not checked",
        "not checked",
        "not checked",
    ]
    assert out.splitlines()[1].split()[0] == "files"
    (line,) = err.splitlines()
    assert line.startswith("bnkeras: ")
    assert "variables.data-00000-of-00001 is damaged" in line
    assert "and the values of 'hidden1_dense/bias' changed" in line


def test_verify_says_what_failed_as_json(run, damaged):
    code, out, err = run("verify", damaged, "--json")
    assert code == 1
    verdict = json.loads(out)
    assert verdict["verified"] is False
    assert verdict["failed"] == "files"
    assert list(verdict["passed"]) == ["manifest"]
    assert err == f"bnkeras: {verdict['error']}\n"


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_there_is_no_export(run, tmp_path, command):
    code, out, err = run(command, tmp_path / "nowhere")
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert f"{tmp_path / 'nowhere'} does not exist. A compact export is a directory" in line
    (tmp_path / "file").write_text("")
    _, _, err = run(command, tmp_path / "file")
    assert f"{tmp_path / 'file'} is no compact export." in err


def test_a_fresh_process_is_quiet(bare):
    done = subprocess.run([*COMMAND, "verify", bare], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 6


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_help_gives_examples(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"bnkeras compact {command} saved_models/mine" in out
