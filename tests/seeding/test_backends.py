"""Without TensorFlow, and without Keras: in processes of their own."""

import hashlib
import importlib.util
import os
import subprocess
import sys

import pytest

from bnkeras.seeding import reference


def run(code, **environment):
    """Run `code` with warnings as errors and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_reference_needs_neither_keras_nor_tensorflow():
    digest, *loaded = run(
        "import hashlib, sys\n"
        # A module that is None in sys.modules cannot be imported.
        "sys.modules['keras'] = sys.modules['tensorflow'] = None\n"
        "import bnkeras.seeding\n"
        "from bnkeras.seeding import reference\n"
        "values = reference.values('he_normal', 7, 'stem_conv/kernel', (3, 3, 3, 16))\n"
        "print(hashlib.sha256(values.tobytes()).hexdigest(), *sys.modules)"
    )
    assert {"bnkeras.seeding", "bnkeras.seeding.laws", "numpy"} <= set(loaded)
    assert not {"scipy", "bnkeras.seeding.graph", "bnkeras.seeding.initializer"} & set(loaded)
    expected = reference.values("he_normal", 7, "stem_conv/kernel", (3, 3, 3, 16))
    assert digest == hashlib.sha256(expected.astype("<f4").tobytes()).hexdigest()


def test_a_network_on_jax_has_the_same_weights():
    if not importlib.util.find_spec("jax"):
        pytest.skip("jax is not installed")
    lines = run(
        "import sys, warnings\n"
        "sys.modules['tensorflow'] = None\n"
        "import hashlib, numpy, bnkeras\n"
        "with warnings.catch_warnings():\n"
        "    warnings.simplefilter('ignore')\n"
        "    import keras\n"
        "model = bnkeras.build('resnet_cifar', depth=8, width=0.25, seed=7)\n"
        "bnkeras.set_regime(model, 'bnonly')\n"
        "model.compile('sgd', keras.losses.SparseCategoricalCrossentropy(from_logits=True))\n"
        "digest = hashlib.sha256()\n"
        "for variable in model.variables:\n"
        "    digest.update(numpy.asarray(variable.value).tobytes())\n"
        "x, y = numpy.ones((4, 32, 32, 3), 'float32'), numpy.arange(4)\n"
        "frozen = numpy.asarray(model.get_layer('stem_conv').kernel.value)\n"
        "model.fit(x, y, batch_size=4, verbose=0)\n"
        "same = (frozen == numpy.asarray(model.get_layer('stem_conv').kernel.value)).all()\n"
        "print(keras.backend.backend(), digest.hexdigest(), same)",
        KERAS_BACKEND="jax",
    )
    from bnkeras import build

    digest = hashlib.sha256()
    for variable in build("resnet_cifar", depth=8, width=0.25, seed=7).variables:
        digest.update(variable.numpy().tobytes())
    assert lines == ["jax", digest.hexdigest(), "True"]
