"""What the peers on TensorFlow share: batches, products and copies."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from networks import NETWORKS, VOCABULARY
from serve import fastest

# One call of a function costs as much as a small product.
_PRODUCTS = 8


def batch(name: str) -> tuple[tf.Tensor, tf.Tensor]:
    """Return one batch."""
    network, random = NETWORKS[name], np.random.default_rng(0)
    labels = random.integers(0, network.classes, network.batch, dtype=np.int32)
    shape = (network.batch, *network.shape)
    if network.examples == "texts":
        inputs = random.integers(2, VOCABULARY, shape, dtype=np.int32)
    else:
        inputs = random.normal(size=shape).astype(np.float32)
    return tf.constant(inputs), tf.constant(labels)


def product(sizes: list[int], precision: str) -> dict[str, float]:
    """Time a product of matrices [m, k] and [k, n]."""
    m, k, n = sizes
    values = (tf.random.stateless_uniform(shape, (0, 0)) for shape in ((m, k), (k, n)))
    a, b = (tf.cast(one, precision) for one in values)
    count = _PRODUCTS if m * k * n < 2**28 else 1
    # Arguments of their own: grappler would compute equal products once.
    function = tf.function(lambda *many: [tf.matmul(one, b) for one in many], autograph=False)
    multiply = function.get_concrete_function(*[a] * count)
    return {"seconds": fastest(lambda: multiply(*[a] * count)) / count}


def convolution(sizes: list[int], precision: str) -> dict[str, float]:
    """Time a convolution of images, with the sizes of `step_floors.Convolution`."""
    batch, side, window, before, after, stride, padding = sizes
    shapes = ((batch, side, side, before), (window, window, before, after))
    values = (tf.random.stateless_uniform(shape, (0, 0)) for shape in shapes)
    images, kernel = (tf.cast(one, precision) for one in values)
    padding = "SAME" if padding else "VALID"

    @tf.function(autograph=False)
    def convolve(images):
        return tf.nn.conv2d(images, kernel, stride, padding)

    convolve = convolve.get_concrete_function(images)
    return {"seconds": fastest(lambda: convolve(images))}


def copy(size: int) -> dict[str, float]:
    """Time a copy of so many bytes, by all cores at once."""
    cores = os.cpu_count()
    pairs = [[np.ones(size // 4 // cores, np.float32) for _ in range(2)] for _ in range(cores)]
    with ThreadPoolExecutor(cores) as pool:
        return {"seconds": fastest(lambda: list(pool.map(lambda pair: np.copyto(*pair), pairs)))}
