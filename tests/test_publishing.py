"""A finished run becomes one of the trained networks of the checkout."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import bnkeras
from bnkeras import publishing
from bnkeras.compact.published import index
from bnkeras.compact.published.probe import Probe, read_probe
from bnkeras.compact.verify import keras_logits
from bnkeras.errors import BnkerasError, DataError, ExportError, InputError
from bnkeras.pipelines import ImageFront, find
from bnkeras.publishing import publish
from bnkeras.recipe import load

RECIPE = ("digits_resnet14_bnonly", ('data.scale="unit"', "train.epochs=1"), 7)
# What the README has behind its table stays.
_REST = "\nText.\n\n| another |\n| --- |\n"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    return find("digits", tmp_path_factory.mktemp("data")).data_dir


@pytest.fixture(scope="module")
def export(data_dir, tmp_path_factory) -> Path:
    """The export of the run, which takes raw pixels."""
    recipe, spec = load(*RECIPE), find("digits", data_dir).spec
    model = bnkeras.build(recipe.model.network, seed=recipe.seed, **recipe.model.build_arguments())
    return bnkeras.save_compact(
        bnkeras.set_regime(model, "bnonly"),
        tmp_path_factory.mktemp("export") / "export",
        front=ImageFront(spec, (8, 8, 1), scale="unit"),
        preprocessing={"scale": "unit"},
    )


@pytest.fixture
def run(tmp_path, write_run, export, data_dir) -> Path:
    """The directory of a run that nobody trained."""
    path = write_run(tmp_path / "run", load(*RECIPE), accuracy=0.125)
    shutil.copytree(export, path / "export")
    prepared = find("digits", data_dir)
    source = {"name": "digits", "source": prepared.source, "sha256": prepared.sha256}
    _change(path / "result.json", {"recipe": RECIPE[0], "dataset": source})
    _change(path / "environment.json", {"git": {"commit": "01" * 20, "dirty": False}})
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder of trained networks without any."""
    copy = tmp_path / "saved_models"
    copy.mkdir()
    (copy / "index.toml").write_text("# Trained networks.\n")
    (copy / "README.md").write_text(f"# Ours\n\n| name |\n| --- |\n{_REST}")
    monkeypatch.setattr(index, "FOLDER", copy)
    return copy


def _change(file: Path, values: dict) -> None:
    content = json.loads(file.read_text())
    (content[-1] if isinstance(content, list) else content).update(values)
    file.write_text(json.dumps(content))


def _files(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_it_is_published(run, folder, data_dir):
    network = publish(run, "ours", data_dir)
    assert index.read_index() == {"ours": network}
    assert (folder / "index.toml").read_text().startswith("# Trained networks.\n\n[ours]\nrecipe =")
    assert (network.recipe, network.set, network.seed) == RECIPE
    assert network.command == (
        "bnkeras recipe run digits_resnet14_bnonly --set 'data.scale=\"unit\"' "
        "--set train.epochs=1 --seed 7"
    )
    assert (network.accuracy, network.examples) == (12.5, 360)
    assert network.commits == ("01" * 20,)
    assert _files(folder / "ours").keys() == {
        name.replace(str(run / "export"), str(folder / "ours")) for name in _files(run / "export")
    }
    assert network.bytes == sum(map(len, _files(run / "export").values()))
    assert (folder / "README.md").read_text() == (
        f"# Ours\n\n{publishing.table({'ours': network})}{_REST}"
    )
    probe = read_probe("ours", network)
    assert (probe.inputs.shape, probe.inputs.dtype) == ((64, 8, 8, 1), np.uint8)
    model = bnkeras.load_compact("ours")
    probe.check(keras_logits(model, probe.inputs.astype(np.float32) / 255), network.right)
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_second_one_takes_the_same_examples(run, folder, data_dir):
    first = publish(run, "ours", data_dir)
    _change(run / "environment.json", {"git": {"commit": "23" * 20, "dirty": False}})
    second = publish(run, "theirs", data_dir)
    assert list(index.read_index()) == ["ours", "theirs"]
    assert first.probe == second.probe
    assert sorted(path.name for path in (folder / "probes").iterdir()) == [
        f"{first.probe}.npz",
        "ours.npz",
        "theirs.npz",
    ]


def test_a_name_is_taken_once(run, folder, data_dir):
    publish(run, "ours", data_dir)
    with pytest.raises(InputError, match=r"has 'ours'\. A published network stays what it is"):
        publish(run, "ours", data_dir)


@pytest.mark.parametrize("name", ["Ours", "our-s", "probes", "a/b", ""])
def test_a_name_has_its_letters(run, folder, name):
    with pytest.raises(InputError, match=f"lower-case letters.* received '{name}'"):
        publish(run, name)


def _unfinished(run, monkeypatch):
    (run / "result.json").unlink()


def _large(run, monkeypatch):
    monkeypatch.setattr(publishing, "MOST_BYTES", 10_000)


def _many(run, monkeypatch):
    monkeypatch.setattr(publishing, "MOST_BYTES_IN_ALL", 20_000)


def _dirty(run, monkeypatch):
    _change(run / "environment.json", {"git": {"commit": "01" * 20, "dirty": True}})


def _elsewhere(run, monkeypatch):
    _change(run / "environment.json", {"git": None})


def _damaged(run, monkeypatch):
    (run / "export" / "saved_model.pb").write_bytes(b"")


def _without_export(run, monkeypatch):
    shutil.rmtree(run / "export")


def _other_data(run, monkeypatch):
    source = {"name": "digits", "source": "scikit-learn", "sha256": "ab" * 32}
    _change(run / "result.json", {"dataset": source})


def _own_recipe(run, monkeypatch):
    _change(run / "result.json", {"recipe": "digits_mine"})


def _untyped(run, monkeypatch):
    _change(run / "result.json", {"test_accuracy": 2.0})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_unfinished, "run is no finished run: there is no result.json in it"),
        (_large, "the repository takes networks of at most 10,000"),
        (_many, "it has at most 20,000"),
        (_dirty, "was trained by files that are no commit"),
        (_elsewhere, "was trained by files that are no commit"),
        (_damaged, "saved_model.pb has 0 bytes"),
        (_without_export, "export does not exist"),
        (_other_data, "not prepared with the fingerprint 'abababababababab'"),
        (_own_recipe, "'digits_mine'"),
        (_untyped, "ours.accuracy: must be a percentage, 0 to 100; received 200.0"),
    ],
)
def test_what_is_refused_leaves_nothing(run, folder, data_dir, monkeypatch, spoil, message):
    spoil(run, monkeypatch)
    before = _files(folder)
    with pytest.raises(BnkerasError) as caught:
        publish(run, "ours", data_dir)
    assert message in str(caught.value)
    assert _files(folder) == before
    assert not (folder / "ours").exists()


def test_a_graph_of_another_network_is_refused(run, folder, data_dir, monkeypatch):
    def other(self, logits, right):
        raise ExportError("The logits differ")

    monkeypatch.setattr(Probe, "check", other)
    before = _files(folder)
    with pytest.raises(ExportError, match="The logits differ"):
        publish(run, "ours", data_dir)
    assert _files(folder) == before


def test_texts_are_kept_as_bytes(tmp_path, monkeypatch):
    texts = np.array([b"a", "γ and β".encode(), b"@you  see "], object)
    split = SimpleNamespace(texts=texts, labels=np.arange(3))
    monkeypatch.setattr(publishing, "load_texts", lambda *_: split)
    inputs, labels = publishing._examples(_prepared("texts"))
    np.savez_compressed(tmp_path / "texts.npz", inputs=inputs, labels=labels)
    with np.load(tmp_path / "texts.npz") as arrays:
        assert arrays["inputs"].tolist() == texts.tolist()
        assert arrays["labels"].tolist() == [0, 1, 2]


def test_photographs_are_too_large():
    with pytest.raises(DataError, match="of small images or of texts; mine has jpegs"):
        publishing._examples(_prepared("jpegs"))


def _prepared(kind):
    return SimpleNamespace(spec=SimpleNamespace(kind=kind, name="mine"))
