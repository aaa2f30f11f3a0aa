"""`bnkeras networks counts` and `bnkeras networks near`."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

import bnkeras
from bnkeras.models import paper_networks, sizes
from bnkeras.models.small_networks import nearest, nearest_by_width


@pytest.fixture
def run(call_bnkeras):
    return partial(call_bnkeras, "networks")


@pytest.fixture
def two_networks(monkeypatch):
    """Let the papers have had two networks, quickly built."""
    chosen = tuple(map(paper_networks.find, ("resnet14", "tweets_lstm")))
    monkeypatch.setattr(paper_networks, "PAPER_NETWORKS", chosen)


def line(out, name):
    return next(line for line in out.splitlines() if line.startswith(f"{name} ")).split()


def test_counts_stand_beside_what_the_papers_print(run):
    code, out, err = run("counts")
    assert (code, err) == (0, "")
    assert line(out, "resnet200") == [
        *("resnet200", "64,673,832", "=64.7M", "176,000", "=176K"),
        *("2,049,000", "=2.05M", "2,768,896", "=2.77M"),
    ]
    assert line(out, "wrn14x2")[:3] == ["wrn14x2", "696,618", "≈696K"]
    assert line(out, "vgg16") == [
        *("vgg16", "14,728,266", "=14.73M", "8,448", "=8.45K", "5,130", "=5.13K"),
    ]
    assert line(out, "tweets_lstm")[:4] == ["tweets_lstm", "4,899,806", "604", "=604"]
    assert "≈ resnet101, total: 44,549,160; 44.6M is as if rounded twice, by way of 44.55M" in out
    assert "= mlp, batchnorm + output: 6,154; the paper has 6.2K" in out
    assert "the paper's total of 5.5M takes 26,644 to 27,143" in out
    tables = out[: out.index("= equal, rounded")]
    assert max(map(len, tables.splitlines())) <= 80
    assert "≠" not in out


def test_counts_as_json(run):
    code, out, _ = run("counts", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0
    assert list(rows) == [network.name for network in paper_networks.PAPER_NETWORKS]
    assert rows["wrn14x2"] == {
        "name": "wrn14x2",
        "family": "ResNets for CIFAR-10, by width",
        "source": "Frankle, Schwab, Morcos 2021, arXiv 2003.00152",
        "network": "resnet_cifar",
        "arguments": {"depth": 14, "width": 2},
        "counts": {"total": 696_618, "batchnorm": 2_240, "output": 1_290, "shortcut": 10_240},
        "paper": {"total": "696K", "batchnorm": "2.24K", "output": "1.29K", "shortcut": "10.2K"},
        "verdicts": {
            "total": "other rounding",
            "batchnorm": "equal",
            "output": "equal",
            "shortcut": "equal",
        },
    }


def test_a_count_that_differs_is_exit_code_1(run, monkeypatch):
    def wrong(network, **arguments):
        found = sizes.sizes(network, **arguments)
        return {
            "total": found.total,
            "batchnorm": found.batchnorm + 100,
            "output": found.output,
            "shortcut": found.shortcut,
        }

    monkeypatch.setattr(sizes, "counts", wrong)
    code, out, err = run("counts")
    assert code == 1
    assert "≠8.29K" in out
    first, *faults = err.splitlines()
    assert first == f"bnkeras: {len(faults)} of the counts differ:"
    assert "  resnet110, batchnorm: 8,388; the paper has 8.29K" in faults
    assert "  mlp, batchnorm + output: 6,254; the paper has 6.2K" in faults
    code, out, _ = run("counts", "--json")
    assert code == 1
    assert json.loads(out)[0]["verdicts"]["batchnorm"] == "different"


def test_build_counts_what_keras_built(run, two_networks):
    code, out, err = run("counts", "--build")
    assert (code, err) == (0, "")
    assert out.startswith("Parameters, counted in the built networks, and")
    assert line(out, "resnet14")[1] == "175,258"
    assert line(out, "tweets_lstm")[1] == "4,899,806"


def test_build_notices_what_the_arithmetic_has_not(run, two_networks, monkeypatch):
    def one_more(model):
        return {**counted(model), "total": counted(model)["total"] + 1}

    counted = bnkeras.parameter_counts
    monkeypatch.setattr(bnkeras, "parameter_counts", one_more)
    code, out, err = run("counts", "--build")
    assert code == 1
    assert line(out, "resnet14")[1:3] == ["175,259", "=175K"]
    assert err.splitlines() == [
        "bnkeras: 2 of the counts differ:",
        "  resnet14, total: 175,259; by arithmetic 175,258",
        "  tweets_lstm, total: 4,899,807; by arithmetic 4,899,806",
    ]


@pytest.mark.exhaustive
def test_all_networks_built_have_the_papers_counts(run):
    code, _, err = run("counts", "--build")
    assert (code, err) == (0, "")


def test_near_a_network(run):
    code, out, err = run("near", "resnet110")
    assert (code, err) == (0, "")
    assert out.startswith("γ and β of resnet110 are 8,288 parameters. ")
    rows = [row.split() for row in out.splitlines() if row.rstrip().endswith("%)")]
    assert rows[0] == ["8", "5/16", "8,005", "-283", "(-3.4%)"]
    networks = [row[:2] for row in rows]
    assert networks[:3] == [["8", "5/16"], ["32", "1/8"], ["38", "1/8"]]
    assert networks[3:5] == [["20", "3/16"], ["14", "3/16"]]
    assert sorted(networks[5:]) == [["8", "1/2"], ["8", "1/4"], ["8", "3/8"], ["8", "7/16"]]
    command = "bnkeras recipe run resnet14_all --set model.depth=8 --set model.width=0.3125"
    assert out.splitlines()[-1].strip() == command


def test_near_a_network_with_less_than_the_smallest(run):
    code, out, err = run("near", "resnet14")
    assert (code, err) == (0, "")
    assert out.startswith("γ and β of resnet14 are 1,120 parameters. ")
    rows = [row.split() for row in out.splitlines() if row.rstrip().endswith("%)")]
    assert rows[0] == ["8", "1/8", "1,420", "+300", "(+26.8%)"]
    assert (
        "\nNone is smaller than that of depth 8 and width 1/8, with its 1,420 parameters.\n" in out
    )
    command = "bnkeras recipe run resnet14_all --set model.depth=8 --set model.width=0.125"
    assert out.splitlines()[-1].strip() == command


@pytest.mark.parametrize(("budget", "remarked"), [("1", True), ("1419", True), ("1420", False)])
def test_near_remarks_that_none_is_smaller(run, budget, remarked):
    code, out, _ = run("near", budget)
    assert code == 0
    assert ("None is smaller" in out) is remarked


@pytest.mark.parametrize("budget", ["16352", "16,352", "resnet218"])
def test_near_as_json(run, budget):
    code, out, _ = run("near", budget, "--count", "2", "--json")
    assert code == 0
    assert json.loads(out) == {
        "budget": 16_352,
        "nearest": [one._asdict() for one in nearest(16_352, 2)],
        "nearest_by_width": [one._asdict() for one in nearest_by_width(16_352)],
    }


def test_the_recipe_that_near_prints_has_the_network(call_bnkeras):
    out = call_bnkeras("networks", "near", "40000")[1]
    command = out.splitlines()[-1].split()
    assert command[:3] == ["bnkeras", "recipe", "run"]
    code, shown, _ = call_bnkeras("recipe", "show", *command[3:], "--json")
    model = json.loads(shown)["model"]
    first = nearest(40_000, 1)[0]
    assert code == 0
    assert (model["depth"], model["width"]) == (first.depth, first.width)
    assert (model["regime"], model["network"]) == ("all", "resnet_cifar")


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("0", "a whole number of parameters above 0; received 0."),
        ("resnet111", "No network of the papers is called 'resnet111': choose one of resnet14, "),
        ("8.3K", "A budget is a whole number of parameters, or a network of the papers. "),
    ],
)
def test_a_budget_that_is_none(run, budget, message):
    code, out, err = run("near", budget)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["counts", "near resnet110"])
def test_the_documentation_shows_what_is_printed(run, command):
    text = (Path(__file__).parents[2] / "docs/networks.md").read_text(encoding="utf-8")
    shown = text.split(f"$ bnkeras networks {command}\n")[1].split("\n```")[0]
    printed = [line.rstrip() for line in run(*command.split())[1].splitlines()]
    assert shown.splitlines() == printed


@pytest.mark.parametrize("command", ["counts", "near"])
def test_help_has_examples(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"bnkeras networks {command}" in out.split("Examples:")[1]


@pytest.mark.parametrize("arguments", [["counts"], ["near", "resnet110"], ["--help"]])
def test_arithmetic_needs_no_keras(arguments):
    probe = (
        "import sys, bnkeras.cli.main as m; "
        f"sys.argv = ['bnkeras', 'networks', *{arguments!r}]\n"
        "try: m.main()\n"
        "except SystemExit: pass\n"
        "print(*{'keras', 'tensorflow'} & set(sys.modules), 'end')"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == ["end"]
