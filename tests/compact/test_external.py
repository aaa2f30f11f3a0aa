"""Frozen weights of another origin than the seed: in a file of their own, known by its SHA-256."""

import hashlib
import pathlib
import shutil
import tempfile

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnkeras
from bnkeras.compact.manifest import read_manifest
from bnkeras.errors import ExportError

_TOKENS = np.array([[3, 7, 4, 0], [9, 0, 0, 0]], np.int32)


@pytest.fixture(scope="module")
def model(trained):
    """A network for tweets whose vectors are from elsewhere, as GloVe's are."""
    model = trained("tweet_lstm", vocabulary_size=30, embedding=12, units=5, seed=21)
    vectors = np.random.default_rng(0).normal(size=(30, 12)).astype(np.float32)
    model.get_layer("embedding").embeddings.assign(vectors)
    return model


@pytest.fixture(scope="module")
def vectors(model):
    return model.get_layer("embedding").embeddings.numpy()


@pytest.fixture
def export(model, tmp_path):
    return bnkeras.save_compact(
        model, tmp_path / "folder" / "export", external=["embedding/*"], external_origin="GloVe"
    )


@pytest.fixture
def file(export):
    """The file beside the export."""
    (file,) = (export.parent / "external").iterdir()
    return file


def _serve(export):
    served = tf.saved_model.load(str(export)).signatures["serving_default"]
    return served(tokens=tf.constant(_TOKENS))["logits"].numpy()


def test_it_lies_beside_the_export(export, file, vectors):
    content = vectors.astype("<f4").tobytes()
    assert file.read_bytes() == content
    assert file.name == f"{hashlib.sha256(content).hexdigest()}.f32"
    manifest = read_manifest(export)
    assert manifest.external.model_dump() == {
        "file": file.name,
        "bytes": 4 * 30 * 12,
        "sha256": file.stem,
        "origin": "GloVe",
    }
    assert [row.path for row in manifest.of("external")] == ["embedding/embeddings"]
    inside = [path for path in export.rglob("*") if path.is_file()]
    assert not any(content in path.read_bytes() for path in inside)
    assert file.name in (export / "assets" / "external.txt").read_text()


def test_it_can_be_copied_in(model, tmp_path, vectors, logits):
    export = bnkeras.save_compact(
        model, tmp_path / "export", external=["embedding/*"], copy_external=True
    )
    assert [path.name for path in tmp_path.iterdir()] == ["export"]
    manifest = read_manifest(export)
    assert (export / "assets" / manifest.external.file).read_bytes() == vectors.tobytes()
    assert manifest.external_inside == f"assets/{manifest.external.file}"
    moved = export.rename(tmp_path / "elsewhere")
    np.testing.assert_array_equal(_serve(moved), logits(model, _TOKENS))
    np.testing.assert_array_equal(
        bnkeras.load_compact(moved).get_layer("embedding").embeddings, vectors
    )
    assert bnkeras.verify_compact(moved)["largest_difference"] == 0.0
    # Resolved by name from inside: a damaged copy is the export's own damage.
    with (moved / manifest.external_inside).open("r+b") as stream:
        stream.write(b"\xff")
    with pytest.raises(ExportError, match=r"assets.*\.f32 is damaged"):
        bnkeras.load_compact(moved)


def test_exports_of_one_folder_share_it(export, file, model, trained):
    before = file.stat()
    other = bnkeras.save_compact(model, export.with_name("other"), external=["embedding/*"])
    assert list(file.parent.iterdir()) == [file]
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert read_manifest(other).external.sha256 == file.stem
    np.testing.assert_array_equal(_serve(other), _serve(export))


def test_a_damaged_file_is_written_again(export, file, model, vectors):
    file.write_bytes(bytes(len(vectors.tobytes())))
    # Of a process that was killed; the number is above all that Linux gives.
    file.with_name(f".{file.name}.partial-99999999").write_bytes(b"half")
    bnkeras.save_compact(model, export, external=["embedding/*"])
    assert file.read_bytes() == vectors.tobytes()
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("name", ["plain", "with space", "ünï", "a.b"])
def test_it_is_found_wherever_both_are_moved(export, tmp_path, model, logits, name, monkeypatch):
    folder = export.parent.rename(tmp_path / name)
    wanted = logits(model, _TOKENS)
    np.testing.assert_array_equal(_serve(folder / "export"), wanted)
    monkeypatch.chdir(folder)
    np.testing.assert_array_equal(_serve("export"), wanted)
    monkeypatch.chdir(folder / "export")
    np.testing.assert_array_equal(_serve("."), wanted)
    bnkeras.load_compact(".")


def test_a_link_to_an_export(export, tmp_path, model, logits):
    """TensorFlow looks beside the link; Python also where it leads to."""
    export.with_name("latest").symlink_to(export)
    np.testing.assert_array_equal(_serve(export.with_name("latest")), logits(model, _TOKENS))
    (tmp_path / "elsewhere").symlink_to(export)
    bnkeras.load_compact(tmp_path / "elsewhere")


def test_it_may_lie_among_the_assets_of_the_export(export, file, model, logits):
    shutil.move(file, export / "assets" / file.name)
    np.testing.assert_array_equal(_serve(export), logits(model, _TOKENS))
    assert bnkeras.verify_compact(export)["largest_difference"] == 0.0


def test_python_looks_where_it_is_told(export, file, vectors, tmp_path):
    glove = shutil.move(file, tmp_path / "glove.f32")
    for places in ([glove], [tmp_path / "nowhere", str(glove)]):
        loaded = bnkeras.load_compact(export, external=places)
        np.testing.assert_array_equal(loaded.get_layer("embedding").embeddings, vectors)
    folder = tmp_path / "weights"
    folder.mkdir()
    shutil.move(glove, folder / file.name)
    bnkeras.load_compact(export, [folder])


@pytest.mark.parametrize("link", [True, False], ids=["links", "copies"])
def test_the_graph_is_verified_with_a_file_that_lies_elsewhere(
    export, file, tmp_path, monkeypatch, link
):
    elsewhere = tmp_path / "elsewhere"
    file.parent.rename(elsewhere)
    if not link:
        monkeypatch.setattr(pathlib.Path, "symlink_to", _no_links)
    before = sorted(tmp_path.rglob("*"))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.chdir(export.parent)
    for places in ([elsewhere], iter([elsewhere / file.name])):
        assert bnkeras.verify_compact(export.name, places)["largest_difference"] == 0.0
    temporary.rmdir()  # it is empty again
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(tf.errors.InvalidArgumentError, match="missing or another one"):
        tf.saved_model.load(str(export))


def _no_links(*_):
    raise OSError("no links here")


def test_through_a_link_python_finds_it_and_the_graph_is_verified(export, tmp_path):
    (tmp_path / "link").symlink_to(export)
    assert bnkeras.verify_compact(tmp_path / "link")["largest_difference"] == 0.0


def test_where_it_is_missing_the_error_says_what_and_where(export, file, tmp_path):
    file.unlink()
    with pytest.raises(ExportError) as caught:
        bnkeras.load_compact(export, external=[tmp_path])
    message = str(caught.value)
    assert f"{export} needs {file.name} (GloVe): 1440 bytes of external weights" in message
    for place in (tmp_path / file.name, export / "assets" / file.name, file):
        assert f"{place} is not there" in message


@pytest.mark.parametrize("change", ["cut", "flipped"])
def test_another_file_of_that_name_is_refused(export, file, change):
    content = file.read_bytes()
    file.write_bytes(content[:-4] if change == "cut" else content[:-1] + b"\x00")
    fault = "has 1436 bytes" if change == "cut" else "has the SHA-256 "
    with pytest.raises(ExportError, match=fault):
        bnkeras.load_compact(export)


@pytest.mark.parametrize("change", ["missing", "cut", "flipped"])
def test_plain_tensorflow_refuses_too(export, file, change):
    content = file.read_bytes()
    file.write_bytes(content[:-4] if change == "cut" else content[:-1] + b"\x00")
    if change == "missing":
        file.unlink()
    message = rf"file of 1440 bytes, which is missing or another one: .*{file.name}"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        tf.saved_model.load(str(export))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:  # noqa: SIM117
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            tf.compat.v1.saved_model.load(session, ["serve"], str(export))


def _provenances(export):
    return {row.path: row.provenance for row in read_manifest(export).variables}


def test_star_is_all_that_is_frozen_and_neither_norm_nor_seeded(model, tmp_path):
    # The bias of the LSTM has too few values to be seeded, and the seed's values.
    provenances = _provenances(bnkeras.save_compact(model, tmp_path / "export", external=["*"]))
    external = {path for path, kind in provenances.items() if kind == "external"}
    assert external == {
        "embedding/embeddings",
        "lstm/lstm_cell/kernel",
        "lstm/lstm_cell/recurrent_kernel",
        "lstm/lstm_cell/bias",
        "output/kernel",
        "output/bias",
    }
    small = {path for path in external if path != "embedding/embeddings"}
    assert all(np.prod(v.shape) < 256 for v in model.variables if v.path in small)


def test_what_the_seed_gives_stays_seeded(trained, tmp_path):
    model = trained("tweet_lstm", vocabulary_size=30, embedding=12, units=5, seed=21)
    export = bnkeras.save_compact(model, tmp_path / "export", external=["embedding/*"])
    assert _provenances(export)["embedding/embeddings"] == "seeded"
    assert read_manifest(export).external is None
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


def test_several_variables_in_the_order_of_the_rows(model, tmp_path, vectors):
    export = bnkeras.save_compact(
        model, tmp_path / "export", external=["output/*", "embedding/*"], copy_external=True
    )
    output = model.get_layer("output")
    parts = [vectors, output.kernel.numpy(), output.bias.numpy()]
    content = b"".join(part.tobytes() for part in parts)
    manifest = read_manifest(export)
    assert (export / manifest.external_inside).read_bytes() == content
    assert bnkeras.verify_compact(export)["largest_difference"] == 0.0
    for mine, loaded in zip(model.weights, bnkeras.load_compact(export).weights, strict=True):
        np.testing.assert_array_equal(mine, loaded)


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["embeddings"], "No frozen variable of 'tweet_lstm' matches the pattern 'embeddings'"),
        (["embedding/*", "glove/*"], "matches the pattern 'glove/*'"),
        (["embedding*"], "'embedding_bn/gamma', which the pattern 'embedding*' matches, trains"),
        ("embedding/*", "external is a list of patterns of paths; received 'embedding/*'"),
    ],
)
def test_patterns_that_cannot_be(model, tmp_path, patterns, message):
    with pytest.raises(ExportError) as caught:
        bnkeras.save_compact(model, tmp_path / "export", external=patterns)
    assert message in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_an_export_is_not_called_as_the_folder_is(model, tmp_path):
    with pytest.raises(ExportError, match="is where external weights of exports beside it belong"):
        bnkeras.save_compact(model, tmp_path / "external", external=["embedding/*"])
    assert not list(tmp_path.iterdir())
    bnkeras.save_compact(model, tmp_path / "external", external=["embedding/*"], copy_external=True)


def test_an_integer_is_not_external(tmp_path):
    scale = keras.layers.Normalization(name="scale")
    model = keras.Sequential([keras.Input((4,)), scale, keras.layers.Dense(3, name="dense")])
    bnkeras.set_regime(model, [("*", "freeze")])
    with pytest.raises(ExportError, match=r"/scale/count', which .* matches, is int"):
        bnkeras.save_compact(model, tmp_path / "export", external=["*/scale/*"])
    bnkeras.save_compact(model, tmp_path / "export", external=["*"])


def test_a_backbone_beside_a_trained_head(tmp_path, logits):
    """All of a model's frozen weights at once, of which no seed is known."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(16, 3, use_bias=False, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, keras.layers.Dense(5, name="head")(x))
    bnkeras.set_regime(model, "bnoutput")
    export = bnkeras.save_compact(model, tmp_path / "export", external=["*"])
    manifest = read_manifest(export)
    assert manifest.seed is None
    assert [row.path for row in manifest.of("external")] == ["conv/kernel"]
    assert len(manifest.of("stored")) == 6
    images = np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype(np.float32)
    served = tf.saved_model.load(str(export)).signatures["serving_default"]
    np.testing.assert_allclose(
        served(image=tf.constant(images))["head"], logits(model, images), rtol=1e-5
    )
    loaded = bnkeras.load_compact(export)
    assert bnkeras.regime_of(loaded) == "bnoutput"
    for mine, other in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(mine, other)
    # Trained on and saved again, the backbone is the same file.
    bnkeras.save_compact(loaded, export, external=["*"])
    assert len(list((tmp_path / "external").iterdir())) == 1


def _set(*keys, value):
    def change(manifest):
        for key in keys[:-1]:
            manifest = manifest[key]
        manifest[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("external", value=None), "external: None with 1 external variables"),
        (_set("external", "file", value="../../secret.f32"), "is not called by its SHA-256"),
        (_set("external", "sha256", value="../../secret"), "'../../secret' is no SHA-256"),
        (_set("external", "bytes", value=1444), "the rows have another number of bytes"),
        (_set("variables", 0, 1, value=[31, 12]), "the rows have another number of bytes"),
        (_set("variables", 0, 2, value="int32"), "embedding/embeddings is int32 and external"),
        (_set("variables", 0, 4, value="normal(1)"), "is external with law normal(1)"),
        (_set("variables", 0, 5, value="0" * 16), "the manifest says 0000000000000000"),
    ],
)
def test_a_forged_manifest_is_refused(export, forge, change, message):
    forge(export, change)
    with pytest.raises(ExportError) as caught:
        bnkeras.load_compact(export)
    assert message in str(caught.value)
