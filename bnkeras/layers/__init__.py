"""Keras layers: batch normalization on TensorFlow's fused kernels."""

from bnkeras.layers.batch_normalization import BatchNormalization

__all__ = ["BatchNormalization"]
