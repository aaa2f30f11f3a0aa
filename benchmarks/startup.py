"""How long commands take that need no network: whole processes, beside Python's own start.

    python benchmarks/startup.py [--rounds 15] [--write results/startup]

In each round every command once, so that a change of the machine's speed meets all alike.
`python -c pass` is the floor, `import tensorflow` what a command would take at least that
imports it, and `import torch` beside it where PyTorch is installed. What counts is the median; a
ratio is the median of the ratios of a round.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bnkeras._version import __version__

PYTHON = [sys.executable, "-c"]
BNKERAS = [sys.executable, "-m", "bnkeras.cli.main"]
COMMANDS = {
    "python -c pass": [*PYTHON, "pass"],
    "bnkeras --help": [*BNKERAS, "--help"],
    "bnkeras --version": [*BNKERAS, "--version"],
    "bnkeras recipe list": [*BNKERAS, "recipe", "list"],
    "bnkeras recipe show resnet200_bnonly": [*BNKERAS, "recipe", "show", "resnet200_bnonly"],
    "bnkeras networks counts": [*BNKERAS, "networks", "counts"],
    "python -c 'import tensorflow'": [*PYTHON, "import tensorflow"],
    "python -c 'import keras'": [*PYTHON, "import keras"],
}
PEER = "python -c 'import tensorflow'"


def seconds(command: list[str]) -> float:
    """Return the time of one process, from its start to its end."""
    begin = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter with PyTorch")
    parser.add_argument("--write", type=Path, metavar="DIR", help="keep the figures there")
    options = parser.parse_args()

    commands = dict(COMMANDS)
    torch = options.torch or (sys.executable if find_spec("torch") else None)
    if torch:
        commands["python -c 'import torch'"] = [torch, "-c", "import torch"]
    taken = {name: [] for name in commands}
    for turn in range(options.rounds + 1):
        for name, command in commands.items():
            one = seconds(command)
            if turn:  # the first fills the disk's cache and writes .pyc files
                taken[name].append(one)

    hardware = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"bnkeras {__version__}, {hardware}, {options.rounds} rounds")
    print(f"{'command':40}{'median':>9}{'10-90%':>16}{'to import tensorflow':>22}")
    rows = []
    for name, own in taken.items():
        low, middle, high = np.percentile(own, [10, 50, 90])
        ratio = float(np.median(np.divide(own, taken[PEER])))
        rows.append({"command": name, "seconds": middle, "from": low, "to": high, "ratio": ratio})
        print(f"{name:40}{middle:7.3f} s{f'{low:.3f}-{high:.3f}':>16}{ratio:22.3f}")
    if options.write:
        options.write.mkdir(parents=True, exist_ok=True)
        figures = {"hardware": hardware, "version": __version__, "rows": rows}
        (options.write / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
