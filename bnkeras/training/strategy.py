"""TensorFlow's distribution strategies by the name of the recipe setting."""

import tensorflow as tf


def make_strategy(name: str) -> tf.distribute.Strategy:
    """Return the strategy called `name`.

    | name | strategy |
    |---|---|
    | `auto` | `mirrored` on more than one GPU, else `single` |
    | `single` | the default strategy, on one device |
    | `mirrored` | `MirroredStrategy` over all GPUs, or all logical CPUs where there is none |
    """
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        devices = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.get_strategy()
