"""How many values a regime trains: by arithmetic, and in the network that Keras built."""

import subprocess
import sys

import pytest

import bnkeras
from bnkeras.errors import ModelError, RegimeError
from bnkeras.regimes import REGIMES
from bnkeras.regimes.sizes import trainable

NETWORKS = {
    "resnet_cifar": {"depth": 8, "width": 0.25, "classes": 3, "input_shape": (8, 8, 1)},
    "resnet_imagenet": {"depth": 50, "width": 1 / 8, "classes": 7},
    "vgg_cifar": {"depth": 13, "width": 1 / 16},
    "mlp": {"hidden": (6, 5), "classes": 3, "input_shape": (4, 5, 2)},
    "tweet_lstm": {"vocabulary_size": 30, "embedding": 7, "units": 5},
}
RANDOM = [
    f"random{k}{spread}{output}"
    for k in (1, 4)
    for spread in ("", "spread")
    for output in ("", "output")
]


@pytest.mark.parametrize("network", NETWORKS)
def test_as_many_as_in_the_built_network(network):
    arguments = NETWORKS[network]
    model = bnkeras.build(network, **arguments)
    for regime in [*REGIMES, *RANDOM]:
        if "shortcut" in regime and not network.startswith("resnet"):
            continue
        bnkeras.set_regime(model, regime)
        expected = bnkeras.parameter_counts(model)["trainable"]
        assert trainable(network, regime, **arguments) == expected > 0, regime


def test_the_papers_numbers():
    assert trainable("resnet_cifar", "bnonly", depth=866) == 64_736
    assert trainable("resnet_cifar", "bnshortcutoutput", depth=14) == 1_120 + 2_560 + 650
    assert trainable("resnet_imagenet", "frozenbn", depth=200) == 64_673_832 - 176_000
    assert trainable("mlp", "bnoutput") == 6_154
    assert trainable("tweet_lstm", "bnonly", vocabulary_size=23_893) == 604


def test_two_random_weights_of_each_channel_are_as_many_as_gamma_and_beta():
    for depth in (14, 110):
        two = trainable("resnet_cifar", "random2", depth=depth)
        assert two == trainable("resnet_cifar", "bnonly", depth=depth)
        assert two == trainable("resnet_cifar", "random2spread", depth=depth)
        assert two + 650 == trainable("resnet_cifar", "random2output", depth=depth)


def test_a_unit_has_no_more_weights_than_lead_to_it():
    assert trainable("resnet_cifar", "random16", depth=14) == 16 * 560
    with pytest.raises(RegimeError, match=r"'random17' trains 17 weights of every unit.* with 16"):
        trainable("resnet_cifar", "random17", depth=14)


def test_a_regime_that_the_network_has_nothing_for():
    with pytest.raises(RegimeError) as caught:
        trainable("vgg_cifar", "shortcutoutput", depth=11)
    assert str(caught.value) == (
        "The regime 'shortcutoutput' has a rule for shortcut variables, and vgg_cifar has none. "
        "Choose a regime without it: all, bnonly, bnoutput, output, frozenbn."
    )


def test_errors_of_names():
    with pytest.raises(RegimeError, match="No regime 'bnolny'"):
        trainable("mlp", "bnolny")
    with pytest.raises(ModelError, match="No network 'mpl'"):
        trainable("mpl", "bnonly")


def test_counting_imports_no_keras():
    probe = (
        "import sys; from bnkeras.regimes.sizes import trainable; "
        "trainable('resnet_imagenet', 'random2', depth=200); "
        "print(*{'keras', 'tensorflow'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
