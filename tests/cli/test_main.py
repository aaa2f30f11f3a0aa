"""The command itself: version, help, errors, exit codes, and how little it imports."""

import subprocess
import sys

import pytest

import bnkeras.recipe
from bnkeras._version import __version__
from bnkeras.cli.main import main
from bnkeras.errors import CorruptDataError


@pytest.fixture
def run(call_bnkeras):
    return call_bnkeras


@pytest.fixture
def fail(monkeypatch):
    """Let `recipe show` raise an error of ours or of Python's."""

    def _fail(error):
        def load(*arguments):
            raise error

        monkeypatch.setattr(bnkeras.recipe, "load", load, raising=False)

    return _fail


def test_version(run):
    assert run("--version") == (0, f"bnkeras {__version__}\n", "")


def test_help_lists_the_subcommands(run):
    code, out, _ = run("--help")
    assert code == 0
    assert "recipe" in out
    assert "--debug" in out


def test_no_arguments_show_the_help(run):
    code, out, err = run()
    assert code == 2
    assert "Usage: bnkeras" in out + err


@pytest.mark.parametrize("arguments", [["nothing"], ["--nothing"], ["recipe", "nothing"]])
def test_wrong_usage_is_exit_code_2(run, arguments):
    code, _, err = run(*arguments)
    assert code == 2
    assert "nothing" in err


def test_bad_input_is_exit_code_2(run):
    code, out, err = run("recipe", "show", "nowhere.toml")
    assert (code, out) == (2, "")
    assert err.startswith("bnkeras: No recipe file nowhere.toml.")


def test_failed_work_is_exit_code_1(run, fail):
    fail(CorruptDataError("The shard a.tfrecord is damaged.\nPrepare it again."))
    assert run("recipe", "show", "resnet14_bnonly") == (
        1,
        "",
        "bnkeras: The shard a.tfrecord is damaged.\nPrepare it again.\n",
    )


def test_the_unexpected_is_one_line_and_a_hint(run, fail):
    fail(ZeroDivisionError("by zero"))
    code, out, err = run("recipe", "show", "resnet14_bnonly")
    assert (code, out) == (1, "")
    first, second = err.splitlines()
    assert first == "bnkeras: ZeroDivisionError: by zero"
    assert "--debug" in second


def test_what_the_system_refuses_is_one_line(run, fail):
    fail(OSError(28, "No space left on device", "runs/metrics.json"))
    message = "bnkeras: [Errno 28] No space left on device: 'runs/metrics.json'\n"
    assert run("recipe", "show", "resnet14_bnonly") == (1, "", message)


@pytest.mark.parametrize("position", [0, 1, 2, 3])
def test_debug_anywhere_shows_the_traceback(monkeypatch, fail, position):
    arguments = ["recipe", "show", "resnet14_bnonly"]
    arguments.insert(position, "--debug")
    error = ZeroDivisionError("by zero")
    fail(error)
    monkeypatch.setattr(sys, "argv", ["bnkeras", *arguments])
    with pytest.raises(ZeroDivisionError) as caught:
        main()
    assert caught.value is error


def test_a_terminal_without_greek_letters(monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    command = [sys.executable, "-m", "bnkeras.cli.main", "recipe", "show", "resnet14_bnonly"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert r"ResNet-14 on CIFAR-10: \u03b3 and \u03b2 only" in run.stdout


def test_the_command_line_imports_little():
    probe = (
        "import sys, bnkeras.cli.main; "
        "print(*{'keras', 'tensorflow', 'pydantic'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
