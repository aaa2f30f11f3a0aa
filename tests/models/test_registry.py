"""`bnkeras.build`: names and arguments, what is refused, and one contract for every network."""

import dataclasses
import inspect
import subprocess
import sys
from importlib import import_module

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnkeras
from bnkeras.errors import InputError, ModelError
from bnkeras.models import BUILDERS, Architecture, architecture_of
from bnkeras.models.blocks import deep_graph

SMALL = {
    "resnet_cifar": {"depth": 8, "width": 0.25, "input_shape": (16, 12, 3), "classes": 4},
    "resnet_imagenet": {"depth": 18, "width": 1 / 16, "input_shape": (48, 40, 3), "classes": 4},
    "vgg_cifar": {"depth": 11, "width": 1 / 16, "input_shape": (32, 32, 3), "classes": 4},
    "mlp": {"hidden": (12, 10), "input_shape": (16, 12, 3), "classes": 4},
    "tweet_lstm": {"vocabulary_size": 30, "embedding": 8, "units": 6, "classes": 4},
}
IMAGES = [name for name in SMALL if "input_shape" in SMALL[name]]


def message(name, **arguments):
    with pytest.raises(ModelError) as caught:
        bnkeras.build(name, **arguments)
    assert isinstance(caught.value, InputError)
    return str(caught.value)


def test_every_builder_is_tested():
    assert set(SMALL) == set(BUILDERS)


class TestContract:
    """What holds for every network."""

    @pytest.fixture(params=SMALL)
    def name(self, request):
        return request.param

    @pytest.fixture
    def x(self, name):
        random = np.random.default_rng(0)
        if name == "tweet_lstm":
            lengths = random.integers(1, 10, (8, 1))
            return np.where(np.arange(9) < lengths, random.integers(1, 30, (8, 9)), 0)
        return random.normal(0, 1, (8, *SMALL[name]["input_shape"])).astype(np.float32)

    def test_arguments(self, name):
        module, _, function = BUILDERS[name].partition(":")
        parameters = inspect.signature(getattr(import_module(module), function)).parameters
        order = ["classes", "input_shape", "seed", "features", "gamma", "beta", "norm", "dtype"]
        if name not in IMAGES:
            order.remove("input_shape")
        assert list(parameters)[-len(order) :] == order
        assert parameters["seed"].default == 0
        assert parameters["norm"].default == "batch"

    def test_shapes(self, name, x):
        model = bnkeras.build(name, **SMALL[name])
        assert isinstance(model, keras.Model)
        assert model.input_shape == (None, *SMALL[name].get("input_shape", [None]))
        assert model.output_shape == (None, 4)
        for batch in (1, 8):
            assert model(x[:batch]).shape == (batch, 4)
            assert model.predict(x[:batch], verbose=0).shape == (batch, 4)

    @pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
    @pytest.mark.parametrize("way", ["argument", "global"])
    def test_types(self, name, x, policy, way):
        if way == "global":
            keras.config.set_dtype_policy(policy)
            model = bnkeras.build(name, **SMALL[name])
        else:
            model = bnkeras.build(name, dtype=policy, **SMALL[name])
        assert {variable.dtype for variable in model.variables} == {"float32"}
        assert model(x).dtype == tf.float32
        without = {"image", "tokens", "output", "output_bn"}
        with_policy = [layer for layer in model.layers if layer.name not in without]
        assert {layer.dtype_policy.name for layer in with_policy} == {policy}

    @pytest.mark.parametrize(
        ("name", "policy"),
        [
            *((name, "float32") for name in SMALL),
            *((name, "mixed_bfloat16") for name in ("resnet_cifar", "mlp", "tweet_lstm")),
        ],
        indirect=["name"],
    )
    def test_it_learns(self, name, x, policy):
        model = bnkeras.build(name, dtype=policy, **SMALL[name])
        # Eagerly: tracing a graph would take longer than these few steps.
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.02), loss, run_eagerly=True)
        y = np.arange(8) % 4
        losses = model.fit(x, y, epochs=12, verbose=0).history["loss"]
        assert losses[-1] < losses[0] / 2

    # Keras itself, when it reads a variable for saving.
    def test_a_keras_file(self, name, x, tmp_path):
        model = bnkeras.build(name, seed=7, **SMALL[name])
        model(x, training=True)
        model.save(tmp_path / "model.keras")
        again = keras.models.load_model(tmp_path / "model.keras")
        np.testing.assert_array_equal(model(x), again(x))
        assert [v.path for v in again.variables] == [v.path for v in model.variables]
        assert architecture_of(again) is None

    def test_the_record(self, name):
        record = architecture_of(bnkeras.build(name, seed=np.uint64(7), **SMALL[name]))
        assert isinstance(record, Architecture)
        assert record.name == name
        assert record.arguments.items() >= {"seed": 7, **SMALL[name]}.items()
        assert type(record.arguments["seed"]) is int
        # What was left to its default is recorded as well, against a change of it.
        assert record.arguments["features"] == (None if name == "tweet_lstm" else "he_normal")
        assert record.arguments["norm"] == "batch"
        assert record.arguments["dtype"] == "float32"
        with pytest.raises(dataclasses.FrozenInstanceError):
            record.name = "other"

    def test_the_record_builds_the_same_network(self, name):
        model = bnkeras.build(name, seed=7, gamma="uniform(-1, 1)", **SMALL[name])
        record = architecture_of(model)
        keras.config.set_dtype_policy("mixed_bfloat16")
        again = bnkeras.build(record.name, **record.arguments)
        for mine, theirs in zip(model.variables, again.variables, strict=True):
            assert mine.path == theirs.path
            np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
        assert again.get_layer("output").dtype_policy == model.get_layer("output").dtype_policy
        assert again.layers[1].dtype_policy == model.layers[1].dtype_policy

    @pytest.mark.parametrize("norm", ["bach", None, 1])
    def test_norms_that_are_refused(self, name, norm):
        hint = " Did you mean 'batch'?" if norm == "bach" else ""
        assert message(name, norm=norm, **SMALL[name]) == (
            f"No norm {norm!r}: choose one of batch, instance, group, layer.{hint}"
        )

    @pytest.mark.parametrize("classes", [0, -1, 2.0, "10", True, None])
    def test_classes_that_are_refused(self, name, classes):
        assert message(name, **SMALL[name] | {"classes": classes}) == (
            f"classes is a whole number above 0; received {classes!r}."
        )

    @pytest.mark.parametrize("name", IMAGES, indirect=True)
    @pytest.mark.parametrize(
        "shape", [(32, 32), (32, 32, 3, 1), (0, 32, 3), (32, 32, None), "abc", 32, (32.0, 32, 3)]
    )
    def test_input_shapes_that_are_refused(self, name, shape):
        assert message(name, **SMALL[name] | {"input_shape": shape}) == (
            "input_shape is (height, width, channels), whole numbers above 0, with None for a "
            f"height or width that varies; received {shape!r}."
        )

    def test_an_argument_that_does_not_exist(self, name):
        text = message(name, sede=7, **SMALL[name])
        assert text.startswith(f"{name} takes no argument 'sede'; it takes ")
        assert text.endswith("seed, features, gamma, beta, norm, dtype. Did you mean 'seed'?")


def test_a_network_that_does_not_exist():
    choices = "choose one of resnet_cifar, resnet_imagenet, vgg_cifar, mlp, tweet_lstm."
    assert message("resnet_cifer") == (
        f"No network 'resnet_cifer': {choices} Did you mean 'resnet_cifar'?"
    )
    assert message("vit") == f"No network 'vit': {choices}"


def test_an_argument_that_is_missing():
    assert message("resnet_cifar") == "resnet_cifar: missing a required argument: 'depth'."


@pytest.mark.parametrize(
    ("depth", "nearest"),
    [
        (15, " The nearest valid: 14 and 20."),
        (19, " The nearest valid: 14 and 20."),
        (9, " The nearest valid: 8 and 14."),
        (
            18,
            " The nearest valid: 14 and 20. ResNet-18 is an ImageNet one: resnet_imagenet.",
        ),
        (52, " The nearest valid: 50 and 56."),
        (2, " The nearest valid: 8."),
        (0, " The nearest valid: 8."),
        (-4, " The nearest valid: 8."),
        (14.0, ""),
        ("14", ""),
        (True, ""),
        (None, ""),
    ],
)
def test_depths_of_cifar_resnets_that_are_refused(depth, nearest):
    assert message("resnet_cifar", depth=depth) == (
        f"The depth of a CIFAR ResNet is 6n + 2 with n ≥ 1; received {depth!r}.{nearest}"
    )


@pytest.mark.parametrize(
    ("depth", "hint"),
    [
        (100, ""),
        (14, " ResNet-14 is one for small images: resnet_cifar."),
        (110, " ResNet-110 is one for small images: resnet_cifar."),
        (-4, ""),
        (50.0, ""),
        ("50", ""),
        (True, ""),
        ([50], ""),
    ],
)
def test_depths_of_imagenet_resnets_that_are_refused(depth, hint):
    assert message("resnet_imagenet", depth=depth) == (
        f"The depth of an ImageNet ResNet is 18, 34, 50, 101 or 200; received {depth!r}.{hint}"
    )


@pytest.mark.parametrize("depth", [100, 12, 0, 16.0, "16", None, [16]])
def test_depths_of_vgg_networks_that_are_refused(depth):
    assert message("vgg_cifar", depth=depth) == (
        f"The depth of a VGG network is 11, 13, 16 or 19; received {depth!r}."
    )


@pytest.mark.parametrize("shape", [(15, 32, 3), (32, 8, 3), (None, 15, 3)])
def test_images_too_small_for_vgg(shape):
    assert message("vgg_cifar", depth=11, input_shape=shape) == (
        "Four poolings halve the images of a VGG network, which have at least 16×16 pixels; "
        f"received {shape!r}."
    )
    smallest = bnkeras.build("vgg_cifar", depth=11, width=1 / 64, input_shape=(16, None, 3))
    assert smallest(np.ones((2, 16, 16, 3), np.float32)).shape == (2, 10)


@pytest.mark.parametrize("size", [0, 1, -3, 100.0, "100", True, None])
def test_vocabularies_that_are_refused(size):
    assert message("tweet_lstm", vocabulary_size=size) == (
        "vocabulary_size is a whole number from 2 on, since padding and unknown words have ids "
        f"of their own; received {size!r}."
    )


@pytest.mark.parametrize("argument", ["embedding", "units"])
@pytest.mark.parametrize("size", [0, -3, 100.0, "100", True, None])
def test_sizes_of_the_lstm_that_are_refused(argument, size):
    assert message("tweet_lstm", vocabulary_size=9, **{argument: size}) == (
        f"{argument} is a whole number above 0; received {size!r}."
    )


def test_numbers_of_numpy_are_numbers():
    model = bnkeras.build("resnet_cifar", depth=np.int64(8), width=np.float32(0.25))
    assert architecture_of(model).arguments.items() >= {"depth": 8, "width": 0.25}.items()


WITH_WIDTH = [("resnet_cifar", 14, 16), ("resnet_imagenet", 50, 64), ("vgg_cifar", 16, 64)]


@pytest.mark.parametrize(("name", "depth", "stem"), WITH_WIDTH)
@pytest.mark.parametrize("width", [0, -1, "1", None, True, float("inf"), float("nan")])
def test_widths_that_are_refused(name, depth, stem, width):
    assert message(name, depth=depth, width=width) == (
        f"The width is a number above 0; received {width!r}."
    )


@pytest.mark.parametrize(("name", "depth", "stem"), WITH_WIDTH)
def test_widths_that_give_a_part_of_a_channel(name, depth, stem):
    assert message(name, depth=depth, width=0.1) == (
        f"{stem} · width is the number of channels of the stem, a whole number; received "
        f"width=0.1, which gives {stem / 10:g}. Multiples of 1/{stem} are valid."
    )


@pytest.mark.parametrize("hidden", [(), (0,), (5, -1), (5.0,), 5, None, "5", (True,)])
def test_hidden_layers_that_are_refused(hidden):
    assert message("mlp", hidden=hidden) == (
        f"hidden is a list of numbers of units above 0; received {hidden!r}."
    )


def test_the_perceptron_has_images_of_one_size():
    assert message("mlp", input_shape=(None, 32, 3)) == (
        "The perceptron has images of one size; received (None, 32, 3)."
    )


def test_a_deep_graph_leaves_the_recursion_limit_as_it_was():
    def fail():
        assert sys.getrecursionlimit() >= 6000
        raise RuntimeError("inside")

    before = sys.getrecursionlimit()
    with pytest.raises(RuntimeError, match="inside"), deep_graph(500):
        fail()
    assert sys.getrecursionlimit() == before


def test_a_model_of_other_origin_has_no_record():
    assert architecture_of(keras.Sequential([keras.layers.Dense(1)])) is None


def test_importing_the_registry_imports_no_keras():
    probe = "import sys, bnkeras.models; print('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
