"""The trained networks of the repository: loaded by name for ever, and as good as they say."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bnkeras
from bnkeras import publishing
from bnkeras.compact.digests import file_digest
from bnkeras.compact.manifest import MANIFEST, read_manifest
from bnkeras.compact.published import index
from bnkeras.compact.published.probe import EXAMPLES, Probe, read_probe
from bnkeras.compact.verify import keras_logits
from bnkeras.errors import ExportError
from bnkeras.pipelines import evaluation_batches, find, load_split
from bnkeras.recipe import WITHOUT_EFFECT, from_settings, load

FOLDER = Path(__file__).resolve().parents[1] / "saved_models"
NETWORKS = index.read_index()

_SERVE = """
import sys
from pathlib import Path

sys.modules["bnkeras"] = sys.modules["keras"] = None
import numpy as np
import tensorflow as tf

saved_models, folder = map(Path, sys.argv[1:])
for file in folder.glob("*.npy"):
    inputs = np.load(file)
    signature = tf.saved_model.load(str(saved_models / file.stem)).signatures["serving_default"]
    (name,) = signature.structured_input_signature[1]
    np.savez(file.with_suffix(".npz"), signature(**{name: tf.constant(inputs)})["logits"])
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> dict[str, np.ndarray]:
    """What each network gives for its probe by plain TensorFlow, in a process of its own."""
    folder = tmp_path_factory.mktemp("served")
    for name, network in NETWORKS.items():
        np.save(folder / f"{name}.npy", _inputs(name, read_probe(name, network), serving=True))
    subprocess.run([sys.executable, "-c", _SERVE, FOLDER, folder], check=True, cwd=folder)
    return {name: np.load(folder / f"{name}.npz")["arr_0"] for name in NETWORKS}


def _inputs(name: str, probe: Probe, serving: bool) -> np.ndarray:
    """Return the examples as the network takes them, or as its serving signature does."""
    manifest = read_manifest(FOLDER / name)
    if serving and manifest.front is not None:
        return probe.inputs
    return np.asarray(publishing.network_inputs(FOLDER / name, manifest, probe.inputs))


def test_there_are_some():
    assert list(NETWORKS)[:4] == [
        "digits_resnet14_bnonly",
        "resnet14_bnonly",
        "resnet14_random2",
        "mlp_bnoutput",
    ]


def test_the_folder_has_what_the_index_has():
    there = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
    probes = {f"probes/{file}.npz" for name, one in NETWORKS.items() for file in (name, one.probe)}
    files = {
        f"{name}/{file}"
        for name in NETWORKS
        for file in (*read_manifest(FOLDER / name).files, MANIFEST.as_posix())
    }
    assert there == {"index.toml", "README.md", *probes, *files}


def test_it_is_small():
    assert publishing.folder_bytes(FOLDER) < publishing.MOST_BYTES_IN_ALL == 5_000_000
    assert max(network.bytes for network in NETWORKS.values()) <= publishing.MOST_BYTES


def test_the_readme_has_the_table_of_the_index():
    assert publishing.table(NETWORKS) in (FOLDER / "README.md").read_text("utf-8")


def test_each_network_has_a_recipe_of_the_same_settings():
    for name, network in NETWORKS.items():
        manifest = read_manifest(FOLDER / name)
        trained = from_settings(manifest.training["recipe"], name)
        recipe = load(network.recipe, network.set, network.seed)
        assert not set(recipe.differences(trained)) - set(WITHOUT_EFFECT), name
        assert network.command == publishing.command(network.recipe, network.set, network.seed)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_what_the_index_says(name):
    network, manifest = NETWORKS[name], read_manifest(FOLDER / name)
    result = manifest.training["result"]
    assert network.digest == file_digest(FOLDER / name / MANIFEST)
    assert network.bytes == publishing.folder_bytes(FOLDER / name)
    assert (network.seed, network.regime) == (manifest.seed, manifest.regime)
    assert network.recipe == result["recipe"]
    assert network.accuracy == round(100 * result["test_accuracy"], 2)
    assert {"dataset": network.dataset, "source": network.source} == {
        "dataset": result["dataset"]["name"],
        "source": result["dataset"]["source"],
    }
    assert network.probe == f"{network.dataset}-{result['dataset']['sha256'][:8]}"


@pytest.mark.parametrize("name", NETWORKS)
def test_it_gives_what_it_gave(name, served):
    network = NETWORKS[name]
    probe = read_probe(name, network)
    assert len(probe.inputs) == len(probe.labels) == len(probe.logits) == EXAMPLES == 64
    assert probe.right(probe.logits) == network.right
    model = bnkeras.load_compact(name)
    counts = bnkeras.parameter_counts(model)
    assert (network.trained, network.parameters) == (counts["trainable"], counts["total"])
    inputs = _inputs(name, probe, serving=False)
    for logits in (served[name], keras_logits(model, inputs)):
        probe.check(logits, network.right)
    # The check sees a tenth more of one γ.
    gamma = next(variable for variable in model.weights if variable.path.endswith("gamma"))
    largest = np.argmax(np.abs(gamma.numpy()))
    gamma.assign(gamma.numpy() * np.where(np.arange(gamma.shape[0]) == largest, 1.1, 1))
    with pytest.raises(ExportError, match=r"logits of 64 examples differ .* of the largest"):
        probe.check(keras_logits(model, inputs), network.right)


def test_a_copy_with_another_gamma_is_refused(tmp_path, monkeypatch):
    name = "digits_resnet14_bnonly"
    network, probe = NETWORKS[name], read_probe(name, NETWORKS[name])
    model = bnkeras.load_compact(name)
    model.get_layer("stem_bn").gamma.assign(model.get_layer("stem_bn").gamma.numpy() * 1.1)
    shutil.copy(FOLDER / "index.toml", tmp_path)
    copy = bnkeras.save_compact(model, tmp_path / name)
    monkeypatch.setattr(index, "FOLDER", tmp_path)
    with pytest.raises(ExportError) as caught:
        bnkeras.load_compact(name)
    assert network.digest in str(caught.value)
    assert file_digest(copy / MANIFEST) in str(caught.value)
    logits = keras_logits(bnkeras.load_compact(copy), _inputs(name, probe, serving=False))
    with pytest.raises(ExportError, match="differ from those that were kept"):
        probe.check(logits, network.right)


def test_the_digits_are_as_accurate_on_all_test_images(tmp_path):
    network = NETWORKS["digits_resnet14_bnonly"]
    prepared = find("digits", tmp_path)
    split = load_split(prepared, "test")
    batches = evaluation_batches(split, prepared.spec, batch_size=len(split))
    ((images, labels, _),) = batches
    logits = keras_logits(bnkeras.load_compact("digits_resnet14_bnonly"), images)
    accuracy = 100 * np.mean(logits.argmax(axis=1) == labels.numpy())
    assert len(split) == network.examples
    # Another machine may sum in another order, which may turn a close call or two.
    assert accuracy == pytest.approx(network.accuracy, abs=200 / 360)
