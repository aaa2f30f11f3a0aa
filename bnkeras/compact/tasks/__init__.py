"""Exports of several tasks over one seed: one graph, a file of values each."""
