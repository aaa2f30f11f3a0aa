"""Where the weights of a network come from: the seed and the paths, and nothing else."""

import hashlib

import keras
import numpy as np
import pytest

import bnkeras
from bnkeras.errors import SeedingError
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


def test_resnet14_seed_7_for_ever():
    # Every export that exists regenerates from these bits.
    assert (
        digest(bnkeras.build("resnet_cifar", depth=14, seed=7))
        == "06a8bd7d947327c5f6d6523ac4fdb777fb5c5c1d3bbd8f3704ae68652628c08f"
    )


def test_the_perceptron_seed_7_for_ever():
    assert (
        digest(bnkeras.build("mlp", hidden=(64, 32), seed=7))
        == "48b318808f1890e6c1472ebbfb5f24a04c83979b339c76925207287a918c9665"
    )


@pytest.mark.parametrize("depth", [8, 14, 20])
def test_names_are_stable(depth):
    model = bnkeras.build("resnet_cifar", depth=depth, width=0.25)
    paths = [variable.path for variable in model.variables]
    assert len(set(paths)) == len(paths)
    assert set(paths) == resnet_paths((depth - 2) // 6)


def test_the_names_of_the_perceptron():
    assert set(weights(bnkeras.build("mlp", hidden=(6, 5)))) == {
        *(f"hidden{i}_dense/kernel" for i in (1, 2)),
        *(
            f"hidden{i}_bn/{name}"
            for i in (1, 2)
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
        ),
        "output/kernel",
        "output/bias",
    }


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


@pytest.mark.parametrize("name", ["resnet_cifar", "mlp"])
def test_laws_are_applied(name):
    sizes = SMALL if name == "resnet_cifar" else {"hidden": (8, 6)}
    laws = {"features": "binary", "gamma": "uniform(-1, 1)", "beta": "constant(1)"}
    model = bnkeras.build(name, seed=7, **sizes, **laws)
    ends = {"kernel": "features", "gamma": "gamma", "beta": "beta"}
    for path, values in weights(model).items():
        if argument := ends.get(path.rpartition("/")[2]):
            expected = reference.values(laws[argument], 7, path, values.shape)
            np.testing.assert_array_equal(values, expected, err_msg=path)


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
@pytest.mark.parametrize("name", ["resnet_cifar", "mlp"])
def test_a_law_that_does_not_exist(name, argument):
    sizes = SMALL if name == "resnet_cifar" else {}
    with pytest.raises(SeedingError, match="Did you mean 'he_normal'"):
        bnkeras.build(name, **sizes, **{argument: "he_norml"})


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "7", None])
def test_seeds_that_are_refused(seed):
    with pytest.raises(SeedingError, match="A seed is an integer from 0 to"):
        bnkeras.build("mlp", hidden=(4,), seed=seed)


def test_a_law_for_kernels_is_refused_for_gamma():
    with pytest.raises(SeedingError, match=r"received the shape \(4,\)"):
        bnkeras.build("resnet_cifar", gamma="he_normal", **SMALL)
