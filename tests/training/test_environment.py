"""The state of the code that a run records."""

import subprocess

from bnkeras.training.environment import _git


def _commit(folder, *files):
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", *files], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "first"], check=True)


def test_the_checkout_of_the_package(tmp_path):
    module = tmp_path / "module.py"
    module.write_text("")
    _commit(tmp_path, "module.py")
    assert _git(module)["dirty"] is False
    module.write_text("changed")
    found = _git(module)
    assert found["dirty"] is True
    assert len(found["commit"]) == 40


def test_an_environment_inside_another_checkout_is_none_of_it(tmp_path):
    (tmp_path / "analysis.py").write_text("")
    _commit(tmp_path, "analysis.py")
    module = tmp_path / ".venv" / "site-packages" / "module.py"
    module.parent.mkdir(parents=True)
    module.write_text("")
    assert _git(module) is None


def test_no_checkout_at_all(tmp_path):
    assert _git(tmp_path / "module.py") is None
