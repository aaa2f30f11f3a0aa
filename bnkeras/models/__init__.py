"""Network builders with seeded weights, and the registry that `bnkeras.build` reads.

Importing this package imports neither Keras nor TensorFlow: a builder is imported
when it is called.
"""

from bnkeras.models.registry import BUILDERS, Architecture, architecture_of, build

__all__ = ["BUILDERS", "Architecture", "architecture_of", "build"]
