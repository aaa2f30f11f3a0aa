"""Loading an export as a Keras model; exports that are forged with a right SHA-256."""

import hashlib
import tracemalloc

import keras
import numpy as np
import pytest

import bnkeras
from bnkeras.compact import contents
from bnkeras.compact.digests import values_digest
from bnkeras.compact.manifest import read_manifest
from bnkeras.errors import ExportError, RoundingWarning
from bnkeras.models.variables import grouped_variables
from bnkeras.regimes import REGIMES


@pytest.mark.parametrize("regime", REGIMES)
def test_it_is_ready_to_train_on(small, tmp_path, regime):
    saved = small(seed=8, regime=regime)
    model = bnkeras.load_compact(bnkeras.save_compact(saved, tmp_path / "export"))
    assert model is not saved
    assert bnkeras.regime_of(model) == regime
    wanted = {variable.path for variable in saved.trainable_variables}
    assert {variable.path for variable in model.trainable_variables} == wanted

    before = {entry.path: entry.variable.numpy() for entry in grouped_variables(saved)}
    for path, _, variable in grouped_variables(model):
        assert np.array_equal(variable.numpy(), before[path]), path
    model.compile(
        keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    images = np.random.default_rng(0).normal(size=(16, 8, 8, 1)).astype(np.float32)
    model.train_on_batch(images, np.arange(16) % 10)
    for path, group, variable in grouped_variables(model):
        moves = path in wanted or group.value == "statistics"
        same = np.array_equal(variable.numpy(), before[path])
        assert same is not moves, path


def test_training_on_and_saving_again(small, tmp_path, perturb):
    export = bnkeras.save_compact(small(seed=8), tmp_path / "export")
    model = perturb(bnkeras.load_compact(export), 77)
    bnkeras.save_compact(model, export)
    again = bnkeras.load_compact(export)
    for variable, other in zip(model.variables, again.variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), other.numpy())
    assert len(read_manifest(export).of("seeded")) == 9


def test_a_selection_made_by_hand_is_no_regime(small, tmp_path):
    model = small()
    model.get_layer("stem_bn").gamma.trainable = False
    export = bnkeras.save_compact(model, tmp_path / "export")
    assert read_manifest(export).regime is None
    assert bnkeras.regime_of(bnkeras.load_compact(export)) == "all"


def test_a_network_of_another_global_policy(small, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    export = bnkeras.save_compact(small(), tmp_path / "export")
    keras.config.set_dtype_policy("float32")
    model = bnkeras.load_compact(export)
    assert model.get_layer("stem_conv").compute_dtype == "bfloat16"
    assert bnkeras.verify_compact(export)["largest_difference"] == 0.0


# Forged exports. Each has a manifest with a right SHA-256.


def _row(manifest, path):
    return next(row for row in manifest["variables"] if row[0] == path)


def _refused(export, *parts):
    with pytest.raises(ExportError) as caught:
        bnkeras.load_compact(export)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["../secret", "variables/../../secret", "/etc/hostname", "..\\secret", "C:\\secret", "C:x"],
)
def test_a_path_out_of_the_export(export, forge, name):
    (export.parent / "secret").write_bytes(b"secret")

    def listed(manifest):
        sha256 = hashlib.sha256(b"secret").hexdigest()
        manifest["files"] = {name: {"bytes": 6, "sha256": sha256}, **manifest["files"]}

    forge(export, listed)
    _refused(export, f"the manifest names a file outside of the export: {name!r}")

    def stored(manifest):
        manifest["stored"]["file"] = name

    forge(export, stored)
    _refused(export, f"the manifest names a file outside of the export: {name!r}")


@pytest.mark.parametrize("name", ["", ".", "variables", "\0", "nowhere"])
def test_a_path_that_is_no_file(export, forge, name):
    def listed(manifest):
        manifest["files"][name] = {"bytes": 6, "sha256": "0"}

    forge(export, listed)
    _refused(export, "is missing" if name else "by a roundabout way")


def _claim(path, shape):
    def change(manifest):
        _row(manifest, path)[1] = shape

    return change


def _build_with(**arguments):
    def change(manifest):
        manifest["architecture"]["arguments"].update(arguments)

    return change


def _both(*changes):
    def change(manifest):
        for one in changes:
            one(manifest)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_claim("stem_bn/gamma", [10**6, 10**6]), "claims a network of 1000000"),
        (_claim("stem_conv/kernel", [10**6, 10**6]), "claims a network of 1000000"),
        (_claim("group1_block0_conv1/kernel", [2**30]), "of shape (3, 3, 16, 16) is not among"),
        (_claim("stem_bn/gamma", [2**30]), "ends before the 1073743306 stored values"),
        (_claim("stem_bn/gamma", [15]), "'stem_bn/gamma' of shape (16,) is not among"),
        (_claim("stem_bn/moving_mean", [15]), "'stem_bn/moving_mean' has the shape (15,)"),
        (_build_with(width=10**6), "of shape (3, 3, 1, 16000000) is not among the expected ones"),
        (_build_with(width=1e300), "cannot be built"),
        (_build_with(depth=6 * 10**9 + 2), "group1_block1_conv1/kernel"),
        (_build_with(classes=10**12), "'output/kernel' of shape (64, 1000000000000)"),
        (_build_with(input_shape=[8, 8, 10**12]), "of shape (3, 3, 1000000000000, 16)"),
        (
            _both(_build_with(width=2**24), _claim("stem_conv/kernel", [3, 3, 1, 2**28])),
            "claims a network of 2415",
        ),
    ],
)
def test_no_memory_for_what_is_only_claimed(export, forge, change, message):
    forge(export, change)
    tracemalloc.start()
    try:
        _refused(export, message)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50e6


def test_no_memory_for_values_beyond_the_file(export, forge):
    """When the file of stored values is damaged, its rows are read before the network is built."""

    def change(manifest):
        _row(manifest, "stem_bn/gamma")[1] = [2**28]
        manifest["files"][manifest["stored"]["file"]]["sha256"] = "0" * 64

    forge(export, change)
    _refused(export, "ends before the 268436938")


@pytest.mark.parametrize(
    ("offset", "message"),
    [(10**5, "ends before the"), (10**18, "ends before the"), (10**30, "should be less than")],
)
def test_an_offset_beyond_the_file(export, forge, offset, message):
    def change(manifest):
        manifest["stored"]["offset"] = offset

    forge(export, change)
    _refused(export, message)


def test_another_offset(export, forge):
    def change(manifest):
        manifest["stored"]["offset"] += 4

    forge(export, change)
    _refused(export, "has the digest", "The stored values were changed")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_build_with(depth=9), "6n + 2"),
        (_build_with(depth="8"), "6n + 2"),
        (_build_with(depth=None), "6n + 2"),
        (_build_with(depth=True), "6n + 2"),
        (_build_with(dtype="float128"), "float128"),
        (_build_with(features="he_norml"), "Did you mean 'he_normal'?"),
        (_build_with(input_shape=8), "input_shape"),
        (_build_with(layers=3), "takes no argument 'layers'"),
        (lambda m: m["architecture"].update(name="os.system"), "No network 'os.system'"),
        (lambda m: m["architecture"].update(name="mlp"), "mlp takes no argument"),
        (_both(_build_with(seed=-1), lambda m: m.update(seed=-1)), "seed: Input should be greater"),
        (_build_with(depth=14), "group1_block1_conv1/kernel"),
        (_build_with(width=2), "'stem_conv/kernel' of shape (3, 3, 1, 32)"),
        (_build_with(classes=11), "'output/kernel' of shape (64, 11)"),
        (lambda m: m.update(regime="bnolny"), "No regime 'bnolny'"),
        (lambda m: m.update(regime=""), "No regime ''"),
    ],
)
def test_a_network_that_cannot_be(export, forge, change, message):
    forge(export, change)
    _refused(export, str(export), message)


def test_a_regime_that_the_network_does_not_have(trained, forge, tmp_path):
    export = bnkeras.save_compact(
        trained("mlp", hidden=(8,), input_shape=(8, 8, 1)), tmp_path / "e"
    )
    forge(export, lambda manifest: manifest.update(regime="bnshortcutoutput"))
    _refused(export, "'bnshortcutoutput' has a rule for shortcut variables")


@pytest.mark.parametrize("generator", [{"version": 2}, {"version": 0}, {"name": "mt19937"}])
def test_another_generator(export, forge, generator):
    forge(export, lambda manifest: manifest["generator"].update(generator))
    (value,) = generator.values()
    version = read_manifest(export).versions["bnkeras"]
    _refused(export, str(value), f"Install the version of bnkeras that wrote it: {version}")


def test_another_seed_regenerates_other_values(export, forge):
    forge(export, _both(_build_with(seed=6), lambda manifest: manifest.update(seed=6)))
    _refused(
        export,
        "'group1_block0_conv1/kernel'",
        "'he_normal' regenerated other values than it was saved with",
    )


def test_another_digest_of_a_seeded_variable(export, forge):
    def change(manifest):
        row = _row(manifest, "group2_block0_conv2/kernel")
        row[5] = "0123456789abcdef"
        seeded = [other for other in manifest["variables"] if other[3] == "seeded"]
        manifest["projections"][seeded.index(row)] *= 1.001

    forge(export, change)
    _refused(
        export,
        "'group2_block0_conv2/kernel'",
        "the manifest says 0123456789abcdef",
        "other values than it was saved with, and not by rounding",
    )


def test_a_seeded_variable_that_rounds_otherwise_is_told_apart(export, forge, monkeypatch):
    """Another digest, and a projection that is the same but for rounding."""
    wanted = bnkeras.load_compact(export).get_layer("group2_block0_conv2").kernel.numpy()

    def change(manifest):
        _row(manifest, "group2_block0_conv2/kernel")[5] = values_digest(np.nextafter(wanted, 9))

    forge(export, change)
    with pytest.warns(RoundingWarning, match="'group2_block0_conv2/kernel' regenerates to other"):
        model = bnkeras.load_compact(export)
    np.testing.assert_array_equal(model.get_layer("group2_block0_conv2").kernel, wanted)


def test_another_law_of_a_seeded_variable(export, forge):
    def change(manifest):
        _row(manifest, "group2_block0_conv2/kernel")[4] = "binary"

    forge(export, change)
    _refused(export, "the law of the variable 'group2_block0_conv2/kernel' is binary", "he_normal")


def test_a_variable_too_few(export, forge):
    forge(export, lambda manifest: manifest["variables"].pop())
    _refused(export, "output/bias")


def test_a_variable_too_many(export, forge):
    def change(manifest):
        manifest["variables"].append(["more/kernel", [0], "float32", "stored", None, "0"])

    forge(export, change)
    _refused(export, "the network has no variable 'more/kernel'")


def test_stored_rows_in_another_order(export, forge):
    def change(manifest):
        rows = manifest["variables"]
        gamma, beta = (rows.index(_row(manifest, f"stem_bn/{name}")) for name in ("gamma", "beta"))
        rows[gamma], rows[beta] = rows[beta], rows[gamma]

    forge(export, change)
    _refused(export, "'stem_bn/beta'", "The stored values were changed")


def test_the_largest_network_is_below_the_limit():
    # ResNet-200 for ImageNet has 65 million parameters.
    assert contents._MOST_VALUES > 30 * 65e6
