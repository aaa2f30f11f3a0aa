"""Layers for sequences of ids that are padded with 0 at their end."""

import keras
from keras import ops

from bnkeras.layers.recurrent import lstm


@keras.saving.register_keras_serializable(package="bnkeras")
class Embedding(keras.layers.Embedding):
    """`keras.layers.Embedding` in which id 0, the padding, stands for a vector of zeros.

    It does so whatever row 0 of the variable holds, and no gradient reaches that row,
    as with PyTorch's `padding_idx=0`. There is no mask to go with it: Keras would hand
    it on to the layers behind.

    Shapes:
        inputs: ids, [batch, length]; outputs: [batch, length, output_dim].

    Example:
        >>> Embedding(5, 3)(keras.ops.array([[2, 0]]))[0, 1]
        <tf.Tensor: shape=(3,), dtype=float32, numpy=array([0., 0., 0.], dtype=float32)>
    """

    def call(self, inputs):
        """Look up `inputs`."""
        vectors = super().call(inputs)
        return vectors * ops.expand_dims(ops.cast(ops.not_equal(inputs, 0), vectors.dtype), -1)


@keras.saving.register_keras_serializable(package="bnkeras")
class LSTM(keras.layers.LSTM):
    """`keras.layers.LSTM`, without a random state where there is no dropout.

    Keras gives each cell one, an integer variable that is saved with the network.
    Arguments, numbers and the choice of a cuDNN kernel are those of the Keras layer.

    In training on a CPU with TensorFlow the loop over time is `recurrent.lstm`, the same to
    rounding; with other activations, dropout, a mask, `go_backwards` or `unroll`, and
    without a bias, it is Keras' own. So it is outside training, and in exports.

    Args:
        units: width of the state.
        **kwargs: those of `keras.layers.LSTM`.

    Example:
        >>> LSTM(100, return_sequences=True)(keras.ops.ones((2, 7, 200))).shape
        TensorShape([2, 7, 100])
    """

    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)
        if not self.dropout and not self.recurrent_dropout:
            self.cell._tracker.untrack(self.cell.seed_generator)
            self.cell.seed_generator = None

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Run over time."""
        if not training or mask is not None or not self._has_own_loop():
            return super().inner_loop(sequences, initial_state, mask, training=training)
        cell = self.cell
        outputs, state = lstm(
            sequences, *initial_state, cell.kernel, cell.recurrent_kernel, cell.bias
        )
        last = outputs[:, -1]
        return last, outputs, [last, state]

    def _has_own_loop(self) -> bool:
        cell = self.cell
        if (
            keras.backend.backend() != "tensorflow"
            or cell.activation is not keras.activations.tanh
            or cell.recurrent_activation is not keras.activations.sigmoid
            or not cell.use_bias
            or cell.dropout
            or cell.recurrent_dropout
            or self.go_backwards
            or self.unroll
            or self.use_cudnn is True
        ):
            return False
        import tensorflow as tf

        return not tf.config.list_physical_devices("GPU")


@keras.saving.register_keras_serializable(package="bnkeras")
class LastStep(keras.layers.Layer):
    """Take from each sequence the values at its last real step, before the padding.

    The length of a sequence is the number of its ids that are not 0; that of an empty
    one counts as 1.

    Shapes:
        sequences: [batch, length, channels]; ids: [batch, length];
        outputs: [batch, channels].

    Example:
        >>> sequences = keras.ops.array([[[1.0], [2.0], [3.0]]])
        >>> LastStep()(sequences, keras.ops.array([[4, 9, 0]]))
        <tf.Tensor: shape=(1, 1), dtype=float32, numpy=array([[2.]], dtype=float32)>
    """

    def call(self, sequences, ids):
        """Return the last real step of `sequences`."""
        length = ops.sum(ops.cast(ops.not_equal(ids, 0), "int32"), axis=1)
        last = ops.maximum(length - 1, 0)
        return ops.take_along_axis(sequences, last[:, None, None], axis=1)[:, 0]
