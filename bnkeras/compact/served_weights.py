"""The weights that a graph regenerates, compared with the manifest."""

from pathlib import Path

import numpy as np

from bnkeras.compact.digests import values_digest
from bnkeras.compact.manifest.network import Manifest
from bnkeras.compact.slim.values import drawn
from bnkeras.errors import ExportError

# Of the largest value: a few last bits of a float32.
_ROUNDING = 2.0**-20


def compare_weights(path: Path, export: Path, manifests: list[Manifest]) -> tuple[int, int, float]:
    """Compare the seeded weights that the graph fills with the digests, one by one.

    Args:
        path: what the export is called in errors.
        export: where its graph can be run.
        manifests: those of all its networks, in order.

    Returns:
        The number of weights; that of those that differ, by rounding; and by how much at
        most, as a share of the largest value of the weight.

    Raises:
        ExportError: a weight differs by more, or the graph has none of its name.
    """
    import tensorflow as tf

    from bnkeras.compact.graph.frozen import seeded_scope, specification

    seed = manifests[0].seed
    # Networks of one path, law and shape share a weight; slim ones are alone.
    rows = {
        (row.path, row.law, row.shape): (row, manifest.lost(row))
        for manifest in manifests
        for row in manifest.of("seeded")
    }
    scope = seeded_scope(seed, [specification(*key, lost) for key, (_, lost) in rows.items()])
    rounded, largest = 0, 0.0
    # A session of TensorFlow 1 finds variables by the names that the graph has for them.
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        try:
            tf.compat.v1.saved_model.load(session, ["serve"], str(export))
        except Exception as error:  # a forged graph can make TensorFlow raise anything
            raise ExportError(f"{path}: TensorFlow cannot load the graph: {error}") from error
        for index, (row, lost) in enumerate(rows.values()):
            handle = tf.raw_ops.VarHandleOp(
                dtype=tf.float32, shape=row.shape, shared_name=f"{scope}/{index}"
            )
            try:
                values = session.run(tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32))
            except tf.errors.OpError as error:
                raise ExportError(
                    f"{path}: the graph does not fill the variable {row.path!r}. It does not "
                    f"belong to this manifest."
                ) from error
            if values_digest(values) != row.digest:
                wanted = drawn(row.law, seed, row.path, row.shape, lost)
                share = float(np.max(np.abs(values - wanted)) / np.max(np.abs(wanted)))
                if not share <= _ROUNDING:
                    raise ExportError(
                        f"{path}: the graph regenerates other values of the variable "
                        f"{row.path!r}, and not by rounding: the largest difference is {share:.2g} "
                        f"of the largest value."
                    )
                rounded, largest = rounded + 1, max(largest, share)
    return len(rows), rounded, largest
