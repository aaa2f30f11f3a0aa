"""Damage to an export is refused, with the file named."""

import json
import os
import random
import shutil
import signal
from contextlib import suppress

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnkeras
from bnkeras.compact import reader
from bnkeras.compact.manifest import MANIFEST, read_manifest
from bnkeras.errors import ExportError, InputError

FILES = [
    "assets.extra/bnkeras.json",
    "fingerprint.pb",
    "saved_model.pb",
    "variables/variables.data-00000-of-00001",
    "variables/variables.index",
]


@pytest.fixture(scope="module")
def victim(small, tmp_path_factory):
    """An export whose manifest has all fields filled; every test leaves it whole."""
    export = bnkeras.save_compact(
        small(seed=6),
        tmp_path_factory.mktemp("victim") / "export",
        class_names=[f"Ziffer {i} für mich" for i in range(10)],
        preprocessing={"scale": "unit"},
        training={"result": {"test_accuracy": 0.123, "loss": 1e-7}},
    )
    yield export
    bnkeras.load_compact(export)


@pytest.fixture
def damage(victim):
    """Write other bytes to a file of the export; afterwards it is as it was."""
    kept = {}

    def _damage(name, content):
        file = victim / name
        kept.setdefault(file, file.read_bytes())
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)

    yield _damage
    for file, content in kept.items():
        file.write_bytes(content)


def _assert_refused(export, name):
    with pytest.raises(ExportError) as caught:
        bnkeras.load_compact(export)
    assert str(export / name) in str(caught.value) or "has format version" in str(caught.value)
    return str(caught.value)


def test_these_are_the_files(victim):
    files = [str(file.relative_to(victim)) for file in victim.rglob("*") if file.is_file()]
    assert sorted(files) == FILES


@pytest.mark.parametrize("name", FILES[1:])
def test_a_file_is_missing(victim, damage, name):
    damage(name, None)
    assert "is missing. Copy the export again" in _assert_refused(victim, name)


def test_the_manifest_is_missing(victim, damage):
    damage(MANIFEST, None)
    with pytest.raises(InputError, match="is no compact export"):
        bnkeras.load_compact(victim)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("left", [0, 1, -1])
def test_a_file_is_cut(victim, damage, name, left):
    content = (victim / name).read_bytes()
    cut = content[:left]
    damage(name, cut)
    message = _assert_refused(victim, name)
    if name != str(MANIFEST):
        assert f"has {len(cut)} bytes; it was written with {len(content)}" in message


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_longer(victim, damage, name):
    damage(name, (victim / name).read_bytes() + b"\n")
    _assert_refused(victim, name)


def _flip(content, position, bit):
    return content[:position] + bytes([content[position] ^ 1 << bit]) + content[position + 1 :]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("position", [0, 0.5, -1])
def test_one_bit_is_flipped(victim, damage, name, position):
    content = (victim / name).read_bytes()
    position = position if isinstance(position, int) else int(position * len(content))
    damage(name, _flip(content, position % len(content), 0))
    _assert_refused(victim, name)


def test_every_byte_around_the_manifest_proper_counts(victim, damage):
    """Also where another byte is white space, or an escape of the same letter."""
    content = (victim / MANIFEST).read_bytes()
    start = content.index(b'\n"manifest":') + 13
    escape = content.index(b"\\u00fc") + 5
    for position in [*range(start), escape, *range(len(content) - 4, len(content))]:
        for bit in range(8):
            damage(MANIFEST, _flip(content, position, bit))
            _assert_refused(victim, MANIFEST)


def test_changed_values_are_named(victim, damage):
    manifest = read_manifest(victim)
    name = manifest.stored.file
    content = (victim / name).read_bytes()
    position = manifest.stored.offset
    starts = {}
    for row in manifest.of("stored"):
        starts[row.path] = position
        position += 4 * row.size
    for path in ("stem_conv/kernel", "group2_block0_bn1/gamma", "output/bias"):
        damage(name, _flip(content, starts[path] + 2, 3))
        assert f"and the values of '{path}' changed. Copy" in _assert_refused(victim, name)
    both = _flip(_flip(content, starts["stem_bn/beta"], 0), starts["output/bias"], 0)
    damage(name, both)
    assert "and the values of 'stem_bn/beta' and 1 more changed" in _assert_refused(victim, name)
    # The checkpoint's own records lie behind the values: no variable is to blame.
    damage(name, _flip(content, len(content) - 1, 0))
    assert "the values of" not in _assert_refused(victim, name)


def test_plain_tensorflow_refuses_changed_values_too(victim, damage):
    manifest = read_manifest(victim)
    content = (victim / manifest.stored.file).read_bytes()
    count = sum(row.size for row in manifest.of("stored"))
    dice = random.Random(0)
    for _ in range(5):
        position = manifest.stored.offset + dice.randrange(4 * count)
        damage(manifest.stored.file, _flip(content, position, dice.randrange(8)))
        with pytest.raises(tf.errors.DataLossError, match="Checksum does not match"):
            tf.saved_model.load(str(victim))


def _config_of_keras(folder, small, trained):
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3), name="image"),
            keras.layers.Conv2D(32, 3, name="conv"),
            keras.layers.BatchNormalization(name="bn"),
        ]
    )
    return bnkeras.save_compact(bnkeras.reseed(model, 3), folder / "export")


def _front_and_external(folder, small, trained):
    """An export with assets: the file that a front reads, and external weights."""
    words = folder / "words.txt"
    words.write_text("one\ntwo\nthree\n")

    class Words(tf.Module):
        spec = tf.TensorSpec([None], tf.string, "text")

        def __init__(self):
            super().__init__()
            source = tf.lookup.TextFileInitializer(
                str(words), tf.string, 0, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
            )
            self.table = tf.lookup.StaticHashTable(source, -1)

        def __call__(self, texts):
            return tf.cast(2 + self.table.lookup(texts), tf.int32)[:, None]

    model = trained("tweet_lstm", vocabulary_size=20, embedding=6, units=3, seed=21)
    vectors = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    model.get_layer("embedding").embeddings.assign(vectors)
    return bnkeras.save_compact(
        model, folder / "export", front=Words(), external=["embedding/*"], copy_external=True
    )


def _tasks(folder, small, trained):
    models = {"one": small(seed=6), "two": small(seed=6, values=1)}
    return bnkeras.save_compact(models, folder / "export")


def _of_build(folder, small, trained):
    return bnkeras.save_compact(small(seed=6, regime="random2"), folder / "export")


# What is damaged, with the arguments that load it.
KINDS = {_of_build: {}, _config_of_keras: {}, _front_and_external: {}, _tasks: {"task": "two"}}
DAMAGES = 1000 // len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__.strip("_"))
def test_a_thousand_random_damages(kind, tmp_path, small, trained):
    """Each file is hit as often as the others, at random places, by random bytes or cuts.

    None is read: that each is refused says that none gives other outputs.
    """
    dice = random.Random(kind.__name__)
    export = kind(tmp_path, small, trained)
    files = {file: file.read_bytes() for file in export.rglob("*") if file.is_file()}
    hit = {file: content for file, content in files.items() if content}
    assert export / MANIFEST in hit
    for _ in range(DAMAGES):
        file = dice.choice(sorted(hit))
        content = files[file]
        position = dice.randrange(len(content))
        if dice.random() < 0.25:
            changed = content[:position]
        else:
            byte = dice.choice([value for value in range(256) if value != content[position]])
            changed = content[:position] + bytes([byte]) + content[position + 1 :]
        file.write_bytes(changed)
        with pytest.raises(ExportError) as caught:
            bnkeras.load_compact(export, **KINDS[kind])
        assert str(file) in str(caught.value) or "has format version" in str(caught.value)
        file.write_bytes(content)
    bnkeras.load_compact(export, **KINDS[kind])


@pytest.mark.exhaustive
def test_what_plain_tensorflow_makes_of_damages(pristine, tmp_path, in_fresh_process):
    """It ends neither itself nor never; values have a checksum, the graph has none.

    Of 1,000 damages to a graph 895 were refused, 102 changed no output, and three did.
    """
    checked = "variables/variables.data-00000-of-00001,variables/variables.index,fingerprint.pb"
    found = json.loads(in_fresh_process("damaged.py", pristine, tmp_path, checked, 200))
    assert found["refused"] > 100
    assert found["refused"] + found["same"] == 200
    found = json.loads(in_fresh_process("damaged.py", pristine, tmp_path, "saved_model.pb", 200))
    assert found["refused"] > 150
    assert found.get("other", 0) < 10


def test_damages_that_leave_the_manifest_readable(victim, damage):
    """A digit for a digit, a letter for a letter: the JSON stays what it was, but for a value."""
    content = (victim / MANIFEST).read_bytes()
    places = [i for i, byte in enumerate(content) if chr(byte).isalnum()]
    dice = random.Random(1)
    read = 0
    for position in dice.sample(places, 150):
        old = chr(content[position])
        new = dice.choice([c for c in ("0123456789" if old.isdigit() else "abcdefz") if c != old])
        changed = content[:position] + new.encode() + content[position + 1 :]
        damage(MANIFEST, changed)
        with suppress(ValueError, KeyError):
            read += isinstance(json.loads(changed)["manifest"], dict)
        _assert_refused(victim, MANIFEST)
    assert read > 100


@pytest.fixture
def at_once():
    """Fail a test that takes more than ten seconds, as one that waits for a pipe does."""

    def stop(*_):
        pytest.fail("it does not end")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _pipe(file):
    os.mkfifo(file)


def _loop(file):
    file.symlink_to(file)


def _endless(file):
    file.symlink_to("/dev/zero")


def _folder(file):
    file.mkdir()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("make", [_pipe, _loop, _endless, _folder])
def test_something_else_in_place_of_a_file(victim, tmp_path, at_once, name, make):
    export = shutil.copytree(victim, tmp_path / "export")
    (export / name).unlink()
    make(export / name)
    with pytest.raises((ExportError, InputError), match=r"missing|no compact export"):
        bnkeras.load_compact(export)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_a_terabyte(victim, tmp_path, at_once, name):
    """It takes no space, and would take an hour to read."""
    export = shutil.copytree(victim, tmp_path / "export")
    try:
        os.truncate(export / name, 2**40)
    except OSError as error:
        pytest.skip(f"this file system has no such files: {error}")
    message = _assert_refused(export, name)
    assert f"has {2**40} bytes" in message


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_may_not_be_read(victim, tmp_path, name):
    export = shutil.copytree(victim, tmp_path / "export")
    (export / name).chmod(0)
    assert "cannot be read" in _assert_refused(export, name)


@pytest.mark.parametrize("step", ["check_claims", "_build"])
def test_a_file_that_is_cut_while_it_is_read(victim, tmp_path, monkeypatch, step):
    export = shutil.copytree(victim, tmp_path / "export")
    original = getattr(reader, step)

    def cut(*args, **kwargs):
        os.truncate(export / read_manifest(export).stored.file, 100)
        return original(*args, **kwargs)

    monkeypatch.setattr(reader, step, cut)
    with pytest.raises(ExportError, match="ends before"):
        bnkeras.load_compact(export)


def test_values_that_changed_with_all_digests_of_files(victim, forge, tmp_path):
    """A forger who forgets the digests of the variables."""
    export = shutil.copytree(victim, tmp_path / "export")
    manifest = read_manifest(export)
    file = export / manifest.stored.file
    values = np.fromfile(file, np.uint8)
    values[manifest.stored.offset + 3] ^= 1
    values.tofile(file)

    def change(fields):
        from bnkeras.compact.digests import file_digest

        fields["files"][manifest.stored.file]["sha256"] = file_digest(file)

    forge(export, change)
    with pytest.raises(ExportError, match="'stem_conv/kernel' has the digest"):
        bnkeras.load_compact(export)


def test_more_files_do_no_harm(victim, tmp_path):
    """TensorFlow Serving takes warm-up requests from the extra assets."""
    export = shutil.copytree(victim, tmp_path / "export")
    (export / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"")
    bnkeras.load_compact(export)
