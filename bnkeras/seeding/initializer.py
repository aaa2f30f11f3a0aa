"""The Keras initializer over the generator."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import keras

from bnkeras.errors import SeedingError
from bnkeras.seeding import reference
from bnkeras.seeding.laws import Law, parse
from bnkeras.seeding.streams import stream

_expected: ContextVar[Mapping[str, tuple[int, ...]] | None] = ContextVar("expected", default=None)


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
        expected = _expected.get()
        if expected is not None and expected.get(self.path) != tuple(shape):
            raise SeedingError(
                f"The variable {self.path!r} of shape {tuple(shape)} is not among the expected "
                f"ones; expected shape: {expected.get(self.path, 'none')}."
            )
        values = reference.values(self.law, self.seed, self.path, shape)
        return keras.ops.convert_to_tensor(values, dtype or "float32")

    def get_config(self):
        """Return the arguments of the constructor."""
        return {"law": str(self.law), "seed": self.seed, "path": self.path}


@contextmanager
def expecting(shapes: Mapping[str, tuple[int, ...]]) -> Iterator[None]:
    """Let `Seeded` make only variables of these paths and shapes, else raise SeedingError.

    A network of untrusted arguments, such as a width of a million, fails at its
    first layer, before it takes memory.
    """
    token = _expected.set(shapes)
    try:
        yield
    finally:
        _expected.reset(token)
