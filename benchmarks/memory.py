"""The memory of a training step beside that of PyTorch and of Keras' own layers.

    python benchmarks/memory.py [--network resnet110] [--regime bnonly] [--precision float32]
        [--rounds 3] [--steps 3] [--torch-python PATH] [--json FILE]
    python benchmarks/memory.py --report FILE

Each figure comes from a process of its own: the network is built, the resident memory noted,
then a few steps are done, and the peak of the resident memory is read (Linux). What is
given is the difference: activations, gradients, scratch space of the kernels, and whatever else
the framework takes for a step, compiling it included. Peers and batches are those of
`training_step.py`; PyTorch has images with channels last. `--json` adds to what the file holds
of other networks, regimes and precisions.
"""

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from peers.networks import NETWORKS, PRECISIONS, REGIMES
from peers.serve import Variant
from peers.turns import Peer, command_line, has_torch, progress

from bnkeras.training.environment import environment

# File of the peer and its setting, by name.
PEERS = {
    "bnkeras": ("bnkeras_loop", "loop"),
    "PyTorch": ("pytorch", "channels_last"),
    "Keras": ("stock_keras", "plain"),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--network", choices=NETWORKS, default="resnet110")
    parser.add_argument("--regime", choices=REGIMES, default="bnonly")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--torch-python", default=sys.executable, help="interpreter with PyTorch")
    parser.add_argument("--json", type=Path, help="add every measurement to this file")
    parser.add_argument("--report", type=Path, help="print what such a file holds")
    options = parser.parse_args()
    if options.report:
        print("\n".join(map(table, json.loads(options.report.read_text()).values())))
        return
    found = {
        "command": command_line(),
        "environment": environment(),
        "pytorch": torch_version(options.torch_python),
        "case": [options.network, options.regime, options.precision],
        "peaks": measure(options),
    }
    print(table(found))
    if options.json:
        file = options.json
        stored = json.loads(file.read_text()) if file.exists() else {}
        stored[" ".join(found["case"])] = found
        file.write_text(json.dumps(stored, indent=1) + "\n")


def torch_version(python: str) -> str | None:
    """Return the version of PyTorch; None where there is none."""
    if not has_torch(python):
        return None
    with Peer("pytorch", python) as peer:
        return peer.ask(version=None)["version"]


def measure(options: argparse.Namespace) -> dict[str, list[int]]:
    """Return the bytes of each peer, round by round."""
    pythons = dict.fromkeys(PEERS, sys.executable) | {"PyTorch": options.torch_python}
    peers = [name for name in PEERS if name != "PyTorch" or has_torch(options.torch_python)]
    found = {name: [] for name in peers}
    for index in range(options.rounds):
        for name in peers:
            file, setting = PEERS[name]
            progress(f"round {index + 1} of {options.rounds}: {name}")
            variant = Variant(options.network, options.regime, options.precision, setting)
            found[name].append(peak(file, pythons[name], variant, options.steps))
    return found


def peak(file: str, python: str, variant: Variant, steps: int) -> int:
    """Return the bytes that steps take above what the network takes before."""
    with Peer(file, python) as peer:
        refused = peer.ask(prepare=variant._asdict()).get("refused")
        if refused:
            raise SystemExit(f"{file}: {refused}")
        before = peer.ask(memory="now")["bytes"]
        peer.ask(run=variant._asdict(), steps=steps)
        return peer.ask(memory="peak")["bytes"] - before


def table(found: dict[str, Any]) -> str:
    """Return the table of one case."""
    network, regime, precision = found["case"]
    hardware, versions = (found["environment"][key] for key in ("hardware", "versions"))
    versions = {**versions, "torch": found["pytorch"] or "missing, so without it"}
    lines = [
        f"{network}, {regime}, {precision}, batches of {NETWORKS[network].batch}",
        f"{hardware['processor']}, {hardware['cores']} cores; "
        + ", ".join(f"{name} {version}" for name, version in versions.items()),
        found["command"],
        f"{'':10}{'MiB':>8}{'range':>14}{'times PyTorch':>16}",
    ]
    torch = found["peaks"].get("PyTorch")
    for name, peaks in found["peaks"].items():
        own, mebibytes = statistics.median(peaks), [peak / 2**20 for peak in peaks]
        ratio = f"{own / statistics.median(torch):.2f}" if torch else ""
        shown = f"{min(mebibytes):.0f}-{max(mebibytes):.0f}"
        lines.append(f"{name:10}{own / 2**20:8.0f}{shown:>14}{ratio:>16}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
