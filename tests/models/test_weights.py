"""Where the weights of a network come from: the seed and the paths, and nothing else."""

import hashlib

import keras
import numpy as np
import pytest

import bnkeras
from bnkeras.errors import ModelError, SeedingError
from bnkeras.models.variables import seeded_laws
from bnkeras.seeding import reference

SMALL = {"depth": 8, "width": 0.25}


def weights(model):
    return {variable.path: variable.numpy() for variable in model.variables}


def digest(model):
    """Return the SHA-256 over paths, shapes and values of all variables in order."""
    sha = hashlib.sha256()
    for variable in model.variables:
        sha.update(f"{variable.path} {tuple(variable.shape)}\n".encode())
        sha.update(variable.numpy().astype("<f4").tobytes())
    return sha.hexdigest()


def resnet_paths(blocks):
    """Return the paths of all weights, by the rules of the names."""
    layers = [("stem_conv", "kernel"), ("stem_bn", "norm")]
    for group in (1, 2, 3):
        for block in range(blocks):
            name = f"group{group}_block{block}"
            if group > 1 and block == 0:
                layers += [(f"{name}_shortcut_conv", "kernel"), (f"{name}_shortcut_bn", "norm")]
            layers += [(f"{name}_conv1", "kernel"), (f"{name}_bn1", "norm")]
            layers += [(f"{name}_conv2", "kernel"), (f"{name}_bn2", "norm")]
    paths = {"output/kernel", "output/bias"}
    for name, kind in layers:
        ends = ["kernel"] if kind == "kernel" else ["gamma", "beta", "moving_mean"]
        paths |= {f"{name}/{end}" for end in ends}
        if kind == "norm":
            paths.add(f"{name}/moving_variance")
    return paths


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        (
            "resnet_cifar",
            {"depth": 14},
            "06a8bd7d947327c5f6d6523ac4fdb777fb5c5c1d3bbd8f3704ae68652628c08f",
        ),
        (
            "resnet_imagenet",
            {"depth": 18, "width": 1 / 8},
            "e8193d705a7f2a747b2a1e875df63f053f81127dac1717838ec9bd4d464995f4",
        ),
        (
            "resnet_imagenet",
            {"depth": 50, "width": 1 / 8},
            "6d233320d6d2cb97229802db140c324ae53b1c33ef2b51bdd8961350222c416d",
        ),
        (
            "vgg_cifar",
            {"depth": 11, "width": 1 / 4},
            "372d642735074a2391b6c1da07f0b5e3457f94ce683d3258e0ddfed568403f9f",
        ),
        (
            "mlp",
            {"hidden": (64, 32)},
            "79b0b15cdb4694396cbc6d51ef31d7aa27464fc0243c77cfaf9f7f79a6c94508",
        ),
        (
            "tweet_lstm",
            {"vocabulary_size": 100},
            "0a004e9780744c3d3d7e939519828c449395c671aa97d739e50b9e445bd8de2b",
        ),
    ],
)
def test_seed_7_for_ever(name, arguments, expected):
    # Every export that exists regenerates from these bits.
    assert digest(bnkeras.build(name, seed=7, **arguments)) == expected


@pytest.mark.parametrize("depth", [8, 14, 20])
def test_names_are_stable(depth):
    model = bnkeras.build("resnet_cifar", depth=depth, width=0.25)
    paths = [variable.path for variable in model.variables]
    assert len(set(paths)) == len(paths)
    assert set(paths) == resnet_paths((depth - 2) // 6)


def test_the_names_of_the_perceptron():
    assert set(weights(bnkeras.build("mlp", hidden=(6, 5)))) == {
        *(f"hidden{i}_dense/{name}" for i in (1, 2) for name in ("kernel", "bias")),
        *(
            f"hidden{i}_bn/{name}"
            for i in (1, 2)
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
        ),
        "output/kernel",
        "output/bias",
    }


def norm_paths(*layers):
    ends = ("gamma", "beta", "moving_mean", "moving_variance")
    return {f"{layer}/{end}" for layer in layers for end in ends}


@pytest.mark.parametrize(("depth", "convolutions"), [(18, 2), (50, 3)])
def test_the_names_of_imagenet_resnets(depth, convolutions):
    counts = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}[depth]
    blocks = [(group, i) for group, count in enumerate(counts, 1) for i in range(count)]
    # The first block of a group changes the shape; in group 1 only a bottleneck does.
    shortcuts = [(g, i) for g, i in blocks if i == 0 and (g > 1 or depth == 50)]
    names = [f"group{g}_block{i}" for g, i in blocks]
    numbers = range(1, convolutions + 1)
    convs = ["stem_conv", *(f"{name}_conv{n}" for name in names for n in numbers)]
    norms = ["stem_bn", *(f"{name}_bn{n}" for name in names for n in numbers)]
    convs += [f"group{g}_block{i}_shortcut_conv" for g, i in shortcuts]
    norms += [f"group{g}_block{i}_shortcut_bn" for g, i in shortcuts]
    paths = [v.path for v in bnkeras.build("resnet_imagenet", depth=depth, width=1 / 8).variables]
    assert len(set(paths)) == len(paths)
    assert set(paths) == {
        *(f"{conv}/kernel" for conv in convs),
        *norm_paths(*norms),
        "output/kernel",
        "output/bias",
    }


def test_the_names_of_vgg():
    layers = [(1, 1), (2, 1), (3, 1), (3, 2), (4, 1), (4, 2), (5, 1), (5, 2)]
    assert set(weights(bnkeras.build("vgg_cifar", depth=11, width=1 / 8))) == {
        *(f"group{g}_conv{i}/{end}" for g, i in layers for end in ("kernel", "bias")),
        *norm_paths(*(f"group{g}_bn{i}" for g, i in layers)),
        "output/kernel",
        "output/bias",
    }


def test_the_names_and_laws_of_the_tweet_network():
    """Those of PyTorch; and there is no random state among the variables."""
    values = weights(bnkeras.build("tweet_lstm", vocabulary_size=400, seed=3))
    assert set(values) == {
        "embedding/embeddings",
        *(f"lstm/lstm_cell/{name}" for name in ("kernel", "recurrent_kernel", "bias")),
        *norm_paths("embedding_bn", "lstm_bn", "output_bn"),
        "output/kernel",
        "output/bias",
    }
    embeddings = values["embedding/embeddings"]
    assert (embeddings.mean(), embeddings.std()) == pytest.approx((0, 1), abs=0.01)
    for name in ("lstm/lstm_cell/kernel", "lstm/lstm_cell/recurrent_kernel", "output/kernel"):
        # U(±1/√100), whatever the fan-in.
        assert 0.099 < np.abs(values[name]).max() <= 0.1
        assert values[name].std() == pytest.approx(0.1 / 3**0.5, rel=0.05)
    # PyTorch adds two such biases: their variance is twice that of one.
    assert values["lstm/lstm_cell/bias"].std() == pytest.approx((2 / 300) ** 0.5, rel=0.05)
    assert 0 < np.abs(values["output/bias"]).max() <= 0.1


def test_every_weight_is_that_of_its_path():
    model = bnkeras.build("resnet_cifar", seed=2**64 - 1, **SMALL)
    for path, values in weights(model).items():
        name = path.rpartition("/")[2]
        law = {
            "kernel": "he_normal",
            "gamma": "uniform(0, 1)",
            "beta": "constant(0)",
            "bias": "output_bias(16)",
            "moving_mean": "constant(0)",
            "moving_variance": "constant(1)",
        }[name]
        expected = reference.values(law, 2**64 - 1, path, values.shape)
        np.testing.assert_array_equal(values, expected, err_msg=path)


def test_a_seed_is_all_there_is():
    first = digest(bnkeras.build("resnet_cifar", seed=7, **SMALL))
    # Neither Keras' global seed, nor what was built before, nor the global policy.
    keras.utils.set_random_seed(123)
    bnkeras.build("mlp", hidden=(4,))
    keras.layers.Conv2D(3, 3).build((None, 8, 8, 3))
    assert digest(bnkeras.build("resnet_cifar", seed=7, **SMALL)) == first
    keras.config.set_dtype_policy("mixed_bfloat16")
    assert digest(bnkeras.build("resnet_cifar", seed=7, **SMALL)) == first
    assert digest(bnkeras.build("resnet_cifar", seed=np.int64(7), **SMALL)) == first


def test_another_seed_is_another_network():
    first, second = (weights(bnkeras.build("resnet_cifar", seed=seed, **SMALL)) for seed in (7, 8))
    random = {path for path in first if path.endswith(("kernel", "gamma", "bias"))}
    for path in random:
        assert not np.isin(first[path], second[path]).all(), path


def test_layers_of_one_shape_have_their_own_weights():
    values = weights(bnkeras.build("resnet_cifar", depth=14, width=0.25))
    kernels = [v for path, v in values.items() if path.startswith("group1") and "kernel" in path]
    assert len(kernels) == 4
    assert len({v.tobytes() for v in kernels}) == 4


def test_the_depth_leaves_the_shared_part_alone():
    shallow, deep = (weights(bnkeras.build("resnet_cifar", depth=d, width=0.25)) for d in (8, 14))
    assert set(shallow) < set(deep)
    for path, values in shallow.items():
        np.testing.assert_array_equal(values, deep[path])


NETWORKS = [
    ("resnet_cifar", SMALL),
    ("resnet_imagenet", {"depth": 18, "width": 1 / 16}),
    ("vgg_cifar", {"depth": 11, "width": 1 / 16}),
    ("mlp", {"hidden": (8, 6)}),
    ("tweet_lstm", {"vocabulary_size": 12, "embedding": 6, "units": 8}),
]
# Frankle et al. 2021, section 3 and appendix E: γ, β, features.
SCHEMES = [
    ("uniform(0, 1)", "constant(0)", "he_normal"),
    ("constant(1)", "constant(0)", "he_uniform"),
    ("uniform(-1, 1)", "constant(0)", "binary"),
    ("uniform(0, 1)", "constant(1)", "orthogonal"),
]


@pytest.mark.parametrize(("name", "sizes"), NETWORKS)
@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme[2])
def test_the_papers_initialisations(name, sizes, scheme):
    laws = dict(zip(("gamma", "beta", "features"), scheme, strict=True))
    model = bnkeras.build(name, seed=7, **sizes, **laws)
    found = seeded_laws(model, 7)
    # An export can tell where every one of them comes from.
    assert set(found) == {variable.path for variable in model.trainable_variables}
    for variable in model.trainable_variables:
        path, end = variable.path, variable.path.rpartition("/")[2]
        law = laws.get("features" if end.endswith("kernel") else end, str(found[path]))
        expected = reference.values(law, 7, path, variable.shape)
        np.testing.assert_array_equal(variable.numpy(), expected, err_msg=path)
    others = {str(law) for path, law in found.items() if path.endswith(("bias", "embeddings"))}
    assert others
    assert not others & set(scheme)


@pytest.mark.parametrize(("name", "sizes"), NETWORKS)
@pytest.mark.parametrize("norm", ["instance", "group", "layer"])
def test_other_norms_have_the_same_weights(name, sizes, norm):
    if norm == "instance" and name in ("mlp", "tweet_lstm"):
        with pytest.raises(ModelError, match="there is one position: every value would become 0"):
            bnkeras.build(name, norm=norm, **sizes)
        return
    batch = weights(bnkeras.build(name, seed=7, **sizes))
    found = weights(bnkeras.build(name, seed=7, norm=norm, **sizes))
    assert set(found) == {path for path in batch if "/moving_" not in path}
    for path, values in found.items():
        np.testing.assert_array_equal(values, batch[path], err_msg=path)


@pytest.mark.parametrize("law", ["he_uniform", "orthogonal", "normal(0.1)", "uniform(-0.1, 0.1)"])
def test_other_laws_of_the_features(law):
    model = bnkeras.build("resnet_cifar", features=law, **SMALL)
    kernel = model.get_layer("group3_block0_conv2").kernel.numpy()
    np.testing.assert_array_equal(
        kernel, reference.values(law, 0, "group3_block0_conv2/kernel", (3, 3, 16, 16))
    )


def test_kernels_are_not_truncated_and_have_the_fan_in_of_pytorch():
    kernel = bnkeras.build("resnet_cifar", depth=14).get_layer("group3_block1_conv2").kernel
    kernel = kernel.numpy()
    std = np.sqrt(2 / (3 * 3 * 64))
    assert kernel.std() == pytest.approx(std, rel=0.02)
    # A normal truncated at two deviations has nothing there.
    assert (np.abs(kernel) > 2 * std).mean() == pytest.approx(0.0455, abs=0.006)
    assert np.abs(kernel).max() > 3.5 * std


def test_gamma_and_bias_have_the_papers_laws():
    model = bnkeras.build("resnet_cifar", depth=110, seed=3)
    gammas = np.concatenate([v.numpy() for v in model.variables if v.name == "gamma"])
    assert (gammas >= 0).all()
    assert (gammas < 1).all()
    assert gammas.mean() == pytest.approx(0.5, abs=0.025)
    assert gammas.std() == pytest.approx(12**-0.5, abs=0.02)
    assert not np.concatenate([v.numpy() for v in model.variables if v.name == "beta"]).any()
    bias = model.get_layer("output").bias.numpy()
    assert 0 < np.abs(bias).max() <= 1 / np.sqrt(64)


@pytest.mark.parametrize("argument", ["features", "gamma", "beta"])
@pytest.mark.parametrize(("name", "sizes"), NETWORKS)
def test_a_law_that_does_not_exist(name, sizes, argument):
    with pytest.raises(SeedingError, match="Did you mean 'he_normal'"):
        bnkeras.build(name, **sizes, **{argument: "he_norml"})


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "7", None])
def test_seeds_that_are_refused(seed):
    with pytest.raises(SeedingError, match="A seed is an integer from 0 to"):
        bnkeras.build("mlp", hidden=(4,), seed=seed)


def test_a_law_for_kernels_is_refused_for_gamma():
    with pytest.raises(SeedingError, match=r"received the shape \(4,\)"):
        bnkeras.build("resnet_cifar", gamma="he_normal", **SMALL)
