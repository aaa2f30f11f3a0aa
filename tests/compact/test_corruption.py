"""Damage to an export is refused, with the file named."""

import random
import shutil

import numpy as np
import pytest

import bnkeras
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
    import tensorflow as tf

    manifest = read_manifest(victim)
    content = (victim / manifest.stored.file).read_bytes()
    count = sum(row.size for row in manifest.of("stored"))
    dice = random.Random(0)
    for _ in range(5):
        position = manifest.stored.offset + dice.randrange(4 * count)
        damage(manifest.stored.file, _flip(content, position, dice.randrange(8)))
        with pytest.raises(tf.errors.DataLossError, match="Checksum does not match"):
            tf.saved_model.load(str(victim))


def test_two_hundred_random_damages(victim, damage):
    """Each file is hit as often as the others, at random places, by random bytes or cuts."""
    dice = random.Random(0)
    contents = {name: (victim / name).read_bytes() for name in FILES}
    for _ in range(200):
        name = dice.choice(FILES)
        content = contents[name]
        position = dice.randrange(len(content))
        if dice.random() < 0.25:
            changed = content[:position]
        else:
            byte = dice.choice([value for value in range(256) if value != content[position]])
            changed = content[:position] + bytes([byte]) + content[position + 1 :]
        damage(name, changed)
        _assert_refused(victim, name)
        damage(name, content)


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


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_place_of_a_file(victim, tmp_path, name):
    export = shutil.copytree(victim, tmp_path / "export")
    (export / name).unlink()
    (export / name).mkdir()
    with pytest.raises((ExportError, InputError), match=r"missing|no compact export"):
        bnkeras.load_compact(export)


def test_more_files_do_no_harm(victim, tmp_path):
    """TensorFlow Serving takes warm-up requests from the extra assets."""
    export = shutil.copytree(victim, tmp_path / "export")
    (export / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"")
    bnkeras.load_compact(export)
