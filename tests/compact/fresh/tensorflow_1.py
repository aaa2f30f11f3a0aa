"""Serve every case with the loader of TensorFlow 1. Argument: the folder of cases.

Each export is alone in a session first, and then several are in one, the first of them twice.
"""

import sys
from pathlib import Path

# An import of either is an ImportError.
sys.modules["bnkeras"] = None
sys.modules["keras"] = None

import numpy as np  # noqa: E402
import tensorflow.compat.v1 as tf  # noqa: E402

folder = Path(sys.argv[1])
cases = sorted(case for case in folder.iterdir() if (case / "export").is_dir())


def load(session, case, scope=None):
    """Load, and return the tensors of the signature by name: inputs, outputs."""
    path = str(case / "export")
    graph = tf.saved_model.load(session, ["serve"], path, import_scope=scope)
    signature = graph.signature_def["serving_default"]
    prefix = f"{scope}/" if scope else ""

    def tensors(infos):
        return {
            name: session.graph.get_tensor_by_name(prefix + info.name.removeprefix(prefix))
            for name, info in infos.items()
        }

    return tensors(signature.inputs), tensors(signature.outputs)


def serve(session, case, tensors):
    inputs, outputs = tensors
    for file in sorted(case.glob("inputs_*.npz")):
        values = np.load(file)
        yield file.name, session.run(outputs, {inputs[name]: values[name] for name in values})


for case in cases:
    with tf.Session(graph=tf.Graph()) as session:
        for name, outputs in serve(session, case, load(session, case)):
            np.savez(case / name.replace("inputs", "tensorflow_1"), **outputs)

with tf.Session(graph=tf.Graph()) as session:
    names = ("digits", "twin", "bnonly", "digits", "backbone", "copied", "backbone")
    together = [folder / name for name in names if folder / name in cases]
    loaded = [load(session, case, f"export{i}") for i, case in enumerate(together)]
    for case, tensors in zip(together, loaded, strict=True):
        for name, outputs in serve(session, case, tensors):
            alone = np.load(case / name.replace("inputs", "tensorflow_1"))
            for key, value in outputs.items():
                np.testing.assert_array_equal(value, alone[key])
