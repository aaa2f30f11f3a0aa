"""What the tests of exports share: trained-looking networks, fresh processes, forged manifests."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
MANIFEST = Path("assets.extra", "bnkeras.json")


@pytest.fixture(scope="session")
def perturb():
    """Give all that trains, and all statistics, distinct random values.

    What a regeneration from the seed gives is then right for the frozen weights only.
    """
    from bnkeras.models.variables import Group, grouped_variables, layers_of

    def _perturb(model, seed=0):
        random = np.random.default_rng(seed)
        for path, group, variable in grouped_variables(model):
            if not (variable.trainable or group is Group.STATISTICS):
                continue
            if variable.dtype != "float32":
                continue
            values = random.normal(0, 0.1, variable.shape)
            if path.endswith(("gamma", "variance")):
                values = 0.5 + np.abs(values)
            elif group is not Group.STATISTICS:
                values += np.asarray(variable)
            variable.assign(values.astype(np.float32))
        for layer in layers_of(model):
            if hasattr(layer, "finalize_state"):
                layer.finalize_state()
        return model

    return _perturb


@pytest.fixture(scope="session")
def trained(perturb):
    """Build a network, set its regime and perturb what it trains."""
    import bnkeras

    def _trained(name="resnet_cifar", regime="bnonly", values=0, **arguments):
        model = bnkeras.set_regime(bnkeras.build(name, **arguments), regime)
        return perturb(model, values)

    return _trained


@pytest.fixture(scope="session")
def small(trained):
    """Build the smallest ResNet, for 8×8 images of one channel, trained `bnonly`."""

    def _small(**arguments):
        return trained(**{"depth": 8, "input_shape": (8, 8, 1), **arguments})

    return _small


@pytest.fixture(scope="session")
def pristine(small, tmp_path_factory):
    """An export of the smallest ResNet with seed 5; copy it before you change it."""
    import bnkeras

    return bnkeras.save_compact(small(seed=5), tmp_path_factory.mktemp("pristine") / "export")


@pytest.fixture
def export(pristine, tmp_path):
    """A copy of `pristine` to change."""
    return Path(shutil.copytree(pristine, tmp_path / "export"))


@pytest.fixture(scope="session")
def logits():
    """Compute the logits that a traced function of the model gives for `images`."""
    import tensorflow as tf

    def _logits(model, images):
        function = tf.function(lambda images: model(images, training=False), autograph=False)
        return function(tf.constant(images)).numpy()

    return _logits


@pytest.fixture(scope="session")
def forge():
    """Change the manifest of an export, and give it a right SHA-256 again."""

    def _forge(export, change):
        manifest = json.loads((export / MANIFEST).read_text())["manifest"]
        change(manifest)
        text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()
        (export / MANIFEST).write_text(f'{{"sha256":"{digest}",\n"manifest":{text}}}\n')

    return _forge


@pytest.fixture(scope="session")
def in_fresh_process():
    """Run a script of `tests/compact/fresh` in a process of its own, and return its output."""

    def _run(script, *arguments, environment=None):
        command = [sys.executable, HERE / "fresh" / script, *map(str, arguments)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **(environment or {})},
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    return _run
