"""Files of a run directory: those of runs before, and those that something else has damaged."""

import pytest

import bnkeras.recipe
from bnkeras.errors import RunDirectoryError, RunError
from bnkeras.training.run_directory import RunDirectory

RECIPE = bnkeras.recipe.load("digits_resnet14_bnonly")
READ = {
    "metrics.json": lambda directory: directory.rows(),
    "environment.json": lambda directory: directory.begin(RECIPE, {}),
    "result.json": lambda directory: directory.result(),
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("content", [b"", b"[{", b"\xff\xfe", b"7"])
def test_a_damaged_file_is_named_and_kept(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RunError, match=rf"{name} cannot be read .*begin the run anew"):
        READ[name](RunDirectory(tmp_path))
    assert (tmp_path / name).read_bytes() == content


@pytest.mark.parametrize("name", READ)
def test_a_folder_in_the_place_of_a_file(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(RunError, match=f"{name} cannot be read"):
        READ[name](RunDirectory(tmp_path))


def test_a_run_from_before_a_setting_came_is_the_same_run(tmp_path):
    lines = RECIPE.to_toml().splitlines()
    before = [line for line in lines if not line.startswith("schedule = ")]
    assert len(before) == len(lines) - 1
    (tmp_path / "recipe.toml").write_text("\n".join(before), encoding="utf-8")
    directory = RunDirectory(tmp_path)
    with directory.claim(RECIPE):
        pass
    other = bnkeras.recipe.load(RECIPE.name, ["train.schedule=cosine"])
    message = r"train\.schedule: 'steps' there, 'cosine' now"
    with pytest.raises(RunDirectoryError, match=message), directory.claim(other):
        pass
