"""What the quick commands import: none of them waits for TensorFlow."""

import subprocess
import sys

import pytest

HEAVY = {"tensorflow", "keras", "matplotlib", "tensorflow_datasets", "sklearn", "jax"}

PROBE = """
import sys
from bnkeras.cli.main import main
sys.argv = ["bnkeras", *sys.argv[1:]]
try:
    main()
except SystemExit as ending:
    code = ending.code or 0
print("EXIT", code, *{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["recipe", "list"],
        ["recipe", "show", "resnet200_bnonly"],
        ["networks", "counts"],
        ["networks", "cost", "--help"],
        ["networks", "cost", "resnet14_bnonly", "--devices", "none"],
        ["data", "prepare", "nothing"],
    ],
    ids=" ".join,
)
def test_quick_commands_import_nothing_heavy(arguments):
    command = [sys.executable, "-c", PROBE, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    said, _, modules = run.stderr.rpartition("EXIT ")
    code, *names = modules.split()
    assert code == ("2" if arguments[-1] in ("none", "nothing") else "0"), said
    assert not HEAVY & set(names)
