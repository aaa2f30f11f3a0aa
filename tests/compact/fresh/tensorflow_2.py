"""Serve every case with plain TensorFlow 2: no bnkeras, no Keras. Argument: the folder of cases."""

import gc
import sys
from pathlib import Path

# An import of either is an ImportError.
sys.modules["bnkeras"] = None
sys.modules["keras"] = None

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402


def serve(loaded, file):
    """Return the outputs for the inputs in `file`, both by name."""
    inputs = {name: tf.constant(values) for name, values in np.load(file).items()}
    return loaded.signatures["serving_default"](**inputs)


folder = Path(sys.argv[1])
cases = sorted(case for case in folder.iterdir() if (case / "export").is_dir())
loaded = {case: tf.saved_model.load(str(case / "export")) for case in cases}
# Once more, while the first stays; what is dropped again must take nothing along.
again = {case: tf.saved_model.load(str(case / "export")) for case in cases}
for case in cases[::2]:
    del again[case]
gc.collect()

for case in cases:
    for file in sorted(case.glob("inputs_*.npz")):
        outputs = {name: value.numpy() for name, value in serve(loaded[case], file).items()}
        if "logits" in outputs:
            assert set(outputs) == {"logits", "probabilities"}, outputs
            softmax = tf.nn.softmax(outputs["logits"])
            np.testing.assert_array_equal(outputs["probabilities"], softmax)
        if case in again:
            for name, value in serve(again[case], file).items():
                np.testing.assert_array_equal(value, outputs[name])
        np.savez(case / file.name.replace("inputs", "tensorflow_2"), **outputs)
    module = loaded[case]
    tf.saved_model.save(module, str(case / "resaved"), signatures=module.signatures)

imported = {name.partition(".")[0] for name, module in sys.modules.items() if module is not None}
assert not imported & {"bnkeras", "keras"}
