"""What every test shares: a quiet TensorFlow, fresh Keras state, the real data."""

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
def shared_data() -> Path:
    """The folder of real data beside the checkout; without it the test is skipped."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"real data are looked for in {path}, which does not exist")
    return path
