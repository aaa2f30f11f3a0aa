"""Trained networks that come with the checkout: their index, and what each gave for a few examples.

Nothing here needs TensorFlow or Keras.
"""

import os
from pathlib import Path


def located(export: str | Path) -> Path:
    """Return the directory of an export that is given by its path or by a name of the index.

    A name is what has no path separator in it and is no directory here.

    Args:
        export: path or name.

    Raises:
        InputError: there is no trained network of that name, or none with names at all.
        ExportError: its digest is not the one in the index.

    Example:
        >>> located("resnet14_bnonly").name, located("runs/mine/export")
        ('resnet14_bnonly', PosixPath('runs/mine/export'))
    """
    text = os.fspath(export)
    is_path = text.strip(".") == "" or "/" in text or "\\" in text
    if is_path or Path(export).is_dir():
        return Path(export)
    # What loading by a path can do without.
    from bnkeras.compact.published.index import find_named

    return find_named(text)
