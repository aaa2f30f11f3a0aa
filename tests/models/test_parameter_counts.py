"""The sizes of the papers' networks: exact by hand, and the rows of their tables."""

import itertools
from decimal import ROUND_HALF_UP, Decimal

import keras
import pytest

import bnkeras
from bnkeras.models.variables import Group, grouped_variables

# Frankle et al. 2021, table 2: total, BatchNorm, output, shortcut.
BY_DEPTH = {
    14: ("175K", "1.12K", "650", "2.56K"),
    32: ("467K", "2.46K", "650", "2.56K"),
    56: ("856K", "4.26K", "650", "2.56K"),
    110: ("1.73M", "8.29K", "650", "2.56K"),
    218: ("3.48M", "16.4K", "650", "2.56K"),
    434: ("6.98M", "32.5K", "650", "2.56K"),
    866: ("14.0M", "64.7K", "650", "2.56K"),
}
BY_WIDTH = {
    1: ("175K", "1.12K", "650", "2.56K"),
    # The paper prints 696K; the exact total is 696,618, which is 697K rounded.
    2: ("697K", "2.24K", "1.29K", "10.2K"),
    4: ("2.78M", "4.48K", "2.57K", "41.0K"),
    8: ("11.1M", "8.96K", "5.13K", "164K"),
    16: ("44.3M", "17.9K", "10.3K", "655K"),
    32: ("177M", "35.8K", "20.5K", "2.62M"),
}
IMAGENET = {
    18: ("11.7M", "9.6K", "513K", "172K"),
    34: ("21.8M", "17.0K", "513K", "172K"),
    50: ("25.6M", "53.1K", "2.05M", "2.77M"),
    # The paper prints 44.6M: 44,549,160 rounded to 44.55M, and that once more.
    101: ("44.5M", "105K", "2.05M", "2.77M"),
    200: ("64.7M", "176K", "2.05M", "2.77M"),
}
VGG = {
    11: ("9.23M", "5.5K", "5.13K", "0"),
    13: ("9.42M", "5.89K", "5.13K", "0"),
    16: ("14.73M", "8.45K", "5.13K", "0"),
    19: ("20.04M", "11.01K", "5.13K", "0"),
}
EXHAUSTIVE = {434, 866, 32}


def printed(count, like=None):
    """Write a count as the paper does: three digits, and K or M.

    Args:
        count: a number of parameters.
        like: a printed number whose digits after the point are taken instead.
    """
    if count < 1000:
        return str(count)
    unit, letter = (1000, "K") if count < 999_500 else (1_000_000, "M")
    value = Decimal(count) / unit
    step = Decimal(1).scaleb(value.adjusted() - 2) if like is None else Decimal(like.rstrip("KM"))
    return f"{value.quantize(step, ROUND_HALF_UP)}{letter}"


def by_hand(depth, width):
    """Count the parameters of a CIFAR ResNet from the description in the paper."""
    blocks, (a, b, c) = (depth - 2) // 6, (16 * width, 32 * width, 64 * width)
    stem = 9 * 3 * a
    group1 = 2 * blocks * 9 * a * a
    group2 = 9 * a * b + (2 * blocks - 1) * 9 * b * b
    group3 = 9 * b * c + (2 * blocks - 1) * 9 * c * c
    shortcut = a * b + b * c
    # γ and β of every convolution's channels; two of the convolutions are on shortcuts.
    batchnorm = 2 * (a + 2 * blocks * (a + b + c) + b + c)
    output = c * 10 + 10
    total = stem + group1 + group2 + group3 + shortcut + batchnorm + output
    return {
        "total": total,
        "batchnorm": batchnorm,
        "output": output,
        "shortcut": shortcut,
        "trainable": total,
    }


def check(counts, row, depth, width):
    assert counts == by_hand(depth, width)
    assert tuple(printed(count) for count in counts.values())[:4] == row


@pytest.mark.parametrize(
    "depth",
    [pytest.param(d, marks=pytest.mark.exhaustive) if d in EXHAUSTIVE else d for d in BY_DEPTH],
)
def test_resnets_by_depth(depth):
    model = bnkeras.build("resnet_cifar", depth=depth)
    check(bnkeras.parameter_counts(model), BY_DEPTH[depth], depth, 1)


@pytest.mark.parametrize(
    "width",
    [pytest.param(w, marks=pytest.mark.exhaustive) if w in EXHAUSTIVE else w for w in BY_WIDTH],
)
def test_resnets_by_width(width):
    model = bnkeras.build("resnet_cifar", depth=14, width=width)
    check(bnkeras.parameter_counts(model), BY_WIDTH[width], 14, width)


@pytest.mark.parametrize(("depth", "row"), BY_DEPTH.items())
def test_the_arithmetic_by_depth(depth, row):
    assert tuple(map(printed, by_hand(depth, 1).values()))[:4] == row


@pytest.mark.parametrize(("width", "row"), BY_WIDTH.items())
def test_the_arithmetic_by_width(width, row):
    assert tuple(map(printed, by_hand(14, width).values()))[:4] == row


def test_resnet14_exactly():
    assert by_hand(14, 1) == {
        "total": 175_258,
        "batchnorm": 1_120,
        "output": 650,
        "shortcut": 2_560,
        "trainable": 175_258,
    }


def imagenet_by_hand(depth):
    """Count the parameters of an ImageNet ResNet from the description in the paper."""
    third = {18: 2, 34: 6, 50: 6, 101: 23, 200: 36}[depth]
    second = {18: 2, 34: 4, 50: 4, 101: 4, 200: 24}[depth]
    ends = 2 if depth == 18 else 3
    kernels, channels, shortcut, before = 49 * 3 * 64, 64, 0, 64
    for inner, count in zip((64, 128, 256, 512), (ends, second, third, ends), strict=True):
        after = inner if depth < 50 else 4 * inner
        for _ in range(count):
            if depth < 50:
                kernels += 9 * before * inner + 9 * inner * inner
                channels += 2 * inner
            else:
                kernels += before * inner + 9 * inner * inner + inner * after
                channels += 2 * inner + after
            if before != after:
                shortcut += before * after
                channels += after
            before = after
    counts = {"batchnorm": 2 * channels, "output": 1000 * before + 1000, "shortcut": shortcut}
    total = kernels + sum(counts.values())
    return {"total": total, **counts, "trainable": total}


def vgg_by_hand(depth):
    """Count the parameters of a VGG network, whose convolutions have a bias."""
    counts = {11: (1, 1, 2, 2, 2), 13: (2,) * 5, 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}[depth]
    sizes = [
        3,
        *(c for c, n in zip((64, 128, 256, 512, 512), counts, strict=True) for _ in range(n)),
    ]
    features = sum(9 * a * b + b for a, b in itertools.pairwise(sizes))
    batchnorm, output = 2 * sum(sizes[1:]), 512 * 10 + 10
    total = features + batchnorm + output
    return {
        "total": total,
        "batchnorm": batchnorm,
        "output": output,
        "shortcut": 0,
        "trainable": total,
    }


@pytest.mark.parametrize(
    ("name", "depth", "expected", "row"),
    [
        *(("resnet_imagenet", d, imagenet_by_hand(d), row) for d, row in IMAGENET.items()),
        *(("vgg_cifar", d, vgg_by_hand(d), row) for d, row in VGG.items()),
    ],
)
def test_imagenet_resnets_and_vgg(name, depth, expected, row):
    # Weights of a constant are made at once.
    model = bnkeras.build(name, depth=depth, features="constant(0)")
    assert bnkeras.parameter_counts(model) == expected
    found = (printed(count, like) for count, like in zip(expected.values(), row, strict=False))
    assert tuple(found) == row


def test_imagenet_resnets_and_vgg_exactly():
    """As torchvision and Liu et al. have them."""
    totals = {depth: imagenet_by_hand(depth)["total"] for depth in IMAGENET}
    assert totals == {
        18: 11_689_512,
        34: 21_797_672,
        50: 25_557_032,
        101: 44_549_160,
        200: 64_673_832,
    }
    assert vgg_by_hand(16)["total"] == 14_728_266


def test_the_tweet_network():
    """Torri 2022: 5.5M parameters with a vocabulary of about 27,000; 604 in BatchNorm."""
    model = bnkeras.build("tweet_lstm", vocabulary_size=27_000)
    assert bnkeras.parameter_counts(model) == {
        "total": 27_000 * 200 + 400 * (200 + 100 + 1) + 202 + 604,
        "batchnorm": 604,
        "output": 202,
        "shortcut": 0,
        "trainable": 5_521_206,
    }


@pytest.mark.parametrize("width", [1 / 8, 1 / 4, 1 / 2, 3 / 16])
def test_narrow_resnets(width):
    model = bnkeras.build("resnet_cifar", depth=8, width=width)
    assert bnkeras.parameter_counts(model) == by_hand(8, width)


def test_the_perceptron():
    """Torri 2022: 3.8M parameters, of which BatchNorm and output are 6,154."""
    counts = bnkeras.parameter_counts(bnkeras.build("mlp"))
    hidden = 3072 * 1024 + 1024 * 512 + 512 * 256 + 1024 + 512 + 256
    batchnorm, output = 2 * (1024 + 512 + 256), 256 * 10 + 10
    assert counts == {
        "total": hidden + batchnorm + output,
        "batchnorm": batchnorm,
        "output": output,
        "shortcut": 0,
        "trainable": hidden + batchnorm + output,
    }
    assert counts["batchnorm"] + counts["output"] == 6_154
    assert counts["total"] == 3_809_034
    assert printed(counts["total"]) == "3.81M"


def test_moving_statistics_are_not_counted():
    model = bnkeras.build("resnet_cifar", depth=8, width=0.25)
    counts = bnkeras.parameter_counts(model)
    assert model.count_params() - counts["total"] == counts["batchnorm"]


def test_trainable_counts_what_trains():
    model = bnkeras.set_regime(bnkeras.build("resnet_cifar", depth=14), "bnoutput")
    assert bnkeras.parameter_counts(model)["trainable"] == 1_120 + 650
    model.trainable = False
    assert bnkeras.parameter_counts(model) == by_hand(14, 1) | {"trainable": 0}


def test_every_variable_has_one_group():
    model = bnkeras.build("resnet_cifar", depth=8, width=0.25)
    rows = grouped_variables(model)
    assert len({id(row.variable) for row in rows}) == len(rows) == len(model.variables)
    groups = {row.path: row.group for row in rows}
    assert groups["stem_conv/kernel"] is Group.FEATURES
    assert groups["stem_bn/gamma"] is groups["group2_block0_shortcut_bn/beta"] is Group.BATCHNORM
    assert groups["stem_bn/moving_mean"] is Group.STATISTICS
    assert groups["group2_block0_shortcut_conv/kernel"] is Group.SHORTCUT
    assert groups["output/kernel"] is groups["output/bias"] is Group.OUTPUT
    assert set(groups.values()) == set(Group) - {Group.RANDOM}


def test_models_of_other_origin():
    """Layers of Keras, nested models, shared layers, and random states."""
    shared = keras.layers.Dense(4, name="shared")
    inner = keras.Sequential(
        [keras.Input((6,)), shared, keras.layers.BatchNormalization(name="norm")], name="inner"
    )
    inputs = keras.Input((6,))
    x = keras.layers.Add()([inner(inputs), shared(inputs)])
    x = keras.layers.Dropout(0.5, seed=1, name="dropout")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="head")(x))
    assert bnkeras.parameter_counts(model) == {
        "total": 6 * 4 + 4 + 2 * 4 + 4 * 3 + 3,
        "batchnorm": 8,
        "output": 15,
        "shortcut": 0,
        "trainable": 6 * 4 + 4 + 2 * 4 + 4 * 3 + 3,
    }
    states = [row for row in grouped_variables(model) if "seed_generator" in row.path]
    assert [row.group for row in states] == [Group.STATISTICS]


def test_a_model_without_kernels():
    model = keras.Sequential([keras.Input((6,)), keras.layers.BatchNormalization()])
    counts = bnkeras.parameter_counts(model)
    assert (counts["total"], counts["batchnorm"], counts["output"]) == (12, 12, 0)
