"""Load every case as a Keras model, and what plain TensorFlow saved of it once more."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import bnkeras


def traced(model):
    return tf.function(lambda images: model(images, training=False), autograph=False)


# TensorFlow itself imports scikit-learn and Matplotlib where they are installed.
before = set(sys.modules)
folder = Path(sys.argv[1])
regimes = {}
# The dtype of a network is its export's, not that of the process.
keras.config.set_dtype_policy("mixed_float16")
for case in sorted(case for case in folder.iterdir() if (case / "export").is_dir()):
    model = bnkeras.load_compact(case / "export")
    regimes[case.name] = bnkeras.regime_of(model)
    function = traced(model)
    resaved = tf.saved_model.load(str(case / "resaved")).signatures["serving_default"]
    for file in sorted(case.glob("images_*.npy")):
        images = tf.constant(np.load(file))
        np.save(case / file.name.replace("images", "keras"), function(images).numpy())
        logits = resaved(image=images)["logits"].numpy()
        np.save(case / file.name.replace("images", "resaved"), logits)

heavy = {"bnkeras.training", "bnkeras.pipelines", "bnkeras.recipe", "tensorflow_datasets", "rich"}
added = set(sys.modules) - before
assert not added & heavy, added & heavy
assert not {name for name in added if name.startswith(("matplotlib", "sklearn"))}
print(json.dumps(regimes))
