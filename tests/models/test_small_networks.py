"""Small networks of a given number of parameters, against a search of all."""

import pytest

import bnkeras
from bnkeras.errors import ModelError
from bnkeras.models.sizes import counts
from bnkeras.models.small_networks import WIDTHS, SmallNetwork, nearest, nearest_by_width, smallest


@pytest.fixture(scope="module")
def all_networks():
    """Every network of up to 302 layers: (depth, width) and its total."""
    return {
        (depth, width): counts("resnet_cifar", depth=depth, width=width)["total"]
        for width in WIDTHS
        for depth in range(8, 303, 6)
    }


BUDGETS = [
    1,
    1_120,
    1_419,
    1_420,
    1_421,
    2_464,
    3_003,
    8_288,
    8_960,
    16_352,
    20_000,
    35_840,
    64_736,
]


@pytest.mark.parametrize("budget", BUDGETS)
def test_nearest_is_what_a_search_finds(all_networks, budget):
    order = sorted(
        (abs(total - budget), total, depth, width) for (depth, width), total in all_networks.items()
    )
    expected = [
        SmallNetwork(depth, width, total, total - budget) for _, total, depth, width in order
    ]
    assert nearest(budget, count=8) == expected[:8]
    assert nearest(budget) == expected[:5]


@pytest.mark.parametrize("budget", BUDGETS)
def test_nearest_by_width_is_the_first_of_each(all_networks, budget):
    found = nearest_by_width(budget)
    assert sorted(one.width for one in found) == list(WIDTHS)
    for one in found:
        assert one.total == all_networks[one.depth, one.width]
        assert abs(one.difference) == min(
            abs(total - budget) for (_, width), total in all_networks.items() if width == one.width
        )
    distances = [abs(one.difference) for one in found]
    assert distances == sorted(distances)


def test_a_network_found_can_be_built():
    first = nearest(8_288)[0]
    assert first == SmallNetwork(depth=8, width=0.3125, total=8_005, difference=-283)
    model = bnkeras.build("resnet_cifar", depth=first.depth, width=first.width)
    assert bnkeras.parameter_counts(model)["total"] == first.total


def test_classes_and_images_count():
    first = nearest(8_288, 1, classes=100, input_shape=(8, 8, 1))[0]
    total = counts(
        "resnet_cifar", depth=first.depth, width=first.width, classes=100, input_shape=(8, 8, 1)
    )["total"]
    assert first.total == total == 8_288 + first.difference
    assert first != nearest(8_288, 1)[0]


def test_a_large_budget_takes_a_deep_network():
    first = nearest(10**9, 1)[0]
    assert abs(first.difference) < 12_544  # six layers of width 1/2 make a larger step
    assert first.total == counts("resnet_cifar", depth=first.depth, width=first.width)["total"]


def test_a_budget_that_no_network_is_as_small_as(all_networks):
    assert smallest() == (8, 0.125, 1_420)
    assert all_networks[8, 0.125] == min(all_networks.values()) == 1_420
    first = SmallNetwork(depth=8, width=0.125, total=1_420, difference=300)
    assert nearest(1_120)[0] == nearest_by_width(1_120)[0] == first
    found = nearest_by_width(1_120)
    assert [(one.depth, one.width) for one in found] == [(8, width) for width in WIDTHS]
    assert smallest(classes=100, input_shape=(8, 8, 1))[2] == (
        nearest(1, 1, classes=100, input_shape=(8, 8, 1))[0].total
    )


@pytest.mark.parametrize("search", [nearest, nearest_by_width])
@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (0, "whole number of parameters above 0; received 0"),
        (-5, "received -5"),
        (8_288.0, "received 8288.0"),
        (True, "received True"),
        ("8288", "received '8288'"),
    ],
)
def test_budgets_that_are_none(search, budget, message):
    with pytest.raises(ModelError, match=message):
        search(budget)
