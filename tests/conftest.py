"""What every test shares: a quiet TensorFlow, fresh Keras state, the real data."""

import json
import os
import sys
from pathlib import Path

import pytest

# TensorFlow reads this when it is imported, before a test could silence it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _fresh_keras():
    """Give each test the default dtype policy and the same global seed.

    A test may change both. Tests that never import Keras don't pay for it.
    """
    if keras := sys.modules.get("keras"):
        keras.config.set_dtype_policy("float32")
        keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True, scope="module")
def _clear_session():
    """Drop the graphs and layer names that a module of tests leaves behind."""
    yield
    if keras := sys.modules.get("keras"):
        keras.backend.clear_session()


@pytest.fixture(scope="session")
def avx512() -> bool:
    """Whether the processor has AVX-512: its wider vectors and oneDNN's kernels for it round less.

    Where that can't be read, it is taken to have it, so that nothing is let pass for it.
    """
    cpuinfo = Path("/proc/cpuinfo")
    return not cpuinfo.exists() or "avx512f" in cpuinfo.read_text()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; without it the test is skipped."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"real data are looked for in {path}, which does not exist")
    return path


@pytest.fixture
def write_run():
    """Return what writes the directory of a run that nobody trained."""

    def write(path: Path, recipe, accuracy: float | None = 0.5, epochs: int | None = None) -> Path:
        """Write a run of `recipe`; `accuracy` None leaves it unfinished after `epochs`."""
        epochs = recipe.train.epochs if epochs is None else epochs
        rows = [
            {
                "epoch": epoch,
                "learning_rate": 0.1,
                "loss": 2.0 / epoch,
                "accuracy": 0.25,
                "test_loss": 3.0 / epoch,
                "test_accuracy": 0.2 + epoch / 1000,
                "seconds": 2.5,
            }
            for epoch in range(1, epochs + 1)
        ]
        start = {
            "command": "bnkeras recipe run",
            "versions": {"python": "3.11.7", "bnkeras": "0.1.0"},
            "hardware": {"processor": "a processor", "cores": 2, "devices": ["CPU: cpu"]},
            "git": {"commit": "0123456789abcdef", "dirty": False},
        }
        path.mkdir(parents=True)
        (path / "recipe.toml").write_text(recipe.to_toml(), "utf-8")
        (path / "environment.json").write_text(json.dumps([start]))
        (path / "metrics.json").write_text(json.dumps(rows))
        if accuracy is not None:
            result = {
                "recipe": recipe.name,
                "test_accuracy": accuracy,
                "test_loss": 1.5,
                "epoch": epochs,
                "epochs": epochs,
                "seconds": 2.5 * epochs,
                "dataset": {"name": "cifar10", "source": "cifar10-jpeg.tar.xz", "sha256": "27"},
                "parameters": {"total": 175258, "batchnorm": 1120, "trainable": 1120},
                "export_bytes": 100_000,
            }
            (path / "result.json").write_text(json.dumps(result))
        return path

    return write
