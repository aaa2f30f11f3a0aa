"""Serve every case with plain TensorFlow 2: no bnkeras, no Keras. Argument: the folder of cases."""

import gc
import sys
from pathlib import Path

# An import of either is an ImportError.
sys.modules["bnkeras"] = None
sys.modules["keras"] = None

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402


def serve(loaded, images):
    return loaded.signatures["serving_default"](image=tf.constant(images))


folder = Path(sys.argv[1])
cases = sorted(case for case in folder.iterdir() if (case / "export").is_dir())
loaded = {case: tf.saved_model.load(str(case / "export")) for case in cases}
# Once more, while the first stays; what is dropped again must take nothing along.
again = {case: tf.saved_model.load(str(case / "export")) for case in cases}
for case in cases[::2]:
    del again[case]
gc.collect()

for case in cases:
    for file in sorted(case.glob("images_*.npy")):
        images = np.load(file)
        outputs = serve(loaded[case], images)
        assert set(outputs) == {"logits", "probabilities"}, outputs
        logits = outputs["logits"].numpy()
        np.testing.assert_array_equal(outputs["probabilities"], tf.nn.softmax(logits))
        if case in again:
            np.testing.assert_array_equal(serve(again[case], images)["logits"], logits)
        np.save(case / file.name.replace("images", "tensorflow_2"), logits)
    module = loaded[case]
    tf.saved_model.save(module, str(case / "resaved"), signatures=module.signatures)

imported = {name.partition(".")[0] for name, module in sys.modules.items() if module is not None}
assert not imported & {"bnkeras", "keras"}
