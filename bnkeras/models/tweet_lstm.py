"""The LSTM that tells how a tweet is meant."""

import keras

from bnkeras.errors import ModelError
from bnkeras.layers import LSTM, Embedding, LastStep
from bnkeras.models.blocks import Blocks, is_size


def tweet_lstm(
    vocabulary_size: int,
    embedding: int = 200,
    units: int = 100,
    classes: int = 2,
    seed: int = 0,
    features: str | None = None,
    gamma: str = "uniform(0, 1)",
    beta: str = "constant(0)",
    norm: str = "batch",
    dtype: str | None = None,
) -> keras.Model:
    """Build Torri's tweet network: embedding, LSTM, dense layer, with BatchNorm behind each.

    Embedding, BatchNorm, ReLU, LSTM, its output at the last word, BatchNorm, ReLU, dense
    layer, BatchNorm on the logits. Id 0 is padding, at the end of a tweet, and has the
    vector zero; id 1 stands for words out of the vocabulary. BatchNorm of the embeddings
    counts padding as it counts words, in its mean and variance, as Torri's does. With
    `norm` group or layer each word is normalized by itself and the logits are scaled and
    shifted only.

    The LSTM has Keras' gates (input, forget, cell, output) and one bias for each, where
    PyTorch adds two.

    Args:
        vocabulary_size: number of ids, those of padding and of unknown words included.
        embedding: values of a word's vector. The variable `embedding/embeddings` may be
            assigned others, such as GloVe's.
        units: units of the LSTM.
        classes: number of logits.
        seed: root seed of the weights.
        features: initialisation law of the LSTM's kernels and the output kernel; None for
            PyTorch's, which Torri left: uniform in ±1 / √units. In any case the embedding
            has PyTorch's N(0, 1), and the bias of the LSTM a uniform distribution with the
            variance of PyTorch's two, in ±√(2 / units).
        gamma: law of the scales γ of the norms.
        beta: law of the shifts β of the norms.
        norm: batch, group or layer, see `Blocks.normalize`.
        dtype: Keras dtype policy, None for the global one.

    Returns:
        A model from ids [batch, length], int32, padded at their end with 0, to logits
        [batch, classes].

    Raises:
        ModelError: no such network, such as one with a vocabulary of nothing, or with
            instance normalization, for which a word has no positions.
        SeedingError: the seed or a law is not valid.

    Source: Torri 2022, the tweet experiment.

    Example:
        >>> tweet_lstm(1000, seed=1).output_shape
        (None, 2)
    """
    if not is_size(vocabulary_size) or vocabulary_size < 2:
        raise ModelError(
            f"vocabulary_size is a whole number from 2 on, since padding and unknown words have "
            f"ids of their own; received {vocabulary_size!r}."
        )
    for name, size in (("embedding", embedding), ("units", units)):
        if not is_size(size):
            raise ModelError(f"{name} is a whole number above 0; received {size!r}.")
    law = _uniform(1 / units) if features is None else features
    block = Blocks(seed, law, gamma, beta, norm, dtype)

    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = Embedding(
        vocabulary_size,
        embedding,
        embeddings_initializer=block.seeded("normal(1)", "embedding/embeddings"),
        dtype=dtype,
        name="embedding",
    )(tokens)
    x = block.relu(block.normalize(x, "embedding_bn"), "embedding_relu")
    x = LSTM(
        units,
        return_sequences=True,
        kernel_initializer=block.seeded(law, "lstm/lstm_cell/kernel"),
        recurrent_initializer=block.seeded(law, "lstm/lstm_cell/recurrent_kernel"),
        bias_initializer=block.seeded(_uniform(2 / units), "lstm/lstm_cell/bias"),
        unit_forget_bias=False,
        dtype=dtype,
        name="lstm",
    )(x)
    x = LastStep(dtype=dtype, name="last_step")(x, tokens)
    x = block.relu(block.normalize(x, "lstm_bn"), "lstm_relu")
    logits = block.normalize_logits(block.output(x, classes), "output_bn")
    return keras.Model(tokens, logits, name="tweet_lstm")


def _uniform(square: float) -> str:
    """Return the law that is uniform in ±√square."""
    return f"uniform({-(square**0.5)!r}, {square**0.5!r})"
