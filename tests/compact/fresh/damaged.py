"""Damage files of an export, and print what plain TensorFlow makes of each damage, as JSON.

Arguments: the export, a folder for copies, the files to damage with commas between, how many
damages. What is printed counts `refused`, `same` outputs and `other` outputs.
"""

import json
import random
import shutil
import sys
from collections import Counter
from pathlib import Path

sys.modules["bnkeras"] = None
sys.modules["keras"] = None

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

export, copies, names, count = sys.argv[1:]
images = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype(np.float32)


def serve(path):
    loaded = tf.saved_model.load(str(path))
    outputs = loaded.signatures["serving_default"](image=tf.constant(images))
    return {name: value.numpy() for name, value in outputs.items()}


wanted = serve(export)
found = Counter()
for number in range(int(count)):
    dice = random.Random(number)
    copy = Path(shutil.copytree(export, Path(copies) / str(number)))
    file = copy / dice.choice(names.split(","))
    content = bytearray(file.read_bytes())
    position = dice.randrange(len(content))
    if dice.random() < 0.25:
        del content[position:]
    else:
        content[position] ^= dice.randrange(1, 256)
    file.write_bytes(content)
    try:
        given = serve(copy)
    except Exception:  # whatever TensorFlow raises is a refusal
        found["refused"] += 1
    else:
        same = given.keys() == wanted.keys() and all(
            np.array_equal(given[name], wanted[name]) for name in wanted
        )
        found["same" if same else "other"] += 1
    shutil.rmtree(copy)
print(json.dumps(found))
