"""Which law of the generator each variable of a network was initialised by."""

import keras

from bnkeras.seeding import Law
from bnkeras.seeding.initializer import Seeded


def seeded_laws(model: keras.Model, seed: int) -> dict[str, Law]:
    """Return the law of every variable whose layer holds a `Seeded` initializer for it."""
    laws = {}
    for layer in model._flatten_layers(include_self=False, recursive=True):
        for variable in layer._trainable_variables:
            initializer = getattr(layer, f"{variable.name}_initializer", None)
            if (
                isinstance(initializer, Seeded)
                and initializer.seed == seed
                and initializer.path == variable.path
            ):
                laws[variable.path] = initializer.law
    return laws
