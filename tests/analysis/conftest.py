"""Data of a few lines, and an export of a small network with a recipe."""

from types import SimpleNamespace

import numpy as np
import pytest


@pytest.fixture
def batches_of():
    """Return batches as a run has them, of arrays: the last ones padded with weight 0."""
    import tensorflow as tf

    def made(inputs, labels, size, train=None):
        test = []
        for start in range(0, len(inputs), size):
            x, y = (part[start : start + size] for part in (inputs, labels))
            weights = np.ones(size, np.float32)
            if (missing := size - len(x)) > 0:
                # As evaluations are padded; what stands there must not count.
                x = np.concatenate([x, np.repeat(inputs[:1], missing, axis=0)])
                y = np.concatenate([y, np.repeat(labels[:1], missing)])
                weights[-missing:] = 0
            test.append(tuple(map(tf.constant, (x, y, weights))))
        return SimpleNamespace(test=test, train=lambda first_step: train)

    return made


@pytest.fixture(scope="session")
def digits_export(tmp_path_factory):
    """An export of a small ResNet, untrained, that says it was trained on the digits."""
    import bnkeras
    from bnkeras.recipe import load

    recipe = load("digits_resnet14_bnonly", ["model.depth=8", "train.batch_size=64"])
    model = bnkeras.build("resnet_cifar", depth=8, input_shape=(8, 8, 1), seed=0)
    bnkeras.set_regime(model, "bnonly")
    gamma = model.get_layer("stem_bn").gamma
    gamma.assign(np.linspace(-0.001, 0.7, 16))
    training = {"recipe": recipe.as_dict(), "result": {"recipe": "digits_resnet14_bnonly"}}
    path = tmp_path_factory.mktemp("exports") / "digits"
    return bnkeras.save_compact(model, path, training=training)
