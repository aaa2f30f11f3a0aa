"""`bnkeras networks cost`."""

import json
from functools import partial

import pytest


@pytest.fixture
def run(call_bnkeras):
    return partial(call_bnkeras, "networks", "cost")


def rows(out, title):
    """Return the cells of the table below a title."""
    table = out.partition(f"\n{title}: ")[2].partition("\n\n")[0]
    return [line.split() for line in table.splitlines()[2:] if "GB" in line]


def test_what_bnonly_buys(run):
    code, out, err = run("resnet14_bnonly", "--devices", "1,16", "--link", "ethernet-25")
    assert (code, err) == (0, "")
    assert out.startswith("ResNet-14 on CIFAR-10: γ and β only, float32, predicted.\n")
    assert "25 Gbit/s Ethernet, TCP between machines." in out
    assert "γ and β only: 1,120 of 175,258 parameters train; 4.48 KB of gradients a step" in out
    assert "all parameters: 175,258 of 175,258 parameters train; 701 KB of gradients a step" in out
    (one, many), (_, many_all) = rows(out, "γ and β only"), rows(out, "all parameters")
    assert one[:2] == ["1", "128"]
    assert many[:2] == ["16", "8"]
    assert max(map(len, out.splitlines()[3:])) <= 80
    assert float(many[2]) < float(many_all[2])


def test_as_json(run):
    code, out, _ = run(
        *("resnet14_bnonly", "--json", "--devices", "8, 1", "--per-device", "32"),
        *("--set", "strategy.sync_bn=true", "--hardware", "v100", "--machine", "4"),
    )
    found = json.loads(out)
    assert code == 0
    assert (found["hardware"], found["link"], found["machine"]) == ("v100", "infiniband-400", 4)
    one, eight = found["predicted"]["bnonly"]
    assert (one["devices"], one["examples"], one["efficiency"]) == (1, 32, 1.0)
    assert (eight["devices"], eight["examples"]) == (8, 32)
    assert one["statistics"] == one["exchange"] == one["communication"] == 0
    assert eight["statistics"] > eight["exchange"] > 0
    assert eight["gradient_bytes"] == 4 * 1120
    parts = ("forward", "backward", "exchange", "statistics")
    assert eight["seconds"] == pytest.approx(sum(eight[part] for part in parts))
    assert found["predicted"]["all"][1]["gradient_bytes"] == 4 * 175_258


def test_of_all_parameters_there_is_one_table(run):
    code, out, _ = run("tweets_lstm_all", "--devices", "1", "--words", "20")
    assert code == 0
    assert out.count("parameters train") == 1


def test_what_does_not_fit_is_marked(run):
    arguments = ("resnet18_bnonly", "--devices", "1", "--batch-size", "8192")
    assert "more than the 80 GB that it has" in run(*arguments)[1]


def test_a_plot(run, tmp_path):
    pytest.importorskip("matplotlib")
    picture = tmp_path / "scaling.png"
    code, _, _ = run("resnet14_bnonly", "--devices", "1,2", "--plot", picture)
    assert code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resnet14_bnolny"], "Did you mean 'resnet14_bnonly'?"),
        (["resnet14_bnonly", "--hardware", "h10"], "No hardware 'h10': choose one of h100, h200"),
        (["resnet14_bnonly", "--link", "ethernet"], "No link 'ethernet': choose one of infini"),
        (["resnet14_bnonly", "--devices", "1,0"], "--devices takes numbers from 1 on"),
        (
            ["resnet14_bnonly", "--batch-size", "8", "--per-device", "4"],
            "give one of them; received 8 and 4.",
        ),
        (["resnet14_bnonly", "--devices", "3"], "received a batch of 128 for 3 devices"),
    ],
)
def test_errors_are_exit_code_2(run, arguments, message):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in err
