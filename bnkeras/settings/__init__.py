"""TOML tables, validated against typed sections with all faults at once.

What a recipe, a study or a search space is made of lies in rooms of their own; here is how such
a file is read, what its tables are checked against, and how a fault is put into a sentence.
Of its modules only `section`, `types` and `checking` import pydantic.
"""
