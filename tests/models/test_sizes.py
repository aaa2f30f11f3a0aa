"""Parameter counts by arithmetic: those of the networks that Keras builds, and the papers'."""

import subprocess
import sys

import numpy as np
import pytest

import bnkeras
from bnkeras.errors import ModelError
from bnkeras.models import BUILDERS, sizes
from bnkeras.models.paper_networks import (
    OTHER_ROUNDING,
    PAPER_NETWORKS,
    TWEETS_TOTAL,
    TWEETS_VOCABULARY,
    PaperNetwork,
    find,
    verdicts,
)

NAMES = [network.name for network in PAPER_NETWORKS]

# Of every family a small one, and of every rule about its shape one that follows it.
SMALL = [
    ("resnet_cifar", {"depth": 8, "width": 3 / 16, "classes": 3, "input_shape": (8, 8, 1)}),
    ("resnet_cifar", {"depth": 20, "width": 2}),
    ("resnet_imagenet", {"depth": 18, "width": 1 / 8, "classes": 7}),
    ("resnet_imagenet", {"depth": 50, "width": 1 / 16, "classes": 7}),
    ("vgg_cifar", {"depth": 11, "classes": 4}),
    ("mlp", {"hidden": (6, 5), "classes": 3, "input_shape": (4, 5, 2)}),
    ("mlp", {}),
    ("tweet_lstm", {"vocabulary_size": 30, "embedding": 7, "units": 5, "classes": 3}),
]


def built(network, arguments):
    counts = bnkeras.parameter_counts(bnkeras.build(network, **arguments))
    del counts["trainable"]
    return counts


@pytest.mark.parametrize(("network", "arguments"), SMALL)
def test_the_arithmetic_agrees_with_what_is_built(network, arguments):
    assert sizes.counts(network, **arguments) == built(network, arguments)


@pytest.mark.exhaustive
@pytest.mark.parametrize("network", PAPER_NETWORKS, ids=NAMES)
def test_the_arithmetic_agrees_with_the_papers_networks(network):
    assert sizes.counts(network.network, **network.arguments) == built(
        network.network, network.arguments
    )


def test_every_builder_can_be_counted():
    assert {network for network, _ in SMALL} == set(BUILDERS)


def test_the_torri_networks_exactly():
    assert sizes.counts("mlp") == {
        "total": 3_809_034,
        "batchnorm": 3_584,
        "output": 2_570,
        "shortcut": 0,
    }
    assert sizes.counts("tweet_lstm", vocabulary_size=23_893) == {
        "total": 23_893 * 200 + 400 + 4 * (200 * 100 + 100 * 100 + 100) + 200 + 202 + 4,
        "batchnorm": 604,
        "output": 202,
        "shortcut": 0,
    }


def test_what_changes_no_count_is_accepted():
    plain = sizes.counts("resnet_cifar", depth=14)
    assert plain == sizes.counts(
        "resnet_cifar",
        depth=14,
        seed=3,
        features="binary",
        gamma="constant(1)",
        beta="constant(1)",
        norm="instance",
        dtype="mixed_bfloat16",
        input_shape=(None, None, 3),
    )


def test_numbers_of_numpy_count_as_pythons():
    plain = sizes.counts("resnet_cifar", depth=14, width=2, classes=5)
    assert plain == sizes.counts(
        "resnet_cifar", depth=np.int64(14), width=np.float32(2), classes=np.int32(5)
    )


@pytest.mark.parametrize("norm", ["instance", "group", "layer"])
def test_other_norms_have_as_many_parameters(norm):
    arguments = {"depth": 8, "width": 0.5}
    assert built("resnet_cifar", {**arguments, "norm": norm}) == sizes.counts(
        "resnet_cifar", **arguments
    )


@pytest.mark.parametrize(
    ("network", "arguments", "message"),
    [
        ("resnet_cifr", {}, r"No network 'resnet_cifr': choose one of .* 'resnet_cifar'\?"),
        (None, {}, "No network None: choose one of resnet_cifar, "),
        ("resnet_cifar", {}, "resnet_cifar: missing a required argument: 'depth'"),
        ("resnet_cifar", {"depth": 15}, r"6n \+ 2 with n ≥ 1; received 15\."),
        ("resnet_cifar", {"depth": 14, "width": 1 / 3}, "received width=0.333"),
        ("resnet_cifar", {"depth": 14, "layers": 3}, "unexpected keyword argument 'layers'"),
        ("resnet_imagenet", {"depth": 100}, "received 100"),
        ("vgg_cifar", {"depth": 12}, "received 12"),
        ("mlp", {"hidden": ()}, r"hidden takes whole numbers above 0; received \(\)"),
        ("mlp", {"classes": 2.5}, "classes takes whole numbers above 0; received 2.5"),
        ("mlp", {"input_shape": (None, 32, 3)}, r"takes \(height, .* received \(None, 32, 3\)"),
        ("mlp", {"input_shape": (32, 3)}, r"takes \(height, .* received \(32, 3\)"),
        ("vgg_cifar", {"depth": 11, "input_shape": (32, 32, None)}, r"received \(32, 32, None\)"),
        (["mlp"], {}, r"No network \['mlp'\]"),
    ],
)
def test_what_cannot_be_built_is_not_counted(network, arguments, message):
    with pytest.raises(ModelError, match=message):
        sizes.counts(network, **arguments)


@pytest.mark.parametrize("network", PAPER_NETWORKS, ids=NAMES)
def test_the_papers_print_these_counts(network):
    found = verdicts(network, sizes.counts(network.network, **network.arguments))
    expected = {
        key: "other rounding" if (network.name, key) in OTHER_ROUNDING else "equal"
        for key in network.printed
    }
    assert found == expected
    assert found


def test_all_networks_of_the_papers_are_there():
    assert [
        *(f"resnet{depth}" for depth in (14, 32, 56, 110, 218, 434, 866)),
        *(f"wrn14x{width}" for width in (1, 2, 4, 8, 16, 32)),
        *(f"resnet{depth}" for depth in (18, 34, 50, 101, 200)),
        *(f"vgg{depth}" for depth in (11, 13, 16, 19)),
        "mlp",
        "tweets_lstm",
    ] == NAMES


@pytest.mark.parametrize(
    ("count", "printed", "verdict"),
    [
        (650, "650", "equal"),
        (651, "650", "different"),
        (41_049, "41.0K", "equal"),
        (41_050, "41.0K", "different"),
        (41_050, "41.1K", "equal"),  # a half is rounded up
        (999_949, "999.9K", "equal"),
        (14_728_266, "14.73M", "equal"),
        (14_725_000, "14.72M", "different"),
        (696_618, "696K", "different"),  # only of WRN-14-2 is it known
    ],
)
def test_verdicts_round_to_the_digits_that_are_printed(count, printed, verdict):
    network = PaperNetwork("mine", "", "", "resnet_cifar", {}, {"total": printed})
    assert verdicts(network, {"total": count}) == {"total": verdict}


def test_another_rounding_is_known_of_the_exact_count_alone():
    network = find("wrn14x2")
    counts = sizes.counts(network.network, **network.arguments)
    counts["total"] += 1
    assert verdicts(network, counts)["total"] == "different"


def test_sums_that_the_papers_print():
    network = find("mlp")
    counts = {"total": 3_809_034, "batchnorm": 3_584, "output": 2_570, "shortcut": 0}
    assert verdicts(network, counts) == {"total": "equal", "batchnorm + output": "equal"}
    counts["output"] += 100
    assert verdicts(network, counts)["batchnorm + output"] == "different"


def test_the_vocabulary_that_the_tweets_total_takes():
    first, last = TWEETS_VOCABULARY[0], TWEETS_VOCABULARY[-1]
    network = PaperNetwork("tweets", "", "", "tweet_lstm", {}, {"total": TWEETS_TOTAL})
    found = [
        verdicts(network, sizes.counts("tweet_lstm", vocabulary_size=words))["total"]
        for words in (first - 1, first, last, last + 1)
    ]
    assert found == ["different", "equal", "equal", "different"]


def test_a_network_that_the_papers_do_not_have():
    with pytest.raises(ModelError, match=r"called 'resnet111': choose .* mean 'resnet110'\?"):
        find("resnet111")


def test_counting_imports_no_keras():
    probe = (
        "import sys; from bnkeras.models import paper_networks, small_networks, sizes; "
        "sizes.counts('resnet_imagenet', depth=200); small_networks.nearest(8288); "
        "print(*{'keras', 'tensorflow'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
