"""How the exports beside this file were written, once: `python tests/compact/golden/write.py`.

A golden export is never written again. A new version of the format gets a folder of its own.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf

import bnkeras
from bnkeras.compact.manifest.records import FORMAT_VERSION
from bnkeras.models.variables import Group, grouped_variables

FOLDER = Path(__file__).resolve().parent / f"version{FORMAT_VERSION}"
IMAGES = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype(np.float32)


def network(values, **arguments):
    """Return a small ResNet with distinct γ, β and statistics, some γ of them 0."""
    model = bnkeras.build("resnet_cifar", depth=8, input_shape=(8, 8, 1), seed=2**63, **arguments)
    bnkeras.set_regime(model, "bnonly")
    random = np.random.default_rng(values)
    for path, group, variable in grouped_variables(model):
        if group in (Group.BATCHNORM, Group.STATISTICS):
            drawn = random.normal(0, 0.1, variable.shape)
            if path.endswith(("gamma", "variance")):
                drawn = 0.5 + np.abs(drawn)
            if path.endswith("gamma"):
                drawn[:5] = 0
            variable.assign(drawn.astype(np.float32))
    return model


def write(name, models, **options):
    """Write an export and, beside it, the logits that its networks gave."""
    (FOLDER / name).mkdir(parents=True)
    bnkeras.save_compact(models, FOLDER / name / "export", **options)
    by_task = models if isinstance(models, dict) else {"serving_default": models}
    logits = {
        task: tf.function(model, autograph=False)(IMAGES, training=False).numpy()
        for task, model in by_task.items()
    }
    np.savez(FOLDER / name / "logits.npz", **logits)


if __name__ == "__main__":
    write("network", network(1), class_names=[f"digit {i}" for i in range(10)])
    write("float16", bnkeras.load_compact(FOLDER / "network" / "export"), storage="float16")
    write("tasks", {"digits": network(1), "pairs": network(2, classes=2)})
    write("slim", bnkeras.slim(network(1), threshold=0.01)[0])
