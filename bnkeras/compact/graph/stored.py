"""Stored values as variables of the SavedModel, and those of the network made of them."""

from itertools import groupby
from math import prod

import keras
import numpy as np
import tensorflow as tf

from bnkeras.compact.digests import values_digest
from bnkeras.compact.provenance import StoredVariable

# From this many bytes on a stored variable is one of the SavedModel, too. Smaller ones are
# parts of a vector, which are copied at each call: for them that costs less than a node.
_LARGE = 1 << 18


class StoredWeights:
    """The values that are kept, in few variables: `parts`, whose keys sort as the rows do.

    A checkpoint writes its variables in the order of their keys, so all values lie in it
    one after another.

    This is no `tf.Module`: one would track the Keras variables, and save them whole.

    Args:
        stored: what is kept, in the order of the file.
    """

    def __init__(self, stored: list[StoredVariable]):
        self._runs = [list(run) for _, run in groupby(stored, _run)]
        self.parts = {}
        for index, run in enumerate(self._runs):
            kept = np.float16 if run[0].is_rounded else np.float32
            words = np.concatenate([np.ravel(stored.values()).view(kept) for stored in run])
            # TF1 sessions find variables by name, and two exports may be in one.
            name = f"bn/stored{index}_{values_digest(words)}"
            self.parts[f"{index:05}"] = tf.Variable(words, trainable=False, name=name)

    def values(self) -> list[tuple[keras.Variable, tf.Tensor]]:
        """Return each variable with its value, inside a traced function."""
        pairs = []
        for run, part in zip(self._runs, self.parts.values(), strict=True):
            pairs += unpacked(run, tf.cast(part, tf.float32))
        return pairs


def _run(stored: StoredVariable) -> tuple:
    """Return what the neighbours share that lie in one variable."""
    is_large = bytes_of(stored.variable) >= _LARGE
    return stored.is_rounded, stored.variable.path if is_large else None


def unpacked(
    stored: list[StoredVariable], words: tf.Tensor
) -> list[tuple[keras.Variable, tf.Tensor]]:
    """Return each variable with its value, of a vector of four bytes for each number."""
    parts = tf.split(words, [words_of(entry) for entry in stored]) if stored else []
    return [
        (s.variable, _from_words(s.variable, part)) for s, part in zip(stored, parts, strict=True)
    ]


def words_of(stored: StoredVariable) -> int:
    """Return how many words of four bytes the values of a variable are."""
    return bytes_of(stored.variable) // 4


def bytes_of(variable: keras.Variable) -> int:
    """Return the bytes of a variable's values."""
    return prod(variable.shape) * tf.as_dtype(variable.dtype).size


def _from_words(variable: keras.Variable, words: tf.Tensor) -> tf.Tensor:
    """Return the value of `variable` that the four-byte `words` are."""
    shape, dtype = tuple(variable.shape), tf.as_dtype(variable.dtype)
    if dtype.size > 4:
        shape = (*shape, dtype.size // 4)
    # A vector is its own share of the words; a reshape would be one more node.
    words = words if len(shape) == 1 else tf.reshape(words, shape)
    return words if dtype == tf.float32 else tf.bitcast(words, dtype)
