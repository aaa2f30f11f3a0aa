"""Load every case with Keras on JAX, where TensorFlow is missing. Argument: the folder of cases."""

import json
import sys
import warnings
from pathlib import Path

import no_tensorflow  # noqa: F401
import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import keras

import bnkeras
from bnkeras.compact.provenance import weights_of
from bnkeras.errors import BackendError

assert keras.backend.backend() == "jax"
folder = Path(sys.argv[1])
regimes = {}
for case in sorted(case for case in folder.iterdir() if (case / "export").is_dir()):
    model = bnkeras.load_compact(case / "export", external=[folder / "files"])
    regimes[case.name] = bnkeras.regime_of(model)
    np.savez(case / "jax_weights.npz", **{e.path: e.variable.numpy() for e in weights_of(model)})
    inputs = np.load(case / "inputs.npy")
    outputs = keras.ops.convert_to_numpy(model(inputs, training=False))
    np.save(case / "jax_outputs.npy", outputs.astype(np.float32))

# The last one trains on, too, and what is frozen stays as it is.
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.SGD(0.1), loss)
before = {entry.path: entry.variable.numpy() for entry in weights_of(model)}
trains = {variable.path for variable in model.trainable_variables}
model.fit(inputs, np.arange(len(inputs)) % outputs.shape[-1], verbose=0)
after = {entry.path: entry.variable.numpy() for entry in weights_of(model)}
changed = {path for path in before if not np.array_equal(before[path], after[path])}

refusals = []
for call in (bnkeras.save_compact, bnkeras.verify_compact):
    try:
        call(model, folder / "export") if call is bnkeras.save_compact else call(case / "export")
    except BackendError as error:
        refusals.append(str(error))

assert "tensorflow" not in sys.modules
print(
    json.dumps(
        {
            "regimes": regimes,
            "trains": sorted(trains),
            "changed": sorted(changed),
            "refusals": refusals,
        }
    )
)
