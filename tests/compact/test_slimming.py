"""Slim networks compute what the full ones do with the small γ set to 0, at borders, too."""

import base64

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import bnkeras
from bnkeras.compact.manifest.slim import Cut, SlimNorm, cuts
from bnkeras.compact.slim.network import shrink
from bnkeras.compact.slim.slimming import costs, slim
from bnkeras.compact.slim.values import SeededCut, TensorCutter, cut, sums_exactly
from bnkeras.errors import ModelError
from bnkeras.models.variables import grouped_variables, is_batch_norm, layers_of

THRESHOLD = 0.01


@pytest.fixture(scope="module")
def thinned(perturb):
    """Perturb a network, and give about half of its channels a |γ| below the threshold."""

    def _thinned(model, share=0.5):
        perturb(model)
        random = np.random.default_rng(7)
        for layer in filter(is_batch_norm, layers_of(model)):
            gamma = random.uniform(0.3, 1, layer.gamma.shape)
            small = random.random(gamma.shape) < share
            gamma[small] = random.uniform(-0.9, 0.9, small.sum()) * THRESHOLD
            layer.gamma.assign(gamma)
            layer.beta.assign(random.normal(0, 0.3, gamma.shape))
        return model

    return _thinned


def images(model, count=3):
    shape = [size or 9 for size in model.input_shape[1:]]
    return np.random.default_rng(1).normal(0, 1, (count, *shape)).astype(np.float32)


def zero_what_went(model, plan):
    for entry in plan:
        gamma = model.get_layer(entry.norm).gamma
        values = gamma.numpy()
        values[[*entry.removed, *entry.merged]] = 0
        gamma.assign(values)


def assert_same_outputs(model, small, plan):
    """Compare with the full network whose γ are 0 where the plan takes channels out."""
    zero_what_went(model, plan)
    inputs = images(model)
    expected, actual = model(inputs, training=False), small(inputs, training=False)
    expected, actual = np.asarray(expected, np.float32), np.asarray(actual, np.float32)
    assert np.ptp(expected) > 0.01  # else nothing is compared
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def facts_of(report):
    return {facts.name: facts for facts in report.norms}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("resnet_cifar", {"depth": 8, "input_shape": (8, 8, 1)}),
        ("vgg_cifar", {"depth": 11, "width": 1 / 8, "input_shape": (16, 16, 3)}),
        ("mlp", {"hidden": (40, 30), "input_shape": (8, 8, 1)}),
        pytest.param(
            "resnet_imagenet",
            {"depth": 50, "width": 1 / 8, "input_shape": (32, 32, 3)},
            marks=pytest.mark.exhaustive,
        ),
    ],
)
def test_a_slim_network_computes_the_same(thinned, name, arguments):
    model = thinned(bnkeras.build(name, seed=3, **arguments))
    small, report = slim(model, THRESHOLD)
    plan = report.plan
    assert any(entry.merged for entry in plan)
    assert any(entry.removed for entry in plan)
    assert report.after.parameters < 0.8 * report.before.parameters
    assert report.after.batchnorm < report.before.batchnorm
    assert report.after.multiply_adds < 0.8 * report.before.multiply_adds
    assert report.after.parameters == small.count_params() - sum(
        np.prod(variable.shape) for variable in small.non_trainable_variables
    )
    assert [layer.name for layer in small.layers] == [layer.name for layer in model.layers]
    assert [type(layer) for layer in small.layers] == [type(layer) for layer in model.layers]
    assert_same_outputs(model, small, plan)


def bottleneck_network():
    """Conv, norm, ReLU, padding, pooling; then a bottleneck of 1×1, strided 3×3 and 1×1."""
    inputs = keras.Input((9, 9, 2), name="image")
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(inputs)
    x = layers.ReLU(name="stem_relu")(layers.BatchNormalization(name="stem_bn")(x))
    x = layers.ZeroPadding2D(1, name="pool_pad")(x)
    x = layers.MaxPooling2D(3, 2, name="pool")(x)
    shortcut = layers.Conv2D(12, 1, strides=2, use_bias=False, name="short")(x)
    shortcut = layers.BatchNormalization(name="short_bn")(shortcut)
    x = layers.Conv2D(12, 1, use_bias=False, name="conv1")(x)
    x = layers.ReLU(name="relu1")(layers.BatchNormalization(name="bn1")(x))
    x = layers.ZeroPadding2D(1, name="conv2_pad")(x)
    x = layers.Conv2D(12, 3, strides=2, use_bias=False, name="conv2")(x)
    x = layers.Activation("tanh", name="tanh2")(layers.BatchNormalization(name="bn2")(x))
    x = layers.Conv2D(12, 1, use_bias=False, name="conv3")(x)
    x = layers.Add(name="add")([layers.BatchNormalization(name="bn3")(x), shortcut])
    x = layers.Flatten(name="flat")(x)
    return keras.Model(inputs, layers.Dense(4, name="output")(x), name="bottleneck")


def test_padding_pooling_and_bottlenecks(thinned):
    model = thinned(bottleneck_network())
    small, report = slim(model, THRESHOLD)
    plan = report.plan
    assert {entry.norm for entry in plan} == {"stem_bn", "bn1", "bn2"}
    by_norm = {entry.norm: entry for entry in plan}
    assert set(by_norm["stem_bn"].consumers) == {"conv1", "short"}
    # tanh(β) is never 0: all go into the spare channel, which is tanh(1).
    entry = by_norm["bn2"]
    beta = model.get_layer("bn2").beta.numpy()[list(entry.merged)]
    expected = np.tanh(beta.astype(np.float64)) / np.tanh(1.0)
    np.testing.assert_allclose(entry.consumers["conv3"], expected, rtol=1e-5)
    assert facts_of(report)["bn3"].stays == "add (Add) needs all channels"
    assert facts_of(report)["short_bn"].removed == 0
    assert_same_outputs(model, small, plan)


def test_constants_below_zero_stay_before_a_maximum_over_padding(thinned):
    inputs = keras.Input((6, 6, 1))
    x = layers.Conv2D(24, 3, padding="same", name="conv")(inputs)
    x = layers.Activation("tanh")(layers.BatchNormalization(name="bn")(x))
    x = layers.MaxPooling2D(2)(layers.ZeroPadding2D(1)(x))
    x = layers.AveragePooling2D(2, padding="same")(x)
    model = thinned(keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x))))
    small, report = slim(model, THRESHOLD)
    (entry,) = report.plan
    norm = model.get_layer("bn")
    is_small = np.abs(norm.gamma.numpy()) < THRESHOLD
    is_positive = norm.beta.numpy() > 0
    assert not entry.removed
    assert list(entry.merged) == np.flatnonzero(is_small & is_positive).tolist()
    assert (is_small & ~is_positive).any()
    assert_same_outputs(model, small, [entry])


def mixed_network():
    """A network whose norms lead to what can lose channels and to what cannot."""
    inputs = keras.Input((8, 8, 3), name="image")

    def unit(x, name, filters=6):
        x = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv")(x)
        return layers.ReLU(name=f"{name}_relu")(layers.BatchNormalization(name=f"{name}_bn")(x))

    before_depthwise = unit(inputs, "depthwise")
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(before_depthwise)
    x = layers.BatchNormalization(name="of_depthwise_bn")(x)
    two = unit(x, "two", 10)
    left = layers.Conv2D(5, 3, padding="same", name="left")(two)
    right = unit(layers.Dropout(0.5)(layers.AveragePooling2D(1, name="average")(two)), "right")
    x = layers.Concatenate(name="concat")([left, right])
    x = unit(x, "last", 9)
    x = layers.Flatten(name="flat")(layers.MaxPooling2D(2)(x))
    return keras.Model(inputs, layers.Dense(4, name="output")(x), name="mixed")


def test_layers_that_need_all_channels_keep_them(thinned):
    model = thinned(mixed_network())
    small, report = slim(model, THRESHOLD)
    plan = report.plan
    facts = facts_of(report)
    by_norm = {entry.norm: entry for entry in plan}
    assert set(by_norm) == {"two_bn", "last_bn"}
    assert set(by_norm["two_bn"].consumers) == {"left", "right_conv"}
    assert facts["depthwise_bn"].stays == "depthwise (DepthwiseConv2D) needs all channels"
    assert (
        facts["of_depthwise_bn"].stays == "depthwise (DepthwiseConv2D) before it cannot lose units"
    )
    assert facts["right_bn"].stays == "concat (Concatenate) needs all channels"
    assert small.get_layer("output").kernel.shape[0] == 16 * by_norm["last_bn"].size
    assert_same_outputs(model, small, plan)


def test_what_is_called_otherwise_stays(thinned):
    """Shared layers, norms called as in training, and layers that are read in between."""
    inputs = keras.Input((6,))
    shared = layers.Dense(8, name="shared")
    norm = layers.BatchNormalization(name="shared_bn")
    one, two = norm(shared(inputs)), norm(shared(-1.0 * inputs))
    x = layers.BatchNormalization(name="training_bn")(layers.Dense(8)(one + two), training=True)
    dense = layers.Dense(8, name="read")(layers.Dense(8)(x))
    x = layers.BatchNormalization(name="read_bn")(dense)
    x = layers.Dense(8, activation="softmax", name="softmax")(x)
    x = layers.BatchNormalization(name="softmax_bn")(x)
    x = layers.BatchNormalization(scale=False, name="plain_bn")(layers.Dense(4)(x))
    last = layers.BatchNormalization(name="last_bn")(layers.Dense(4)(x))
    model = keras.Model(inputs, [last, layers.Dense(2)(dense), layers.Dense(2)(last)])
    for layer in filter(is_batch_norm, layers_of(model)):
        if layer.gamma is not None:
            layer.gamma.assign(np.zeros(layer.gamma.shape))
    _, report = slim(model, THRESHOLD)
    plan = report.plan
    assert plan == ()
    stays = {facts.name: facts.stays for facts in report.norms}
    assert stays == {
        "shared_bn": "shared_bn (BatchNormalization) is called more than once",
        "training_bn": "training_bn (BatchNormalization) is called as in training",
        "read_bn": "read (Dense) leads to other layers, too",
        "softmax_bn": "the activation of softmax (Dense) mixes units",
        "plain_bn": "plain_bn (BatchNormalization) is no plain batch norm with a γ",
        "last_bn": "it leads to an output of the network as it is",
    }


def one_norm(gamma, beta, **settings):
    """Dense, norm, ReLU, dense, with these γ and β, and the plan that takes channels out."""
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(len(gamma), name="before"),
            layers.BatchNormalization(name="bn", **settings),
            layers.ReLU(),
            layers.Dense(2, name="behind"),
        ]
    )
    model.get_layer("bn").gamma.assign(gamma)
    if beta is not None:
        model.get_layer("bn").beta.assign(beta)
    return model


def test_the_plan_by_hand():
    gamma = [0.0, 1.0, -0.009, 0.01, 0.009, np.nan, 0.0]
    beta = [-1.0, -1.0, 2.0, 2.0, 0.5, -1.0, np.nan]
    model = one_norm(gamma, beta)
    small, report = slim(model, 0.01)
    (entry,) = report.plan
    assert entry == SlimNorm(
        norm="bn",
        producer="before",
        channels=7,
        removed=(0,),
        merged=(2, 4),
        consumers={"behind": (2.0, 0.5)},
    )
    kernel, bias = model.get_layer("before").get_weights()
    slimmed, slimmed_bias = small.get_layer("before").get_weights()
    np.testing.assert_array_equal(slimmed, np.c_[kernel[:, [1, 3, 5, 6]], np.zeros(3)])
    np.testing.assert_array_equal(slimmed_bias, [*bias[[1, 3, 5, 6]], 0])
    kernel = model.get_layer("behind").kernel.numpy()
    spare = np.float32(2.0 * np.float64(kernel[2]) + 0.5 * np.float64(kernel[4]))
    slimmed = small.get_layer("behind").kernel.numpy()
    np.testing.assert_array_equal(slimmed, np.vstack([kernel[[1, 3, 5, 6]], spare]))
    slimmed = small.get_layer("bn").get_weights()  # γ, β, mean, variance
    assert [values[-1] for values in slimmed] == [0.0, 1.0, 0.0, 1.0]
    assert [len(values) for values in slimmed] == [5] * 4
    assert report.before.parameters - report.after.parameters == 2 * (3 + 1 + 2 + 2)
    assert report.before.multiply_adds == 7 * (3 + 2)
    assert report.after.multiply_adds == 5 * (3 + 2)


@pytest.mark.parametrize(
    ("gamma", "beta", "threshold", "size", "what"),
    [
        ([0.0, 0.5], [-1.0, -1.0], 0, 2, "a threshold of 0 takes nothing"),
        ([0.0, 0.5], [-1.0, -1.0], 0.5, 1, "|γ| is below, not at the threshold"),
        ([0.0, 0.5], [1.0, 1.0], 0.1, 2, "one constant channel stays: merging saves nothing"),
        ([1e-4, 1e-3, 0.0], [-1.0] * 3, 0.1, 1, "one channel stays where all are dead"),
        ([0.0, 0.0, 0.0], [1.0] * 3, 0.1, 1, "the spare channel can be the only one"),
        ([0.0, 0.0, 1.0], None, 0.1, 1, "without β a constant is 0"),
    ],
)
def test_how_many_channels_are_left(gamma, beta, threshold, size, what):
    model = one_norm(gamma, beta, center=beta is not None)
    small, report = slim(model, threshold)
    plan = report.plan
    assert small.get_layer("bn").gamma.shape == (size,), what
    zero_what_went(model, plan)
    inputs = images(model)
    np.testing.assert_allclose(small(inputs), model(inputs), rtol=0, atol=1e-6)


def test_of_all_dead_channels_the_one_of_the_largest_gamma_stays():
    model = one_norm([1e-4, -1e-3, 0.0], [-1.0] * 3)
    small, report = slim(model, 0.1)
    (entry,) = report.plan
    assert entry.removed == (0, 2)
    assert report.norms[0][1:] == (3, 3, 2, 0, None)
    assert small.get_layer("bn").gamma.numpy() == np.float32([-1e-3])


def test_names_values_and_what_trains_are_kept(small, thinned):
    model = thinned(small(seed=3))
    slimmed, report = slim(model, THRESHOLD)
    plan = report.plan
    assert bnkeras.regimes.regime_of(slimmed) == "bnonly"
    whole = 0
    pairs = zip(grouped_variables(model), grouped_variables(slimmed), strict=True)
    for (path, group, variable), (slim_path, slim_group, slimmed_variable) in pairs:
        assert (slim_path, slim_group) == (path, group)
        if path not in cuts(plan):
            whole += 1
            np.testing.assert_array_equal(slimmed_variable.numpy(), variable.numpy())
    assert whole > 10


def test_kernels_are_drawn_from_the_seed_and_cut(small, thinned, tmp_path):
    """The initializers alone give the kernels, also in a copy that Keras made of the config."""
    model = thinned(small(seed=3))
    slimmed, report = slim(model, THRESHOLD)
    plan = report.plan
    assert any(entry.merged for entry in plan)
    copy = keras.Model.from_config(slimmed.get_config())
    for layer in (layer for layer in slimmed.layers if hasattr(layer, "kernel")):
        if f"{layer.name}/kernel" in cuts(plan):
            assert isinstance(layer.kernel_initializer, SeededCut)
        again = copy.get_layer(layer.name).kernel.numpy()
        np.testing.assert_array_equal(again.view(np.uint32), layer.kernel.numpy().view(np.uint32))
    slimmed.save(tmp_path / "slim.keras")
    loaded = keras.saving.load_model(tmp_path / "slim.keras")
    np.testing.assert_array_equal(loaded(images(model)), slimmed(images(model)))


def some_norm(channels, removed, merged, constants=()):
    consumers = {"behind": constants}
    settings = {"removed": removed, "merged": merged, "consumers": consumers}
    return SlimNorm(norm="bn", producer="before", channels=channels, **settings)


@pytest.mark.parametrize("traced", [False, True, "xla"])
@pytest.mark.parametrize("shape", [(3, 3, 64, 40), (1, 1, 64, 40), (9 * 64, 40)])
def test_tensorflow_cuts_to_the_same_bits(shape, traced):
    random = np.random.default_rng(5)
    merged = tuple(range(1, 61, 2))
    constants = tuple(np.float32(random.normal(0, 1e-3, len(merged))).tolist())
    inputs = some_norm(64, (0, 2, 62), merged, constants)
    outputs = some_norm(40, (7,), (0, 39), (1.0, 1.0))
    plan = Cut(inputs, outputs, constants, spare=0.25)
    values = random.normal(0, 1, shape).astype(np.float32)
    call = lambda values: TensorCutter([plan])(values, plan)  # noqa: E731
    if traced:
        call = tf.function(call, autograph=False, jit_compile=traced == "xla")
    actual, expected = call(tf.constant(values)).numpy(), cut(values, plan)
    assert expected.shape == (*shape[:-2], shape[-2] // 64 * 32, 38) == plan.shape(shape)
    assert plan.full_shape(expected.shape) == shape
    np.testing.assert_array_equal(actual.view(np.uint32), expected.view(np.uint32))
    # By hand, in whole numbers: the spare input of unit 1 at the first position; the spare unit.
    total = sum(
        round(2**36 * constant * float(values.reshape(-1, 64, 40)[0, channel, 1]))
        for channel, constant in zip(merged, constants, strict=True)
    )
    assert expected.reshape(-1, 32, 38)[0, -1, 0] == np.float32(total / 2**36)
    assert (expected[..., -1] == 0.25).all()


def test_sums_are_exact_up_to_a_bound():
    """Beyond it the order of the sum would show, so such a kernel is not regenerated."""
    inputs = some_norm(4, (), (0, 1, 2), (1.0, 1.0, 1.0))
    plan = Cut(inputs, None, (1.0, 1.0, 1.0))
    for largest, exact in ((2.0**16 - 1, True), (2.0**16, False)):
        values = np.float32([[largest], [-largest], [0], [0]])
        assert sums_exactly(values, plan) == exact
    assert sums_exactly(values, Cut(None, inputs))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"removed": (1, 0)}, "the channels of bn are not in ascending order"),
        ({"removed": (0, 0)}, "the channels of bn are not in ascending order"),
        ({"removed": (8,)}, "bn has no such channels to lose"),
        ({"removed": (-1,)}, "bn has no such channels to lose"),
        ({"removed": (2,)}, "bn loses a channel in two ways"),
        ({"merged": (2,), "consumers": {"behind": (1.0,)}}, "bn has 7 channels left, of one"),
        ({"removed": tuple(range(8)), "merged": ()}, "bn has 0 channels left"),
        ({"consumers": {}}, "bn has 6 channels left"),
        ({"consumers": {"behind": (1.0,)}}, "behind has other constants than bn has channels"),
        ({"consumers": {"behind": (1.0, np.inf)}}, "behind has other constants"),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(change, message):
    right = some_norm(8, (0,), (2, 3), (1.0, 2.0)).model_dump()
    with pytest.raises(ValueError, match=message):
        SlimNorm.model_validate(right | change)


def test_a_plan_of_another_network_is_refused():
    model = one_norm([1.0] * 8, [0.0] * 8)
    elsewhere = some_norm(8, (0,), (), ()).model_copy(update={"norm": "elsewhere"})
    with pytest.raises(ValueError, match="has no layer 'elsewhere'"):
        shrink(model, [elsewhere])
    with pytest.raises(ValueError, match="a layer loses channels of two norms"):
        cuts([some_norm(8, (0,), (), ()), some_norm(8, (1,), (), ())])


def test_errors_name_what_was_received(small, thinned):
    model = small()
    for threshold in (-0.1, float("nan"), True, "0.1"):
        with pytest.raises(ModelError, match=f"a number from 0 on; received {threshold!r}"):
            slim(model, threshold)
    slimmed, _ = slim(thinned(model), THRESHOLD)
    with pytest.raises(ModelError, match="'resnet8' is slim already"):
        slim(slimmed, THRESHOLD)

    class Own(keras.Model):
        pass

    with pytest.raises(ModelError, match="'own' is a Own without one"):
        slim(Own(name="own"), THRESHOLD)
    with pytest.raises(ModelError, match="'unbuilt' is a Sequential without one"):
        slim(keras.Sequential([layers.Dense(2)], name="unbuilt"), THRESHOLD)


def test_masked_layers_keep_their_channels(trained):
    model = trained(regime="random2", depth=8, input_shape=(8, 8, 1))
    for layer in filter(is_batch_norm, layers_of(model)):
        layer.gamma.assign(np.zeros(layer.gamma.shape))
    slimmed, report = slim(model, THRESHOLD)
    plan = report.plan
    assert plan == ()
    stays = facts_of(report)["group1_block0_bn1"].stays
    assert stays == "group1_block0_conv1 (MaskedConv2D) before it cannot lose units"
    np.testing.assert_array_equal(slimmed(images(model)), model(images(model)))


@pytest.mark.exhaustive
def test_bfloat16_activations(thinned):
    arguments = {"depth": 8, "input_shape": (8, 8, 1), "dtype": "mixed_bfloat16"}
    model = thinned(bnkeras.build("resnet_cifar", **arguments))
    small, report = slim(model, THRESHOLD)
    plan = report.plan
    assert any(entry.merged for entry in plan)
    zero_what_went(model, plan)
    expected = model(images(model)).numpy()
    assert np.abs(small(images(model)) - expected).max() < 0.03 * np.abs(expected).max()


def test_costs_of_open_sizes_are_unknown():
    model = bnkeras.build("resnet_cifar", depth=8, input_shape=(None, None, 3))
    assert costs(model).multiply_adds is None


def test_nested_models_stay_whole(thinned):
    """Also where their layers are called as those around them."""

    def stack(name):
        inputs = keras.Input((5,))
        x = layers.BatchNormalization(name="bn")(layers.Dense(8, name="dense")(inputs))
        x = layers.BatchNormalization(name="bn_2")(layers.Dense(8, name=f"{name}_dense")(x))
        return inputs, x

    nested = keras.Model(*stack("inner"), name="nested")
    inputs, x = stack("outer")
    x = layers.Dense(3, name="output")(x)
    model = thinned(keras.Model(inputs, [x, nested(inputs)]), share=1)
    small, report = slim(model, THRESHOLD)
    plan = report.plan
    assert plan == ()
    stays = {facts.name: facts.stays for facts in report.norms}
    assert stays["bn"] == "other variables are called as those of bn (BatchNormalization)"
    for actual, expected in zip(small(images(model)), model(images(model)), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_a_plan_in_json():
    """Channels are bits, the first one the lowest; constants are float32."""
    entry = some_norm(12, (0, 3, 9), (2, 11), (1.0, -0.5))
    packed = entry.model_dump(mode="json")
    assert np.frombuffer(base64.b64decode(packed["removed"]), np.uint8).tolist() == [9, 2]
    assert np.frombuffer(base64.b64decode(packed["merged"]), np.uint8).tolist() == [4, 8]
    constants = np.frombuffer(base64.b64decode(packed["consumers"]["behind"]), "<f4")
    assert constants.tolist() == [1.0, -0.5]
    assert SlimNorm.model_validate(packed) == entry
