"""Keras layers: norms, and what sequences of words need."""

from bnkeras.layers.batch_normalization import BatchNormalization
from bnkeras.layers.norms import Affine, GroupNormalization
from bnkeras.layers.sequences import LSTM, Embedding, LastStep

__all__ = ["LSTM", "Affine", "BatchNormalization", "Embedding", "GroupNormalization", "LastStep"]
