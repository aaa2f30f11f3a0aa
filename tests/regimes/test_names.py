"""The names of regimes, and the tables behind them."""

import subprocess
import sys

import pytest

from bnkeras.errors import RegimeError
from bnkeras.models.variables import Group
from bnkeras.regimes import REGIMES, check_regime
from bnkeras.regimes.names import RandomRegime, random_regime


def test_the_regimes_are_those_of_the_papers():
    assert set(REGIMES) == {
        "all",
        "bnonly",
        "bnoutput",
        "output",
        "bnshortcutoutput",
        "shortcutoutput",
        "frozenbn",
    }


def test_every_rule_names_a_group_and_the_last_takes_the_rest():
    for rules in REGIMES.values():
        patterns = [pattern for pattern, _ in rules]
        assert patterns[-1] == "*"
        assert set(patterns[:-1]) <= set(Group) - {Group.STATISTICS, Group.RANDOM}
        assert len(set(patterns)) == len(patterns)
        assert {action for _, action in rules} <= {"train", "freeze"}


@pytest.mark.parametrize(
    ("name", "regime"),
    [
        ("random1", RandomRegime(1)),
        ("random16", RandomRegime(16)),
        ("random2spread", RandomRegime(2, spread=True)),
        ("random2output", RandomRegime(2, output=True)),
        ("random128spreadoutput", RandomRegime(128, spread=True, output=True)),
    ],
)
def test_names_of_random_regimes(name, regime):
    assert check_regime(name) == name == str(random_regime(name))
    assert random_regime(name) == regime


@pytest.mark.parametrize("name", REGIMES)
def test_fixed_names(name):
    assert check_regime(name) == name
    assert random_regime(name) is None


@pytest.mark.parametrize(
    "name",
    [
        *("random", "random0", "random02", "random-1", "random2.0", "random2 ", " random2"),
        *("Random2", "random2outputspread", "random2spreadspread", "random٢", "randomspread"),
        *("random" + "9" * 10, "", "bnonly\n", None, 2, ["bnonly"]),
    ],
)
def test_what_is_no_name(name):
    with pytest.raises(RegimeError) as caught:
        check_regime(name)
    assert str(caught.value).startswith(
        f"No regime {name!r}: choose one of all, bnonly, bnoutput, output, bnshortcutoutput, "
        f"shortcutoutput, frozenbn, or random<k>, random<k>spread, random<k>output, "
        f"random<k>spreadoutput, where k is a whole number above 0, such as random2."
    )


@pytest.mark.parametrize(
    ("name", "meant"), [("bnonyl", "bnonly"), ("random16outptu", "random16output")]
)
def test_what_was_meant(name, meant):
    with pytest.raises(RegimeError, match=rf" Did you mean '{meant}'\?$"):
        check_regime(name)


def test_names_need_no_keras():
    probe = (
        "import sys; from bnkeras.regimes import check_regime; check_regime('random2'); "
        "print(*{'keras', 'tensorflow'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
