"""Seeded weights for models of other origin."""

import math

import keras
import numpy as np
import pytest

import bnkeras
from bnkeras.errors import ModelError, SeedingError
from bnkeras.models.variables import Group, grouped_variables, root_seed, seeded_laws
from bnkeras.seeding import reference
from bnkeras.seeding.initializer import Seeded

L = keras.layers


def assorted():
    """Return a network of many types of layers, with weights of Keras' own."""
    image, words = keras.Input((9, 9, 4), name="image"), keras.Input((6,), name="words")
    x = L.Conv2D(6, 3, name="conv")(image)
    x = L.BatchNormalization(name="bn")(x)
    x = L.DepthwiseConv2D(3, name="depthwise")(x)
    x = L.PReLU(shared_axes=(1, 2), name="prelu")(x)
    x = L.SeparableConv2D(8, 3, name="separable")(x)
    x = L.GroupNormalization(2, name="group")(x)
    x = L.Conv2DTranspose(5, 2, name="transpose")(x)
    x = L.GlobalAveragePooling2D()(x)
    y = L.Embedding(20, 8, name="embedding")(words)
    y = L.MultiHeadAttention(2, 3, name="attention")(y, y)
    y = L.LayerNormalization(name="layer")(y)
    y = L.Bidirectional(L.GRU(4, return_sequences=True), name="both")(y)
    y = L.RMSNormalization(name="rms")(y)
    y = L.LSTM(4, name="lstm")(y)
    z = L.Concatenate()([x, y])
    ones = keras.initializers.Constant(0.25)
    z = L.Dense(7, bias_initializer=ones, activation="relu", name="hidden")(z)
    return keras.Model([image, words], L.Dense(3, name="head")(z), name="assorted")


def std(n):
    return f"normal({math.sqrt(2 / n)!r})"


# By hand: the inputs that are multiplied and summed into one output.
LAWS = {
    "conv/kernel": "he_normal",
    "conv/bias": "constant(0)",
    "bn/gamma": "uniform(0, 1)",
    "bn/beta": "constant(0)",
    "depthwise/kernel": std(9),
    "depthwise/bias": "constant(0)",
    "prelu/alpha": "constant(0)",
    "separable/depthwise_kernel": std(9),
    "separable/pointwise_kernel": "he_normal",
    "separable/bias": "constant(0)",
    "group/gamma": "uniform(0, 1)",
    "group/beta": "constant(0)",
    "transpose/kernel": std(2 * 2 * 8),
    "transpose/bias": "constant(0)",
    "embedding/embeddings": "normal(1)",
    **{f"attention/{name}/kernel": std(8) for name in ("query", "key", "value")},
    **{f"attention/{name}/bias": "constant(0)" for name in ("query", "key", "value")},
    "attention/attention_output/kernel": "he_normal",
    "attention/attention_output/bias": "constant(0)",
    "layer/gamma": "uniform(0, 1)",
    "layer/beta": "constant(0)",
    "hidden/kernel": "he_normal",
    "hidden/bias": "constant(0.25)",
    "head/kernel": "he_normal",
    "head/bias": "constant(0)",
    "lstm/lstm_cell/kernel": "he_normal",
    "lstm/lstm_cell/recurrent_kernel": "he_normal",
}


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return assorted()


@pytest.fixture(scope="module")
def reseeded(model):
    for _, _, variable in grouped_variables(model):
        if "float" in variable.dtype:
            variable.assign(variable + 3)
    assert bnkeras.reseed(model, 11) is model
    return model


def test_the_law_of_every_variable(reseeded):
    laws = {path: str(law) for path, law in seeded_laws(reseeded, 11).items()}
    both = {path: law for path, law in laws.items() if path.startswith("both/")}
    assert {path: law for path, law in laws.items() if path not in both} == LAWS
    assert len(both) == 6
    ends = {path.rpartition("/")[2]: law for path, law in both.items()}
    assert ends == {"kernel": "he_normal", "recurrent_kernel": "he_normal", "bias": "constant(0)"}
    assert seeded_laws(reseeded, 12) == {}
    assert root_seed(reseeded) == 11


def test_the_values_are_those_of_the_generator(reseeded):
    variables = {row.path: np.array(row.variable) for row in grouped_variables(reseeded)}
    laws = seeded_laws(reseeded, 11)
    for path, law in laws.items():
        expected = reference.values(law, 11, path, variables[path].shape)
        assert variables[path].tobytes() == expected.tobytes(), path
    # Layers without an initializer of that name: drawn or set, and stored in an export.
    rest = {row.path for row in grouped_variables(reseeded) if row.group is not Group.STATISTICS}
    assert rest - laws.keys() == {"rms/scale", "lstm/lstm_cell/bias"}
    scale = reference.values("uniform(0, 1)", 11, "rms/scale", (8,))
    assert variables["rms/scale"].tobytes() == scale.tobytes()
    assert variables["lstm/lstm_cell/bias"].tolist() == [0] * 4 + [1] * 4 + [0] * 8
    assert (variables["bn/moving_mean"] == 0).all()
    assert (variables["bn/moving_variance"] == 1).all()


def test_other_laws():
    layers = [
        keras.Input((8, 8, 3)),
        L.DepthwiseConv2D(3, name="d"),
        L.BatchNormalization(name="n"),
    ]
    model = keras.Sequential([*layers, L.Flatten(), L.Dense(4, name="h")], name="s")
    bnkeras.reseed(model, 2, "he_uniform", gamma="uniform(-1, 1)", beta="constant(1)")
    limit = math.sqrt(6 / 9)
    assert {path: str(law) for path, law in seeded_laws(model, 2).items()} == {
        "s/d/kernel": f"uniform({-limit!r}, {limit!r})",
        "s/d/bias": "constant(0)",
        "s/n/gamma": "uniform(-1, 1)",
        "s/n/beta": "constant(1)",
        "s/h/kernel": "he_uniform",
        "s/h/bias": "constant(0)",
    }
    # A law that does not ask for the fan-in is taken as it is, and a second time replaces all.
    bnkeras.reseed(model, 3, "normal(0.02)")
    assert str(seeded_laws(model, 3)["s/d/kernel"]) == "normal(0.02)"
    assert seeded_laws(model, 2) == {}


def test_the_same_seed_gives_the_same_network(reseeded):
    keras.utils.set_random_seed(5)
    again = bnkeras.reseed(assorted(), 11)
    named = [row for row in grouped_variables(again) if not row.path.startswith("both/")]
    theirs = {row.path: np.array(row.variable) for row in grouped_variables(reseeded)}
    for path, group, variable in named:
        if group is not Group.STATISTICS:
            assert np.array(variable).tobytes() == theirs[path].tobytes(), path


def test_a_keras_file_keeps_the_initializers(reseeded, tmp_path):
    reseeded.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert root_seed(loaded) == 11
    kept, before = seeded_laws(loaded, 11), seeded_laws(reseeded, 11)
    # By the paths they had: Keras gives others to the layers within `both`. A layer that
    # makes its own layers hands them its own initializers.
    assert kept == {path: law for path, law in before.items() if not path.startswith("attention/")}
    layer = loaded.get_layer("conv")
    assert isinstance(layer.kernel_initializer, Seeded)
    assert np.array_equal(np.array(layer.kernel), np.array(reseeded.get_layer("conv").kernel))


def test_a_copy_of_a_layer():
    """It has the initializer of its original, and so its values; they are stored."""
    inputs = keras.Input((3,))
    first = L.Dense(3, name="first")
    model = bnkeras.reseed(keras.Model(inputs, first(inputs)), 1)
    second = L.Dense.from_config(first.get_config() | {"name": "second"})
    model = keras.Model(inputs, second(model(inputs)))
    assert seeded_laws(model, 1).keys() == {"first/kernel", "first/bias"}
    paths = [row.path for row in grouped_variables(model)]
    assert paths == ["first/kernel", "first/bias", "second/kernel", "second/bias"]


def test_regimes_follow():
    """The masks of a seeded model come from its seed, and the kernels stay those of the seed."""
    layers = [keras.Input((9,)), L.Dense(5, name="a"), L.LayerNormalization(), L.Dense(2)]
    model = bnkeras.reseed(keras.Sequential(layers, name="s"), 11)
    bnkeras.set_regime(model, "random2")
    assert root_seed(model) == 11
    assert str(seeded_laws(model, 11)["s/a/kernel"]) == "he_normal"
    assert bnkeras.regime_of(model) == "random2"


def test_root_seeds():
    built = bnkeras.build("mlp", hidden=(3,), input_shape=(2, 2, 1), seed=2**64 - 1)
    assert root_seed(built) == 2**64 - 1
    assert root_seed(keras.models.clone_model(built)) == 2**64 - 1
    assert root_seed(keras.Sequential([keras.Input((3,)), L.Dense(2)])) is None
    parts = [bnkeras.reseed(keras.Sequential([keras.Input((3,)), L.Dense(3)]), s) for s in (1, 2)]
    assert root_seed(keras.Sequential(parts)) is None


def values(model):
    return [np.array(variable).tobytes() for variable in model.variables]


def refused(model, error, *arguments, **laws):
    """Return the message of a refusal, which changes nothing."""
    before = values(model)
    with pytest.raises(error) as caught:
        bnkeras.reseed(model, *arguments, **laws)
    assert values(model) == before
    return str(caught.value)


def test_models_that_are_refused():
    built = bnkeras.build("mlp", hidden=(3,), input_shape=(2, 2, 1))
    assert refused(built, ModelError, 1) == (
        "'mlp' was made by bnkeras.build with weights from a seed. Build it again, with seed=… and "
        "the laws features, gamma and beta."
    )
    assert refused(keras.Sequential([L.Dense(3)], name="later"), ModelError, 1) == (
        "Weights are seeded when there are some, and 'later' has none yet. Call it on a batch, or "
        "model.build, first."
    )
    layers = [keras.Input((4,)), L.Dense(3), L.Dense(2)]
    masked = bnkeras.set_regime(keras.Sequential(layers, name="m"), "random1")
    assert refused(masked, ModelError, 1) == (
        "The kernels of 'm' are masked by a random-k regime. Seed it first and set the regime "
        'after; set_regime(model, "all") takes the masks off.'
    )


def test_two_variables_of_one_path():
    """Layers of two models may have one name, and so would have the same values."""
    inputs = keras.Input((3,))
    parts = [keras.Model(inputs, L.Dense(3, name="same")(inputs), name=n) for n in ("a", "b")]
    model = keras.Model(inputs, L.Add()([part(inputs) for part in parts]), name="twice")
    assert refused(model, SeedingError, 1) == (
        "Two variables of 'twice' have the path 'same/kernel', and equal paths mean equal values. "
        "Give the layers different names."
    )


def test_laws_and_seeds_that_are_refused(model):
    assert "No initialisation law 'he_norml'" in refused(model, SeedingError, 1, "he_norml")
    assert "received -1" in refused(model, SeedingError, -1)
    assert "received the shape (6,)" in refused(model, SeedingError, 1, gamma="he_normal")
    for law in ("binary", "orthogonal"):
        assert refused(model, SeedingError, 1, law) == (
            f"The law {law} knows kernels whose last axis alone counts units, and "
            f"'depthwise/kernel' of shape (3, 3, 6, 1) is none: its units have a fan-in of 9. "
            f"Choose he_normal, he_uniform, normal(std) or uniform(low, high)."
        )


def test_orthogonal_where_it_fits():
    model = keras.Sequential([keras.Input((5,)), L.Dense(5, name="square")], name="s")
    bnkeras.reseed(model, 1, "orthogonal")
    kernel = np.array(model.layers[0].kernel)
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(5), atol=1e-6)
