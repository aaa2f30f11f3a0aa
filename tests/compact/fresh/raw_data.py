"""Serve every case by TensorFlow alone, with the loaders of TensorFlow 2 and 1.

Argument: the folder of cases. All are in one process, each of them twice. What plain TensorFlow
saves again, in `resaved`, is served as well.
"""

import gc
import sys
from pathlib import Path

# An import of either is an ImportError.
sys.modules["bnkeras"] = None
sys.modules["keras"] = None

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

folder = Path(sys.argv[1])
cases = sorted(case for case in folder.iterdir() if (case / "export").is_dir())


def write(case, way, serve):
    """Serve all inputs of a case, and write what comes out; texts as bytes of one length."""
    for file in sorted(case.glob("inputs_*.npz")):
        outputs = serve(dict(np.load(file)))
        plain = {n: v.astype("S") if v.dtype == object else v for n, v in outputs.items()}
        np.savez(case / file.name.replace("inputs", way), **plain)


def in_tensorflow_2(loaded, signature="serving_default"):
    def serve(inputs):
        tensors = {name: tf.constant(values) for name, values in inputs.items()}
        outputs = loaded.signatures[signature](**tensors)
        return {name: value.numpy() for name, value in outputs.items()}

    return serve


def in_tensorflow_1(session, case, scope):
    """Load into a graph that may hold other exports, and return how it is served."""
    loaded = tf.compat.v1.saved_model.load(
        session, ["serve"], str(case / "export"), import_scope=scope
    )
    signature = loaded.signature_def["serving_default"]

    def names(tensors):
        # The signature has names with the scope or without, as TensorFlow likes.
        return {n: f"{scope}/{t.name.removeprefix(f'{scope}/')}" for n, t in tensors.items()}

    inputs, outputs = names(signature.inputs), names(signature.outputs)

    def serve(arrays):
        return session.run(outputs, {inputs[name]: array for name, array in arrays.items()})

    return serve


first = {case: tf.saved_model.load(str(case / "export")) for case in cases}
second = {case: tf.saved_model.load(str(case / "export")) for case in cases}
for case in cases:
    write(case, "first", in_tensorflow_2(first[case]))
    tf.saved_model.save(first[case], str(case / "resaved"), signatures=first[case].signatures)
first.clear()
gc.collect()
for case in cases:
    write(case, "second", in_tensorflow_2(second[case]))
    write(case, "resaved", in_tensorflow_2(tf.saved_model.load(str(case / "resaved"))))

with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    served = [(case, in_tensorflow_1(session, case, f"a{i}")) for i, case in enumerate(cases)]
    served += [(case, in_tensorflow_1(session, case, f"b{i}")) for i, case in enumerate(cases)]
    for number, (case, serve) in enumerate(served):
        write(case, "tensorflow_1" if number < len(cases) else "tensorflow_1_again", serve)

imported = {name.partition(".")[0] for name, module in sys.modules.items() if module is not None}
assert not imported & {"bnkeras", "keras"}
