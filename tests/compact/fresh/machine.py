"""Write the values that an export regenerates on this machine, and what it computes.

Arguments: the export, a file of inputs, the file to write, and settings as JSON: `threads`,
`random` (a seed of everything but the export), `compile` (the Keras model by XLA).
"""

import json
import re
import sys

import keras
import numpy as np
import tensorflow as tf

import bnkeras

export, inputs, written, settings = sys.argv[1:]
settings = json.loads(settings)
tf.config.threading.set_intra_op_parallelism_threads(settings["threads"])
keras.utils.set_random_seed(settings["random"])
images = np.load(inputs)
values = {}

# The weights as the graph fills them: each is a resource that is known by its name.
with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
    tf.compat.v1.saved_model.load(session, ["serve"], export)
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
    handles = {
        node.attr["shared_name"].s.decode(): node.attr for node in nodes if node.op == "VarHandleOp"
    }
    for name, attributes in handles.items():
        if found := re.fullmatch(r"bn/[0-9a-f]{12}/(\d+)", name):
            handle = tf.raw_ops.VarHandleOp(
                dtype=tf.float32, shape=attributes["shape"].shape, shared_name=name
            )
            read = tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)
            values[f"graph {found[1]}"] = session.run(read)

model = bnkeras.load_compact(export)
values |= {f"keras {variable.path}": variable.numpy() for variable in model.variables}

loaded = tf.saved_model.load(export)  # kept, for with it go the variables
served = loaded.signatures["serving_default"](image=tf.constant(images))
network = tf.function(
    lambda images: model(images, training=False),
    autograph=False,
    jit_compile=settings["compile"],
)
values["logits"] = served["logits"].numpy()
values["keras logits"] = network(images).numpy()
np.savez(written, **values)
