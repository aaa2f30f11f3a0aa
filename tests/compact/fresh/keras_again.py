"""Load every case as a Keras model, and what plain TensorFlow saved of it once more."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import bnkeras
from bnkeras.compact.interface import Interface
from bnkeras.models.registry import architecture_of


def run(function, file):
    inputs = {name: tf.constant(values) for name, values in np.load(file).items()}
    return {name: value.numpy() for name, value in function(inputs).items()}


# TensorFlow itself imports scikit-learn and Matplotlib where they are installed.
before = set(sys.modules)
folder = Path(sys.argv[1])
regimes = {}
# The dtype of a network is its export's, not that of the process.
keras.config.set_dtype_policy("mixed_float16")
for case in sorted(case for case in folder.iterdir() if (case / "export").is_dir()):
    model = bnkeras.load_compact(case / "export")
    regimes[case.name] = bnkeras.regime_of(model)
    interface = Interface(model, classifier=architecture_of(model) is not None)
    specs = {r.name: tf.TensorSpec(r.shape, r.dtype) for r in interface.inputs}
    network = tf.function(interface.call, input_signature=[specs], autograph=False)
    resaved = tf.saved_model.load(str(case / "resaved")).signatures["serving_default"]
    for file in sorted(case.glob("inputs_*.npz")):
        # Behind a front the network itself has other inputs.
        own = case / file.name.replace("inputs", "network")
        outputs = run(network, own if own.exists() else file)
        np.savez(case / file.name.replace("inputs", "keras"), **outputs)
        outputs = run(lambda inputs, resaved=resaved: resaved(**inputs), file)
        np.savez(case / file.name.replace("inputs", "resaved"), **outputs)

heavy = {"bnkeras.training", "bnkeras.pipelines", "bnkeras.recipe", "tensorflow_datasets", "rich"}
added = set(sys.modules) - before
assert not added & heavy, added & heavy
assert not {name for name in added if name.startswith(("matplotlib", "sklearn"))}
print(json.dumps(regimes))
