"""Datasets as TFRecords, and deterministic batches from them.

Importing this package is cheap: what needs TensorFlow is imported at its first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from bnkeras.pipelines.directory import data_directory
from bnkeras.pipelines.prepared import Damaged, Prepared, find, list_prepared
from bnkeras.pipelines.preparing import prepare
from bnkeras.pipelines.registry import DATASETS, DatasetSpec, get_spec

if TYPE_CHECKING:
    from bnkeras.pipelines.batches import evaluation_batches, steps_per_epoch, training_batches
    from bnkeras.pipelines.reading import Split, load_split

__all__ = [
    "DATASETS",
    "Damaged",
    "DatasetSpec",
    "Prepared",
    "Split",
    "data_directory",
    "evaluation_batches",
    "find",
    "get_spec",
    "list_prepared",
    "load_split",
    "prepare",
    "steps_per_epoch",
    "training_batches",
]

_NEEDS_TENSORFLOW = {
    "Split": "reading",
    "evaluation_batches": "batches",
    "load_split": "reading",
    "steps_per_epoch": "batches",
    "training_batches": "batches",
}


def __getattr__(name: str) -> Any:
    if name not in _NEEDS_TENSORFLOW:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_NEEDS_TENSORFLOW[name]}")
    return getattr(module, name)
