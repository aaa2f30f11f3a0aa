"""The one generator of random weights: a root seed and a path give the same values everywhere.

`laws` names the distributions, `reference` is the generator in NumPy, `graph` the
same in TensorFlow operations, `initializer` the Keras initializer over both.
The specification, complete enough for a third implementation, is
`docs/generator.md`.

Importing this package imports neither Keras nor TensorFlow.
"""

from bnkeras.seeding.laws import Law, parse
from bnkeras.seeding.streams import GENERATOR, GENERATOR_VERSION, stream

__all__ = ["GENERATOR", "GENERATOR_VERSION", "Law", "parse", "stream"]
