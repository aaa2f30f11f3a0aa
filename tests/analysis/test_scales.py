"""γ and β of a network."""

import keras
import numpy as np
import pytest

import bnkeras
from bnkeras.analysis.scales import (
    gammas,
    norm_scales,
    plot_gammas,
    scales_by_path,
    share_below,
    summary,
)


def test_every_norm_is_there_in_order():
    model = bnkeras.build("resnet_cifar", depth=8, input_shape=(8, 8, 1))
    model.get_layer("group2_block0_shortcut_bn").beta.assign(np.full(32, 0.25))
    found = norm_scales(model)
    assert [norm.layer for norm in found][:2] == ["stem_bn", "group1_block0_bn1"]
    assert len(found) == 9
    by_name = {norm.layer: norm for norm in found}
    assert by_name["group2_block0_shortcut_bn"].beta.tolist() == [0.25] * 32
    expected = model.get_layer("stem_bn").gamma.numpy()
    assert found[0].gamma.tobytes() == expected.tobytes()
    assert gammas(model).size == sum(norm.gamma.size for norm in found) == 336


def test_other_norms_and_a_missing_gamma():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.LayerNormalization(name="layer"),
            layers.Dense(3),
            layers.BatchNormalization(scale=False, name="shift"),
        ]
    )
    layer, shift = norm_scales(model)
    assert layer.layer.endswith("/layer")  # in Keras' own paths the model comes first
    assert (layer.gamma.size, layer.beta.size) == (4, 4)
    assert shift.layer.endswith("/shift")
    assert (shift.gamma.size, shift.beta.size) == (0, 3)
    assert gammas(keras.Sequential([keras.Input((4,)), layers.Dense(3)])).shape == (0,)


def test_scales_are_found_by_their_names():
    ones = np.ones(2, np.float32)
    values = [("a/bn/gamma", ones), ("a/conv/kernel", ones), ("a/bn/beta", 2 * ones)]
    (norm,) = scales_by_path(values)
    assert (norm.layer, norm.gamma.tolist(), norm.beta.tolist()) == ("a/bn", [1, 1], [2, 2])


def test_shares_and_summaries_by_hand():
    values = np.array([0.001, -0.5, 1.0, 0.0, -0.01], np.float32)
    assert share_below(values) == 0.4  # -0.01 is not below
    assert share_below(values, 0.6) == 0.8
    facts = summary(np.array([4.0, 0.0, 2.0, -2.0]))
    assert facts["count"] == 4
    assert (facts["min"], facts["median"], facts["max"]) == (-2, 1, 4)
    assert (facts["mean"], facts["std"]) == (1, pytest.approx(5**0.5))
    assert (facts["quartile"], facts["upper_quartile"]) == (-0.5, 2.5)
    assert summary(np.zeros(0)) == {"count": 0}


def test_the_plot_of_quickstart(tmp_path):
    scales = {"before": np.linspace(0, 1, 50), "after": np.array([0.0, 0.0, -0.3])}
    path = plot_gammas(scales, tmp_path / "gamma.png")
    assert path.read_bytes().startswith(b"\x89PNG")
