"""The training step beside that of Keras' own layers and of PyTorch, and beside its floor.

    python benchmarks/training_step.py --network NAME [--precision float32]
        [--regimes all bnonly random2] [--rounds 7] [--seconds 0.4] [--torch-python PATH]
        [--torch-settings default channels_last compile] [--json FILE]
    python benchmarks/training_step.py --report FILE

The peers, each in a process of its own that sleeps while the others have their turn:

- bnkeras: the network, regime and compilation of a recipe, in the loop of this package, with
  deterministic operations as runs have them. `fit` is the same model under `model.fit`, `run`
  a whole `bnkeras.training.run`; what they take longer than the bare step is their own;
- Keras: stock layers of the same shapes under `model.fit`, with Keras' own SGD;
- PyTorch: the same network in its own modules, with its own SGD.

All train on one batch that lies in memory, by SGD with momentum 0.9 and L2 or weight decay 1e-4,
and keep loss and accuracy. That parameters and products are equally many is checked. Each
setting of a peer is tried first; the fastest for each regime, and those near it, are then
measured. In every round each does steps for about `--seconds`. A ratio is the median of the
ratios in the same round, and 10-90% is the spread of the middle 80% of the rounds.

The floor is the time of the products at the rates of products and convolutions of these shapes
alone, and of the values that have to be moved at the rate of a copy (`step_floors.py` says
which); rates are measured in the same run, by TensorFlow and PyTorch, and the better one counts.
Also given is the share of the rate of a large square product. `--json` adds to what the file
holds of other networks and precisions.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from math import prod
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from peers.networks import NETWORKS, PRECISIONS, REGIMES
from peers.serve import Variant
from peers.turns import Peer, command_line, has_torch, progress
from step_floors import Convolution, convolution, floor, products
from step_report import OURS, SQUARE, summary, tables

from bnkeras.training.environment import environment

# A setting that takes so many times as long as the best in a short trial is left out.
NEAR = 1.25


def main() -> None:
    """Measure, or print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--network", choices=NETWORKS, default="resnet14")
    parser.add_argument("--regimes", nargs="+", choices=REGIMES, default=REGIMES)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.4, help="of a turn, about")
    parser.add_argument("--torch-python", default=sys.executable, help="interpreter with PyTorch")
    parser.add_argument("--torch-settings", nargs="+", default=["default", "channels_last"])
    parser.add_argument("--keras-settings", nargs="+", default=["plain"])
    parser.add_argument("--json", type=Path, help="add every measurement to this file")
    parser.add_argument("--report", type=Path, help="print what such a file holds")
    options = parser.parse_args()
    if options.report:
        stored = json.loads(options.report.read_text())
        print("\n".join([*summary(stored.values()), "", *map(tables, stored.values())]))
        return
    found = {"command": command_line(), "environment": environment(), **measure(options)}
    print(tables(found))
    if options.json:
        file = options.json
        stored = json.loads(file.read_text()) if file.exists() else {}
        stored[f"{options.network} {options.precision}"] = found
        file.write_text(json.dumps(stored, indent=1) + "\n")


class Runner:
    """A variant of a peer, with the times of its steps.

    Args:
        who: name of the peer.
        peer: its process.
        variant: what it trains.
    """

    def __init__(self, who: str, peer: Peer, variant: Variant):
        progress(f"{who} {' '.join(variant)}")
        self.who, self.peer, self.variant = who, peer, variant
        self.times: list[float] = []
        self.about = peer.ask(prepare=variant._asdict())
        self.refused = self.about.pop("refused", None)
        if self.refused is None:
            self.trial = self._run(1)
            self.trial = min(self.trial, self._run(max(1, round(0.2 / self.trial))))

    def _run(self, steps: int) -> float:
        return self.peer.ask(run=self.variant._asdict(), steps=steps)["seconds"]

    def turn(self, seconds: float) -> None:
        """Do steps for about so many seconds."""
        self.times.append(self._run(max(1, round(seconds / self.trial))))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return every measurement of a network."""
    with ExitStack() as stack:

        def start(name: str, python: str = sys.executable) -> Peer:
            return stack.enter_context(Peer(name, python))

        peers = {
            "bnkeras": (start("bnkeras_loop"), ["loop"]),
            "Keras": (start("stock_keras"), options.keras_settings),
        }
        version = None
        if has_torch(options.torch_python):
            torch = start("pytorch", options.torch_python)
            version = torch.ask(version=None)["version"]
            peers["PyTorch"] = (torch, options.torch_settings)
        runners, tried = [], []

        def try_out(who: str, peer: Peer, regime: str, *settings: str) -> None:
            """Keep the fastest of some settings, and those that come near."""
            variants = [
                Variant(options.network, regime, options.precision, setting) for setting in settings
            ]
            own = [Runner(who, peer, variant) for variant in variants]
            tried.extend(own)
            able = [runner for runner in own if runner.refused is None]
            best = min((runner.trial for runner in able), default=0)
            runners.extend(runner for runner in able if runner.trial <= NEAR * best)

        for regime in options.regimes:
            for who, (peer, settings) in peers.items():
                try_out(who, peer, regime, *settings)
        if "bnonly" in options.regimes:
            try_out("bnkeras", peers["bnkeras"][0], "bnonly", "fit")
            try_out("bnkeras", start("bnkeras_run"), "bnonly", "run")
        check(runners)
        multipliers = [peer for who, (peer, _) in peers.items() if who != "Keras"]
        rates, copying = measure_rates(runners, multipliers, options.precision)
        squares = []
        for index in range(options.rounds):
            progress(f"round {index + 1} of {options.rounds}")
            for runner in runners[:: -1 if index % 2 else 1]:
                runner.turn(options.seconds)
            squares.append(rate(multipliers, SQUARE, options.precision))
    return {
        "network": options.network,
        "precision": options.precision,
        "pytorch": version,
        "parameters": runners[0].about["parameters"],
        "squares": squares,
        "copying": copying,
        "rates": [[*shape, found] for shape, found in rates.items()],
        "floors": floors(runners, options.precision, rates, copying),
        "tried": [
            {
                "peer": runner.who,
                "regime": runner.variant.regime,
                "setting": runner.variant.setting,
                **({"refused": runner.refused} if runner.refused else {"seconds": runner.trial}),
            }
            for runner in tried
        ],
        "steps": [
            {
                "peer": runner.who,
                "regime": runner.variant.regime,
                "setting": runner.variant.setting,
                "trainable": runner.about["trainable"],
                "seconds": runner.times,
            }
            for runner in runners
        ],
    }


def check(runners: Iterable[Runner]) -> None:
    """Raise ValueError unless all peers have as many parameters and products as we."""
    ours = {}
    for runner in runners:
        about, variant = runner.about, runner.variant
        if (runner.who, variant.setting) == OURS:
            ours[variant.regime] = {
                **about,
                "multiply_adds": sum(layer["multiply_adds"] for layer in about["layers"]),
            }
        for key in about.keys() & {"parameters", "trainable", "multiply_adds"}:
            if about[key] != ours[variant.regime][key]:
                raise ValueError(
                    f"{runner.who} has {about[key]:,} {key} of {' '.join(variant)}, and we have "
                    f"{ours[variant.regime][key]:,}."
                )


def rate(peers: Iterable[Peer], shape: tuple[int, ...], precision: str) -> float:
    """Return the operations per second of a product or convolution by the fastest peer."""
    if isinstance(shape, Convolution):
        command, operations = {"convolution": shape}, shape.operations
    else:
        command, operations = {"product": shape}, 2 * prod(shape)
    return operations / min(peer.ask(**command, precision=precision)["seconds"] for peer in peers)


def ours_of(runners: Iterable[Runner]) -> Iterator[Runner]:
    """Yield our own steps."""
    return (runner for runner in runners if (runner.who, runner.variant.setting) == OURS)


def measure_rates(
    runners: list[Runner], peers: list[Peer], precision: str
) -> tuple[dict[tuple[int, ...], float], float]:
    """Return operations per second by shape, and bytes copied per second.

    The copy is as large as the largest activation in float32: it may fit into a cache.
    """
    batch = NETWORKS[runners[0].variant.network].batch
    shapes = {
        product.shape
        for runner in ours_of(runners)
        for layer in runner.about["layers"]
        for product in products(layer, batch)
    }
    shapes |= {
        convolution(layer, batch) for layer in runners[0].about["layers"] if layer["kind"] == "conv"
    }
    progress(f"{len(shapes)} shapes of products and convolutions")
    rates = {shape: rate(peers, shape, precision) for shape in sorted(shapes)}
    largest = max(layer["activations"] for layer in runners[0].about["layers"])
    size = max(4 * batch * largest, 2**20)
    return rates, 2 * size / peers[0].ask(copy=size)["seconds"]


def floors(
    runners: list[Runner],
    precision: str,
    rates: dict[tuple[int, ...], float],
    copying: float,
) -> dict[str, dict[str, float]]:
    """Return the floors of a step by regime."""
    return {
        runner.variant.regime: floor(
            runner.about["layers"],
            NETWORKS[runner.variant.network].batch,
            precision,
            rates,
            copying,
        )
        for runner in ours_of(runners)
    }


if __name__ == "__main__":
    main()
