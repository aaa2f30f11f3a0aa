"""The front of an export, made again where bnkeras made it."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

    from bnkeras.compact.manifest.network import Manifest


def remade_front(manifest: "Manifest", export: Path) -> "tf.Module | None":
    """Return what makes inputs of raw data, None where the export takes none or by its own way."""
    import tensorflow as tf

    from bnkeras.compact.manifest.records import ASSETS
    from bnkeras.pipelines import front_of

    takes = manifest.front
    if takes is None:
        return None
    spec = tf.TensorSpec(takes.shape, takes.dtype, takes.name)
    return front_of(manifest.preprocessing, spec, export / ASSETS)
