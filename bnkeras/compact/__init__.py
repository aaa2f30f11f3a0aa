"""Compact exports: a TensorFlow SavedModel of a seed and the values that training changed.

`writer` makes one, `reader` loads it as a Keras model, `verify` compares its parts
with each other, `graph` is what the SavedModel computes, `manifest` what it says of
itself. The format is written down in `docs/export_format.md`.
"""
