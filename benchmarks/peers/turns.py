"""The side of the benchmark: peers in processes of their own, told to do steps in turn."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


class Peer:
    """A process that serves steps, see `serve`.

    Args:
        name: file in this folder, without the suffix.
        python: the interpreter.
    """

    def __init__(self, name: str, python: str):
        self.name = name
        self._process = subprocess.Popen(
            [python, str(Path(__file__).with_name(f"{name}.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **command: Any) -> dict[str, Any]:
        """Send a command, and return the answer."""
        print(json.dumps(command), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self._process.wait()} at {command}")
        return json.loads(line)

    def __enter__(self):
        """Return the peer."""
        return self

    def __exit__(self, *_):
        """End the process."""
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()


def has_torch(python: str) -> bool:
    """Whether an interpreter finds PyTorch."""
    code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"
    return subprocess.run([python, "-c", code], check=False).returncode == 0


def command_line() -> str:
    """Return the command of this process, without the folders of files."""
    words = (Path(word).name if os.sep in word else word for word in sys.argv[1:])
    return " ".join([f"python benchmarks/{Path(sys.argv[0]).name}", *words])


def progress(what: str) -> None:
    """Say on stderr what comes next."""
    print(f"[{time.strftime('%H:%M:%S')}] {what}", file=sys.stderr, flush=True)
