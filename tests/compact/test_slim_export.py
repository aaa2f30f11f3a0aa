"""Exports of slim networks: seed, plan and what is left, in the same bits everywhere."""

import json
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import bnkeras
from bnkeras.compact.manifest.slim import SlimNorm, slimmed_from
from bnkeras.compact.slim.slimming import slim
from bnkeras.errors import ExportError
from bnkeras.models.variables import is_batch_norm, layers_of

THRESHOLD = 0.01


@pytest.fixture(scope="module")
def thin():
    """Give about half of the channels of a network a small γ, and all an own β."""

    def _thin(model, seed=7):
        random = np.random.default_rng(seed)
        for layer in filter(is_batch_norm, layers_of(model)):
            gamma = random.uniform(0.3, 1, layer.gamma.shape)
            gamma[random.random(gamma.shape) < 0.5] *= THRESHOLD / 2
            layer.gamma.assign(gamma)
            layer.beta.assign(random.normal(0, 0.3, gamma.shape))
        return model

    return _thin


@pytest.fixture(scope="module")
def slimmed(small, thin):
    """A slim ResNet of seed 3, some of whose channels are merged, others removed."""
    network, report = slim(thin(small(seed=3)), THRESHOLD)
    assert any(entry.merged for entry in report.plan)
    assert any(entry.removed for entry in report.plan)
    return network


@pytest.fixture(scope="module")
def exported(slimmed, tmp_path_factory):
    return bnkeras.save_compact(slimmed, tmp_path_factory.mktemp("slim") / "export")


@pytest.fixture
def copied(exported, tmp_path):
    """A copy of `exported` to change."""
    import shutil

    return Path(shutil.copytree(exported, tmp_path / "export"))


def manifest_of(export):
    return json.loads((export / "assets.extra" / "bnkeras.json").read_text())["manifest"]


def assert_same_variables(one, other):
    for a, b in zip(one.variables, other.variables, strict=True):
        assert a.path == b.path
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def images(count=5, size=8, seed=0):
    return np.random.default_rng(seed).normal(0, 1, (count, size, size, 1)).astype(np.float32)


def test_load_gives_the_slim_network_back(slimmed, exported, tmp_path):
    loaded = bnkeras.load_compact(exported)
    assert_same_variables(loaded, slimmed)
    assert bnkeras.regime_of(loaded) == "bnonly"
    assert slimmed_from(loaded) == slimmed_from(slimmed)
    # Saved again, it is the same export.
    again = manifest_of(bnkeras.save_compact(loaded, tmp_path / "again"))
    assert again["variables"] == manifest_of(exported)["variables"]
    assert again["slim"] == manifest_of(exported)["slim"]


def test_kernels_are_seeded_and_the_architecture_is_that_of_the_full_network(exported):
    manifest = manifest_of(exported)
    assert manifest["architecture"]["name"] == "resnet_cifar"
    assert manifest["slim"]["threshold"] == THRESHOLD
    cut = 0
    for path, shape, _, provenance, law, _ in manifest["variables"]:
        if path.endswith("kernel") and np.prod(shape) >= 256:
            assert (provenance, law) == ("seeded", "he_normal")
            cut += any(size % 16 for size in shape[2:] if size > 1)
    assert cut >= 5  # two of each block, but for those that are stored


def test_the_graph_gives_the_same_bits(slimmed, exported, logits):
    found = bnkeras.verify_compact(exported)
    assert found["largest_difference"] == 0.0
    assert found["rounded"] == 0
    served = tf.saved_model.load(exported).signatures["serving_default"]
    given = served(image=images())["logits"].numpy()
    np.testing.assert_array_equal(given, logits(slimmed, images()))


def test_two_thresholds_share_nothing_wrong(slimmed, exported, small, thin, tmp_path, logits):
    """In one session of TensorFlow 1, where weights of one name are one."""
    other, _ = slim(thin(small(seed=3), seed=8), THRESHOLD)
    networks = {exported: slimmed, bnkeras.save_compact(other, tmp_path / "other"): other}
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        loaded = []
        for index, path in enumerate(networks):
            meta = v1.saved_model.load(session, ["serve"], str(path), import_scope=f"n{index}")
            loaded.append(meta.signature_def["serving_default"])
        outputs = [
            session.run(
                f"n{index}/{signature.outputs['logits'].name}",
                {f"n{index}/{signature.inputs['image'].name}": images()},
            )
            for index, signature in enumerate(loaded)
        ]
    for given, network in zip(outputs, networks.values(), strict=True):
        np.testing.assert_array_equal(given, logits(network, images()))


def foreign(name):
    """A model of Keras' own layers, flattened before its last one, with layers named twice."""
    inputs = keras.Input((6, 6, 2), name="image")
    x = layers.Conv2D(24, 3, padding="same", name="one")(inputs)
    x = layers.ReLU()(layers.BatchNormalization(name="one_bn")(x))
    x = layers.Conv2D(20, 3, strides=2, name="two")(layers.ZeroPadding2D(1)(x))
    x = layers.Activation("tanh")(layers.BatchNormalization(name="two_bn")(x))
    x = layers.Dense(50, name="three")(layers.Flatten()(x))
    x = layers.ReLU()(layers.BatchNormalization(name="three_bn")(x))
    return keras.Model(inputs, layers.Dense(4, name="output")(x), name=name)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"external": ["*"]},
        pytest.param({"storage": "float16"}, marks=pytest.mark.exhaustive),
        pytest.param({"weights": "full"}, marks=pytest.mark.exhaustive),
    ],
)
def test_models_of_another_origin(thin, tmp_path, options):
    model = bnkeras.reseed(foreign("functional"), 9)
    if "external" in options:
        model.get_layer("three").kernel.assign(0.9 * model.get_layer("three").kernel)
    network, report = slim(bnkeras.set_regime(thin(model), "bnonly"), THRESHOLD)
    assert {entry.norm for entry in report.plan} == {"one_bn", "two_bn", "three_bn"}
    export = bnkeras.save_compact(network, tmp_path / "export", **options)
    kinds = {row[0]: row[3] for row in manifest_of(export)["variables"]}
    seeded = {"two/kernel", "three/kernel"}  # what is left of the first has few values
    found = {path for path, kind in kinds.items() if kind == "seeded"}
    if "weights" in options:
        assert not found
    else:
        assert found >= seeded - ({"three/kernel"} if "external" in options else set())
    if "external" in options:
        assert kinds["three/kernel"] == "external"
    if "storage" in options:
        for layer in filter(is_batch_norm, layers_of(network)):
            for variable in layer.variables:
                variable.assign(variable.numpy().astype(np.float16))
    assert_same_variables(bnkeras.load_compact(export), network)
    assert bnkeras.verify_compact(export)["rounded"] == 0


def test_where_everything_trains_the_kernels_are_stored_and_smaller(small, thin, tmp_path):
    model = thin(small(regime="all", seed=3))
    network, report = slim(model, THRESHOLD)
    sizes = [
        sum(file.stat().st_size for file in bnkeras.save_compact(one, path).rglob("*"))
        for one, path in ((model, tmp_path / "full"), (network, tmp_path / "slim"))
    ]
    saved = 4 * (report.before.parameters - report.after.parameters)
    assert sizes[1] < sizes[0] - 0.9 * saved
    assert not [row for row in manifest_of(tmp_path / "slim")["variables"] if row[3] == "seeded"]
    assert_same_variables(bnkeras.load_compact(tmp_path / "slim"), network)


def test_a_sequential_model(thin, tmp_path):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(40, name="one"),
            layers.BatchNormalization(name="bn"),
            layers.ReLU(),
            layers.Dense(30, name="two"),
        ]
    )
    model = bnkeras.set_regime(thin(bnkeras.reseed(model, 9)), "bnonly")
    network, report = slim(model, THRESHOLD)
    assert report.plan
    assert isinstance(network, keras.Sequential)
    export = bnkeras.save_compact(network, tmp_path / "export")
    for again in (bnkeras.load_compact(export), bnkeras.load_compact(export, into=network)):
        assert_same_variables(again, network)
    rows = {
        row[0].split("/")[-2] + "/" + row[0].split("/")[-1]: row[3]
        for row in manifest_of(export)["variables"]
    }
    assert rows["two/kernel"] == "seeded"


def test_what_has_no_configuration_loads_into_a_slim_model(thin, tmp_path):
    model = foreign("lambdas")
    outputs = layers.Lambda(lambda x: 2 * x, name="twice")(model.output)
    model = keras.Model(model.input, outputs, name="lambdas")
    model = bnkeras.set_regime(thin(bnkeras.reseed(model, 9)), "bnonly")
    network, _ = slim(model, THRESHOLD)
    export = bnkeras.save_compact(network, tmp_path / "export")
    assert bnkeras.verify_compact(export)["largest_difference"] is None  # the values are right
    filled, _ = slim(thin(bnkeras.reseed(model, 10)), THRESHOLD)
    assert_same_variables(bnkeras.load_compact(export, into=filled), network)


def test_changed_kernels_are_stored(slimmed, tmp_path):
    network = keras.models.clone_model(slimmed)
    network.set_weights(slimmed.get_weights())
    network.bnkeras_slim = slimmed.bnkeras_slim
    kernel = network.get_layer("group3_block0_conv2").kernel
    values = kernel.numpy()
    values[0, 0, -1, 0] = np.nextafter(values[0, 0, -1, 0], 1)  # of the spare channel
    kernel.assign(values)
    export = bnkeras.save_compact(network, tmp_path / "export")
    stored = [row[0] for row in manifest_of(export)["variables"] if row[3] == "stored"]
    assert "group3_block0_conv2/kernel" in stored
    assert "group3_block0_conv1/kernel" not in stored
    assert_same_variables(bnkeras.load_compact(export), network)


def test_a_copy_that_forgot_what_it_is_of_is_stored(slimmed, tmp_path, forge):
    """Its layers still say what their kernels are cuts of, which nothing takes at its word."""
    network = keras.models.clone_model(slimmed)
    network.set_weights(slimmed.get_weights())
    export = bnkeras.save_compact(network, tmp_path / "export")
    manifest = manifest_of(export)
    assert manifest["slim"] is None
    assert_same_variables(bnkeras.load_compact(export), network)

    def claim(manifest):
        text = json.dumps(manifest["architecture"])
        assert '"full_shape": [3, 3, 64, 64]' in text
        text = text.replace('"full_shape": [3, 3, 64, 64]', '"full_shape": [3, 3, 65536, 65536]')
        manifest["architecture"] = json.loads(text)

    forge(export, claim)
    assert_same_variables(bnkeras.load_compact(export), network)  # 38 billion values are not drawn


def test_nothing_to_lose_is_a_full_network(small, tmp_path):
    model = small(seed=3)
    network, report = slim(model, THRESHOLD)
    assert report.plan == ()
    export = bnkeras.save_compact(network, tmp_path / "export")
    assert manifest_of(export)["slim"] is None
    assert_same_variables(bnkeras.load_compact(export), model)


def test_tasks_are_full_networks(slimmed, tmp_path):
    with pytest.raises(ExportError, match="A task is a full network"):
        bnkeras.save_compact({"one": slimmed}, tmp_path / "export")


def forged(manifest, change):
    """Change the plan of a manifest; channels and constants are packed in it."""
    plan = manifest["slim"]["norms"]
    entries = [SlimNorm.model_validate(entry).model_dump() for entry in plan]
    change(entries)
    entries = [SlimNorm.model_construct(**entry) for entry in entries]
    manifest["slim"]["norms"] = [entry.model_dump(mode="json") for entry in entries]


def change_channel(entries):
    """Take out another channel than the network did: as many values, but others."""
    entry = next(entry for entry in entries if entry["removed"])
    taken = {*entry["removed"], *entry["merged"]}
    free = next(c for c in range(entry["channels"]) if c not in taken)
    entry["removed"] = tuple(sorted([free, *entry["removed"][1:]]))


def change_constant(entries):
    entry = next(entry for entry in entries if entry["merged"])
    name, (first, *others) = next(iter(entry["consumers"].items()))
    entry["consumers"][name] = (1.5 * first, *others)


def rename(entries):
    entries[0]["producer"] = "nowhere"


def claim(entries):
    entries[-1]["removed"] = (*entries[-1]["removed"], entries[-1]["channels"])
    entries[-1]["channels"] += 2**30


def double(entries):
    entries.append(entries[0])


def other_size(entries):
    entry = next(entry for entry in entries if entry["removed"])
    entry["removed"] = entry["removed"][1:]


def without(manifest):
    manifest["slim"] = None


def below_zero(manifest):
    manifest["slim"]["threshold"] = -1.0


def plain_lists(manifest):
    manifest["slim"]["norms"][0]["merged"] = [0, 1]


def all_ones(manifest):
    """Half a million bytes would become four million numbers."""
    manifest["slim"]["norms"][0]["removed"] = 2**20 * "/"


def half_a_constant(manifest):
    consumers = manifest["slim"]["norms"][0]["consumers"]
    consumers[next(iter(consumers))] = "AAA="


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (partial(forged, change=change_channel), "regenerated other values"),
        (partial(forged, change=change_constant), "regenerated other values"),
        (partial(forged, change=rename), "the network cannot be built"),
        (partial(forged, change=claim), "is not what is left of a full variable|no such channels"),
        (partial(forged, change=double), "a layer loses channels of two norms"),
        (partial(forged, change=other_size), "is not what is left of a full variable"),
        (without, "the network cannot be built"),
        (below_zero, "threshold"),
        (plain_lists, "are in base64, not list"),
        (all_ones, "slim: .* characters; a plan has at most 1048576"),
        (half_a_constant, "constants are not of float32"),
    ],
)
def test_a_forged_plan_is_refused(copied, forge, change, message):
    forge(copied, change)
    with pytest.raises(ExportError, match=message):
        bnkeras.load_compact(copied)


def test_claims_of_the_full_network_are_bounded(copied, forge):
    """A small export could claim a full network of any size."""

    def change(manifest):
        for entry in manifest["slim"]["norms"]:
            entry["channels"] = 2**31
            entry["removed"] = entry["merged"] = ""
            entry["consumers"] = dict.fromkeys(entry["consumers"], "")
        for row in manifest["variables"]:
            layer = row[0].split("/")[0]
            for entry in manifest["slim"]["norms"]:
                if layer in (entry["producer"], entry["norm"]):
                    row[1][-1] = 2**31
                elif layer in entry["consumers"]:
                    row[1][-2] = 2**31

    forge(copied, change)
    with pytest.raises(ExportError, match="claims a network of"):
        bnkeras.load_compact(copied)


@pytest.mark.exhaustive
def test_plain_tensorflow_in_a_process_of_its_own(slimmed, exported, tmp_path, in_fresh_process):
    import shutil

    case = tmp_path / "cases" / "slim"
    shutil.copytree(exported, case / "export")
    np.savez(case / "inputs_5.npz", image=images())
    in_fresh_process("tensorflow_2.py", tmp_path / "cases")
    in_fresh_process("tensorflow_1.py", tmp_path / "cases")
    wanted = tf.function(slimmed)(images()).numpy()
    for way in ("tensorflow_2", "tensorflow_1"):
        given = np.load(case / f"{way}_5.npz")["logits"]
        np.testing.assert_array_equal(given, wanted)
