"""Compact exports: a TensorFlow SavedModel of a seed and the values that training changed.

`writer` makes one of a network and `tasks` one of several, of what `preparing` finds out
about them; `saving` is what both share. `reader` loads a network as a Keras model, with the
values that `contents` reads from its files and `regenerating` draws from its seed, which
`matching` assigns to its variables; `verify` compares the parts of an export with each
other. `provenance` says where the values of each variable come from, `external` keeps those
that come from elsewhere, `interface` names inputs and outputs, `probe` tries a network on
inputs of the generator.

`manifest` is what an export says of itself, `graph` what it computes, `config` rebuilds
models that `bnkeras.build` did not make, `slim` takes channels out, `stock` writes
ordinary files of Keras. The format is written down in `docs/export_format.md`.
"""
