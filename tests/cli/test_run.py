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
    """A finished run, its directory, and what it printed."""
    folder = tmp_path_factory.mktemp("runs")
    return folder, _run(RECIPE, *SHORT, "--data-dir", data_dir, folder=folder)


def _run(*arguments, folder, code=0):
    command = [sys.executable, "-m", "bnkeras.cli.main", "recipe", "run", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == code, done.stdout + done.stderr
    return done


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
    lines = done.stdout.splitlines()
    title = "ResNet-14 on 8×8 handwritten digits: γ and β only"
    assert lines[0] == f"{title}, with train.epochs = 1"
    assert lines[-2].startswith("epoch 1/1  rate 0.3")
    assert len(lines) == 5


def test_changed_settings_have_a_directory_of_their_own(first):
    folder, _ = first
    (directory,) = (folder / "runs").iterdir()
    assert directory.name.startswith(f"{RECIPE}-")


def test_the_same_command_again_shows_the_figures(first, data_dir):
    folder, done = first
    again = _run(RECIPE, *SHORT, "--data-dir", data_dir, folder=folder)
    assert "holds the finished run" in again.stdout
    assert again.stdout.splitlines()[-1] == done.stdout.splitlines()[-1]


def test_json_is_the_figures(first, data_dir):
    folder, _ = first
    done = _run(RECIPE, *SHORT, "--data-dir", data_dir, "--json", folder=folder)
    figures = json.loads(done.stdout)
    assert figures["parameters"]["trainable"] == 1120
    assert figures["directory"].startswith("runs/")


def test_a_file_of_ones_own_runs(first, data_dir, tmp_path):
    (tmp_path / "mine.toml").write_text(f'extends = "{RECIPE}"\n[train]\nepochs = 1\nl2 = 0.0\n')
    done = _run("mine.toml", "--data-dir", data_dir, folder=tmp_path)
    assert "export runs/mine/export" in done.stdout
    assert "l2 = 0.0" in (tmp_path / "runs" / "mine" / "recipe.toml").read_text()


def test_brackets_are_no_markup(data_dir, tmp_path):
    text = f'extends = "{RECIPE}"\nabout.title = "my [/bold] [idea]"\ntrain.epochs = 1\n'
    (tmp_path / "a[red]b.toml").write_text(text)
    done = _run("a[red]b.toml", "--data-dir", data_dir, "--out", "out [x]", folder=tmp_path)
    lines = done.stdout.splitlines()
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
def test_bad_input_is_two_and_a_few_lines(arguments, expected, tmp_path):
    done = _run(*arguments, "--data-dir", tmp_path / "none", folder=tmp_path, code=2)
    assert done.stdout.count("\n") <= 3
    assert done.stderr.startswith("bnkeras: ")
    assert len(done.stderr.splitlines()) <= 12
    assert "Traceback" not in done.stderr
    for text in expected:
        assert text in done.stderr


def test_an_unwritable_directory_is_two(data_dir, tmp_path):
    (tmp_path / "file").write_text("")
    done = _run(RECIPE, "--data-dir", data_dir, "--out", "file/run", folder=tmp_path, code=2)
    assert "cannot be written" in done.stderr
    assert "--out" in done.stderr


def test_the_run_of_another_recipe_is_two_and_unharmed(first, data_dir, tmp_path):
    folder, _ = first
    (directory,) = (folder / "runs").iterdir()
    copy = tmp_path / "run"
    shutil.copytree(directory, copy)
    before = {file: file.read_bytes() for file in copy.rglob("*") if file.is_file()}
    done = _run(RECIPE, "--data-dir", data_dir, "--out", copy, folder=tmp_path, code=2)
    assert "train.epochs: 1 there, 50 now" in done.stderr
    assert before == {file: file.read_bytes() for file in copy.rglob("*") if file.is_file()}


def test_debug_shows_where(tmp_path):
    done = _run("resnet14_bnolny", "--debug", folder=tmp_path, code=1)
    assert "Traceback" in done.stderr


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
    command += ["--set", "train.batch_size=2"]  # an epoch of 718 steps, which takes a while
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
