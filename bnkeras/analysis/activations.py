"""How often each channel behind a ReLU is zero."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnkeras.errors import ModelError
from bnkeras.models.blocks import deep_graph
from bnkeras.training.batches import Batches

# A channel that is zero more often is taken for dead by the papers.
MOSTLY_ZERO = 0.99


@dataclass(frozen=True, eq=False)
class ReluZeros:
    """How often the channels of one ReLU are exactly zero.

    Args:
        layer: name of the layer; of its second call, `NAME#2`, and so on.
        zeros: how many values of each channel are 0, int64 [channels].
        positions: how many values each channel has: test examples · pixels, or words.
    """

    layer: str
    zeros: np.ndarray
    positions: int

    @property
    def probability(self) -> np.ndarray:
        """Probability that a channel is zero, float64 [channels]."""
        return self.zeros / self.positions


def relu_zeros(
    model: keras.Model, batches: Batches, tick: Callable[[], object] = lambda: None
) -> tuple[ReluZeros, ...]:
    """Count the zeros behind every ReLU of a functional model, on all test examples.

        P(channel is 0) = zeros over examples and positions / (examples · positions)

    Channels are the last axis, all axes between it and the batch are positions. Of a
    sequence only the real words are positions, those with an id other than 0: how much
    padding there is depends on how texts are put into batches.

    Args:
        model: from the inputs of `batches`, in inference.
        batches: the data.
        tick: called after each test batch.

    Returns:
        One entry for each ReLU, in the order of the graph: layers `ReLU` and `Activation`,
        and those with a ReLU as their activation. Those within a model within `model` are
        not seen.

    Raises:
        ModelError: the graph of the model is not known, or it has no ReLU.

    Source: Frankle et al. 2021, section 5, "ReLU activations".
    """
    found = _relus(model)
    if not found:
        raise ModelError(f"{model.name!r} has no ReLU in its own graph.")
    with deep_graph(len(model.layers)):
        rectified = keras.Model(model.inputs, list(found.values()))

    @tf.function(autograph=False, reduce_retracing=True)
    def count(inputs, weights):
        outputs = keras.tree.flatten(rectified(inputs, training=False))
        counted = tf.cast(weights, tf.int64)
        zeros, positions = zip(*(_count(x, inputs, counted) for x in outputs), strict=True)
        return tf.concat(zeros, axis=0), tf.stack(positions)

    sizes = [tensor.shape[-1] for tensor in found.values()]
    zeros, positions = np.zeros(sum(sizes), np.int64), np.zeros(len(sizes), np.int64)
    for inputs, _, weights in batches.test:
        of_batch, places = count(inputs, weights)
        zeros += of_batch.numpy()
        positions += places.numpy()
        tick()
    by_relu = np.split(zeros, np.cumsum(sizes)[:-1])
    return tuple(map(ReluZeros, found, by_relu, positions.tolist()))


def _count(x: tf.Tensor, inputs: tf.Tensor, counted: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the zeros of each channel of `x`, and how many values each has, int64.

    Args:
        x: [batch, ..., channels].
        inputs: what the network was given.
        counted: 1 for examples, 0 for the padding of a batch, int64 [batch].
    """
    zero = tf.cast(tf.equal(x, 0), tf.int32)
    is_sequence = x.shape.rank == 3 and inputs.dtype.is_integer and inputs.shape.rank == 2
    if is_sequence:
        real = tf.cast(tf.not_equal(inputs, 0), tf.int32)
        zero *= real[:, :, None]
        places = tf.reduce_sum(tf.cast(real, tf.int64), axis=1)
    else:
        between = tf.reduce_prod(tf.shape(x, tf.int64)[1:-1])
        places = tf.fill(tf.shape(counted), between)
    # Within one example 32 bits suffice.
    by_example = tf.reduce_sum(zero, axis=list(range(1, x.shape.rank - 1)))
    zeros = tf.reduce_sum(tf.cast(by_example, tf.int64) * counted[:, None], axis=0)
    return zeros, tf.reduce_sum(places * counted)


def _relus(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """Return what every ReLU in the graph gives, by name."""
    graph = getattr(model, "_functional", model)  # of a sequential model
    if not hasattr(graph, "_nodes_by_depth"):
        raise ModelError(
            f"ReLUs are found in the graph of a functional model; {model.name!r} "
            f"({type(model).__name__}) has none that Keras knows."
        )
    by_depth = graph._nodes_by_depth
    found: dict[str, keras.KerasTensor] = {}
    calls: Counter[str] = Counter()
    for depth in sorted(by_depth, reverse=True):
        for node in by_depth[depth]:
            operation = node.operation
            if _is_relu(operation):
                calls[operation.name] += 1
                call = calls[operation.name]
                name = operation.name if call == 1 else f"{operation.name}#{call}"
                found[name] = node.outputs[0]
    return found


def _is_relu(operation: Any) -> bool:
    if isinstance(operation, keras.layers.ReLU):
        return not operation.negative_slope
    if not isinstance(operation, keras.layers.Layer):
        # `keras.ops.relu`, called on the tensors of a graph.
        return type(operation).__name__ in ("Relu", "Relu6")
    activation = getattr(operation, "activation", None)
    return activation in (keras.activations.relu, keras.activations.relu6)
