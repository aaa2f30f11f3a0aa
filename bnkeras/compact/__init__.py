"""Compact exports: a TensorFlow SavedModel of a seed and the values that training changed.

`writer` makes one, `reader` loads it as a Keras model, `verify` compares its parts
with each other. `provenance` says where the values of each variable come from,
`external` keeps those that come from elsewhere, `interface` names inputs and outputs,
`keras_config` rebuilds models that `bnkeras.build` did not make, `graph` is what the
SavedModel computes, `manifest` what it says of itself. The format is written down in
`docs/export_format.md`.
"""
