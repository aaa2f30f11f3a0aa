"""The time left over a study, against arithmetic by hand."""

import pytest

from bnkeras.models.sizes import counts
from bnkeras.studies.grid import members
from bnkeras.studies.shipped import load_study
from bnkeras.studies.timing import Timing

MODELS = ["resnet14", "resnet32", "resnet56"]
REGIMES = ["all", "bnonly"]


@pytest.fixture(scope="module")
def depth():
    """Members of cifar_depth by model, regime and seed."""
    found = members(load_study("cifar_depth"), replicates=2, models=MODELS, regimes=REGIMES)
    return {(one.model, one.regime, one.replicate): one for one in found}


@pytest.fixture(scope="module")
def mlp():
    return members(load_study("torri_mlp"), replicates=1)[0]


def rows(*seconds):
    return [{"epoch": epoch, "seconds": taken} for epoch, taken in enumerate(seconds, start=1)]


def test_nothing_measured_is_nothing_known(depth):
    timing = Timing()
    timing.measure(depth["resnet14", "all", 0], [])
    assert timing.pace(depth["resnet14", "all", 0]) is None
    assert timing.seconds_left([(depth["resnet14", "all", 0], 3)]) is None
    assert timing.seconds_left([]) == 0


@pytest.mark.parametrize(
    ("seconds", "pace"),
    [((20.0,), 20.0), ((20.0, 10.0), 10.0), ((20.0, 10.0, 90.0, 12.0), 12.0)],
    ids=["one", "two", "an outlier"],
)
def test_the_first_epoch_counts_only_where_it_is_alone(seconds, pace, depth):
    timing = Timing()
    timing.measure(depth["resnet14", "all", 0], rows(*seconds))
    assert timing.pace(depth["resnet14", "all", 0]) == pace


def test_the_nearest_kin_decides(depth):
    timing = Timing()
    timing.measure(depth["resnet14", "all", 0], rows(9.0, 4.0))
    # Its model, then its model and regime, then the mean of its replicates.
    assert timing.pace(depth["resnet14", "bnonly", 1]) == 4.0
    timing.measure(depth["resnet14", "bnonly", 0], rows(9.0, 2.0))
    assert timing.pace(depth["resnet14", "bnonly", 1]) == 2.0
    timing.measure(depth["resnet14", "bnonly", 1], rows(9.0, 3.0))
    assert timing.pace(depth["resnet14", "bnonly", 1]) == 2.5
    assert timing.pace(depth["resnet14", "all", 1]) == 4.0


def test_other_models_are_scaled_by_the_nearest_in_size(depth):
    size = {model: counts("resnet_cifar", depth=int(model[6:]))["total"] for model in MODELS}
    timing = Timing()
    timing.measure(depth["resnet14", "all", 0], rows(5.0))
    scaled = timing.pace(depth["resnet56", "all", 0])
    assert scaled == pytest.approx(5.0 * size["resnet56"] / size["resnet14"])
    timing.measure(depth["resnet32", "all", 0], rows(11.0))
    timing.measure(depth["resnet32", "bnonly", 0], rows(9.0))
    # 10 s are the mean of ResNet-32, which is nearer to ResNet-56 than ResNet-14 is.
    scaled = timing.pace(depth["resnet56", "all", 0])
    assert scaled == pytest.approx(10.0 * size["resnet56"] / size["resnet32"])


def test_another_family_gets_the_mean(depth, mlp):
    timing = Timing()
    timing.measure(depth["resnet14", "all", 0], rows(5.0))
    timing.measure(depth["resnet32", "all", 0], rows(15.0))
    assert timing.pace(mlp) == 10.0


def test_a_guess_gives_way_to_an_epoch(depth):
    member = depth["resnet14", "all", 0]
    timing = Timing()
    timing.guess(member, 7.0)
    assert timing.pace(member) == 7.0
    timing.measure(member, rows(8.0))
    timing.guess(member, 6.0)
    assert timing.pace(member) == 8.0


def test_the_time_left_is_the_sum_with_what_comes_on_top(depth):
    timing = Timing()
    timing.measure(depth["resnet14", "all", 0], rows(9.0, 4.0))
    timing.measure(depth["resnet14", "bnonly", 0], rows(9.0, 2.0))
    waiting = [(depth["resnet14", "all", 1], 3), (depth["resnet14", "bnonly", 1], 2.5)]
    assert timing.seconds_left(waiting) == 3 * 4.0 + 2.5 * 2.0
    # 30 s for 20 s of epochs, then 15 s for 10 s: half as much again.
    timing.took(30.0, 20.0)
    timing.took(15.0, 10.0)
    assert timing.seconds_left(waiting) == 1.5 * 17.0
