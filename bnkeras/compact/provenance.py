"""Where the values of each variable of a network come from."""

import keras
import numpy as np

from bnkeras.compact.digests import values_digest
from bnkeras.compact.graph import SeededVariable
from bnkeras.compact.manifest import Provenance
from bnkeras.errors import ExportError
from bnkeras.models.variables import Group, grouped_variables, seeded_laws
from bnkeras.seeding import Law, reference

# Below this, the operations that regenerate a variable take more bytes than its values.
_SMALLEST_SEEDED = 256


def classify(
    model: keras.Model, seed: int
) -> tuple[list[Provenance], list[SeededVariable], list[keras.Variable]]:
    """Describe each variable in a row, and divide them into seeded and stored ones.

    Raises:
        ExportError: a variable is not float32.
    """
    laws = seeded_laws(model, seed)
    rows, seeded, stored = [], [], []
    for path, group, variable in grouped_variables(model):
        values = variable.numpy()
        if values.dtype != np.float32:
            raise ExportError(f"{path}: a compact export holds float32; received {values.dtype}.")
        law = None if group is Group.BATCHNORM else laws.get(path)
        if law is not None and _regenerates(law, seed, path, values):
            seeded.append(SeededVariable(path, law, variable))
            source = ("seeded", str(law))
        else:
            stored.append(variable)
            source = ("stored", None)
        rows.append(Provenance(path, values.shape, "float32", *source, values_digest(values)))
    return rows, seeded, stored


def _regenerates(law: Law, seed: int, path: str, values: np.ndarray) -> bool:
    """Whether the generator gives the same bits, everywhere, in fewer bytes."""
    if values.size < _SMALLEST_SEEDED or not law.reproducible:
        return False
    regenerated = reference.values(law, seed, path, values.shape)
    return np.array_equal(regenerated.view(np.uint32), values.view(np.uint32))
