"""Load the files that `expand_compact` wrote with Keras alone. Argument: the folder of cases."""

import json
import os
import sys
import warnings
from pathlib import Path

# An import of it is an ImportError.
sys.modules["bnkeras"] = None
if os.environ.get("KERAS_BACKEND") == "jax":
    import no_tensorflow  # noqa: F401

import numpy as np  # noqa: E402

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import keras

trains = {}
for file in sorted(Path(sys.argv[1]).glob("*.keras")):
    model = keras.models.load_model(file)
    trains[file.stem] = sorted(variable.path for variable in model.trainable_variables)
    inputs = np.load(file.with_suffix(".inputs.npy"))
    outputs = keras.ops.convert_to_numpy(model(inputs, training=False))
    np.save(file.with_suffix(".again.npy"), outputs)
    # The weights alone, in a model that has others.
    for variable in model.weights:
        variable.assign(np.full(variable.shape, 3, variable.dtype))
    model.load_weights(file.with_suffix(".weights.h5"))
    again = keras.ops.convert_to_numpy(model(inputs, training=False))
    np.testing.assert_array_equal(again, outputs)

assert not [name for name in sys.modules if name.startswith("bnkeras.")]
print(json.dumps(trains))
