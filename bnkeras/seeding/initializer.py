"""The Keras initializer over the generator."""

import keras

from bnkeras.seeding import reference
from bnkeras.seeding.laws import Law, parse
from bnkeras.seeding.streams import stream


@keras.saving.register_keras_serializable(package="bnkeras")
class Seeded(keras.initializers.Initializer):
    """Initial values from the generator: the same on every backend and platform.

    A layer that holds this initializer also holds the record of where its weights
    come from: a compact export stores the law, the seed and the path instead of
    the values.

    Args:
        law: initialisation law, see `bnkeras.seeding.parse`.
        seed: root seed of the network, 0 ≤ seed < 2^64.
        path: stable path of the variable, unique in the network.

    Raises:
        SeedingError: an argument is not valid.

    Example:
        >>> initializer = Seeded("he_normal", seed=7, path="stem_conv/kernel")
        >>> keras.layers.Conv2D(16, 3, kernel_initializer=initializer)
    """

    def __init__(self, law: str | Law, seed: int, path: str):
        stream(seed, path)  # raises where the two are not valid
        self.law = parse(law)
        self.seed = int(seed)
        self.path = path

    def __call__(self, shape, dtype=None):
        """Return the values of a variable of `shape`, float32 cast to `dtype`."""
        values = reference.values(self.law, self.seed, self.path, shape)
        return keras.ops.convert_to_tensor(values, dtype or "float32")

    def get_config(self):
        """Return the arguments of the constructor."""
        return {"law": str(self.law), "seed": self.seed, "path": self.path}
