"""`bnkeras recipe run` and `bnkeras quickstart` as a user meets them."""

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

RECIPE = "digits_resnet14_bnonly"
SHORT = ["--set", "train.epochs=1"]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def first(tmp_path_factory, data_dir):
    """A finished run, by a process of its own: the directory it ran in, and what it printed."""
    folder = tmp_path_factory.mktemp("runs")
    command = [sys.executable, "-m", "bnkeras.cli.main", "recipe", "run", RECIPE, *SHORT]
    command += ["--data-dir", str(data_dir)]
    return folder, subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)


@pytest.fixture
def run(call_bnkeras, data_dir, monkeypatch):
    """Call `bnkeras recipe run` in a folder, and expect an exit code."""

    def _run(*arguments, folder, code=0):
        monkeypatch.chdir(folder)
        got, out, err = call_bnkeras("recipe", "run", *arguments, "--data-dir", data_dir)
        assert got == code, out + err
        return out, err

    return _run


def test_the_last_line_says_accuracy_share_path_and_size(first):
    folder, done = first
    (directory,) = (folder / "runs").iterdir()
    figures = json.loads((directory / "result.json").read_text())
    last = done.stdout.splitlines()[-1]
    assert last == (
        f"test accuracy {figures['test_accuracy']:.1%}, 1,120 of 174,970 parameters trained "
        f"(0.64%), export runs/{directory.name}/export of {figures['export_bytes'] / 1e3:.3g} KB"
    )


def test_nothing_but_the_run_is_printed(first):
    _, done = first
    assert done.stderr == ""
    # Which depends on the processor.
    lines = [line for line in done.stdout.splitlines() if not line.startswith("faster here: ")]
    title = "ResNet-14 on 8×8 handwritten digits: γ and β only"
    assert lines[0] == f"{title}, with train.epochs = 1"
    assert lines[-2].startswith("epoch 1/1  rate 0.3")
    assert len(lines) == 5


def test_changed_settings_have_a_directory_of_their_own(first):
    folder, _ = first
    (directory,) = (folder / "runs").iterdir()
    assert directory.name.startswith(f"{RECIPE}-")


def test_the_same_command_again_shows_the_figures(first, run):
    folder, done = first
    again, _ = run(RECIPE, *SHORT, folder=folder)
    assert "holds the finished run" in again
    assert again.splitlines()[-1] == done.stdout.splitlines()[-1]


def test_json_is_the_figures(first, run):
    folder, _ = first
    out, _ = run(RECIPE, *SHORT, "--json", folder=folder)
    figures = json.loads(out)
    assert figures["parameters"]["trainable"] == 1120
    assert figures["directory"].startswith("runs/")


def test_a_file_of_ones_own_runs(run, tmp_path):
    (tmp_path / "mine.toml").write_text(f'extends = "{RECIPE}"\n[train]\nepochs = 1\nl2 = 0.0\n')
    out, _ = run("mine.toml", folder=tmp_path)
    assert "export runs/mine/export" in out
    assert "l2 = 0.0" in (tmp_path / "runs" / "mine" / "recipe.toml").read_text()


def test_brackets_are_no_markup(run, tmp_path):
    text = f'extends = "{RECIPE}"\nabout.title = "my [/bold] [idea]"\ntrain.epochs = 1\n'
    (tmp_path / "a[red]b.toml").write_text(text)
    out, _ = run("a[red]b.toml", "--out", "out [x]", folder=tmp_path)
    lines = out.splitlines()
    assert lines[0].startswith("my [/bold] [idea], with")
    assert lines[1].startswith("in out [x];")
    assert "export out [x]/export of" in lines[-1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["resnet14_bnolny"], ["'resnet14_bnonly'", "bnkeras recipe list"]),
        ([RECIPE, "--set", "train.epochs=ten"], ["train.epochs", '"ten"', "--set"]),
        ([RECIPE, "--set", "train.epoch=3"], ["'train.epochs'"]),
        (["resnet14_bnonly"], ["bnkeras data prepare cifar10", "--source"]),
    ],
)
def test_bad_input_is_two_and_a_few_lines(arguments, expected, run, tmp_path):
    out, err = run(*arguments, folder=tmp_path, code=2)
    assert out.count("\n") <= 3
    assert err.startswith("bnkeras: ")
    assert len(err.splitlines()) <= 12
    assert "Traceback" not in err
    for text in expected:
        assert text in err


def test_an_unwritable_directory_is_two(run, tmp_path):
    (tmp_path / "file").write_text("")
    _, err = run(RECIPE, "--out", "file/run", folder=tmp_path, code=2)
    assert "cannot be written" in err
    assert "--out" in err


def test_the_run_of_another_recipe_is_two_and_unharmed(first, run, tmp_path):
    folder, _ = first
    (directory,) = (folder / "runs").iterdir()
    copy = tmp_path / "run"
    shutil.copytree(directory, copy)
    before = {file: file.read_bytes() for file in copy.rglob("*") if file.is_file()}
    _, err = run(RECIPE, "--out", copy, folder=tmp_path, code=2)
    assert "train.epochs: 1 there, 50 now" in err
    assert before == {file: file.read_bytes() for file in copy.rglob("*") if file.is_file()}


def test_debug_shows_where(tmp_path):
    command = [sys.executable, "-m", "bnkeras.cli.main", "recipe", "run", "resnet14_bnolny"]
    command.append("--debug")
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.slow
def test_quickstart_tells_the_whole_idea(data_dir, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    script = (
        "import sys, bnkeras.recipe as recipe\n"
        "shipped = recipe.load\n"
        # The real thing takes a minute; here it is cut to one epoch each.
        "recipe.load = lambda name, *rest: shipped(name, ['train.epochs=1'])\n"
        "from bnkeras.cli.main import main\n"
        "sys.argv = ['bnkeras', 'quickstart', '--out', 'first', '--data-dir', sys.argv[1]]\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(data_dir)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for text in (
        "1,120",
        "650",
        "174,970",
        "raw pixels in, labels out",
        "identical bit for bit",
        "first/gamma.png",
    ):
        assert text in done.stdout
    assert (tmp_path / "first" / "gamma.png").read_bytes().startswith(b"\x89PNG")


def test_sigterm_saves_a_checkpoint_as_ctrl_c_does(data_dir, tmp_path):
    command = [sys.executable, "-u", "-m", "bnkeras.cli.main", "recipe", "run", RECIPE]
    command += ["--data-dir", str(data_dir), "--out", str(tmp_path / "run")]
    # An epoch of 718 steps, which takes a while.
    command += ["--set", "model.depth=8", "--set", "train.batch_size=2"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            if line.startswith("epoch  1/"):
                time.sleep(2)  # the end of the epoch has a checkpoint of its own
                process.send_signal(signal.SIGTERM)
                break
        _, error = process.communicate(timeout=120)
    assert process.returncode == 130
    assert error == "Stopped. The same command goes on from the last checkpoint.\n"
    saved = (tmp_path / "run" / "checkpoints").glob("ckpt-*.index")
    assert any(int(file.stem.partition("-")[2]) % 718 for file in saved)
    assert not (tmp_path / "run" / "result.json").exists()
