"""The command line, called in this process."""

import sys

import pytest

from bnkeras.cli.main import main


@pytest.fixture
def call_bnkeras(monkeypatch, capsys):
    """Call `bnkeras` with arguments; returns exit code, standard output, standard error."""

    def _call(*arguments):
        monkeypatch.setattr(sys, "argv", ["bnkeras", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        printed = capsys.readouterr()
        return caught.value.code, printed.out, printed.err

    return _call
