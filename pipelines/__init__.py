"""Datasets as TFRecords, and deterministic batches from them.

Importing this package is cheap: what needs TensorFlow is imported at its first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from bnkeras.pipelines.directory import data_directory
from bnkeras.pipelines.fronts import front_of
from bnkeras.pipelines.glove import GloveResult, read_glove
from bnkeras.pipelines.imagenet_names import readable_classes
from bnkeras.pipelines.prepared import Damaged, Prepared, find, list_prepared
from bnkeras.pipelines.preparing import prepare
from bnkeras.pipelines.registry import DATASETS, FAMILIES, DatasetSpec, get_spec
from bnkeras.pipelines.share import Share
from bnkeras.pipelines.vocabulary import Vocabulary, build_vocabulary

if TYPE_CHECKING:
    from bnkeras.pipelines.batches import evaluation_batches, steps_per_epoch, training_batches
    from bnkeras.pipelines.crops import crop_evaluation_batches, crop_training_batches
    from bnkeras.pipelines.encoded import EncodedSplit, load_encoded
    from bnkeras.pipelines.image_front import EncodedImageFront, ImageFront
    from bnkeras.pipelines.reading import Split, load_split
    from bnkeras.pipelines.text_batches import text_evaluation_batches, text_training_batches
    from bnkeras.pipelines.text_front import TextFront
    from bnkeras.pipelines.text_reading import TextSplit, load_texts

__all__ = [
    "DATASETS",
    "FAMILIES",
    "Damaged",
    "DatasetSpec",
    "EncodedImageFront",
    "EncodedSplit",
    "GloveResult",
    "ImageFront",
    "Prepared",
    "Share",
    "Split",
    "TextFront",
    "TextSplit",
    "Vocabulary",
    "build_vocabulary",
    "crop_evaluation_batches",
    "crop_training_batches",
    "data_directory",
    "evaluation_batches",
    "find",
    "front_of",
    "get_spec",
    "list_prepared",
    "load_encoded",
    "load_split",
    "load_texts",
    "prepare",
    "read_glove",
    "readable_classes",
    "steps_per_epoch",
    "text_evaluation_batches",
    "text_training_batches",
    "training_batches",
]

_NEEDS_TENSORFLOW = {
    "EncodedImageFront": "image_front",
    "EncodedSplit": "encoded",
    "ImageFront": "image_front",
    "Split": "reading",
    "TextFront": "text_front",
    "TextSplit": "text_reading",
    "crop_evaluation_batches": "crops",
    "crop_training_batches": "crops",
    "evaluation_batches": "batches",
    "load_encoded": "encoded",
    "load_split": "reading",
    "load_texts": "text_reading",
    "steps_per_epoch": "batches",
    "text_evaluation_batches": "text_batches",
    "text_training_batches": "text_batches",
    "training_batches": "batches",
}


def __getattr__(name: str) -> Any:
    if name not in _NEEDS_TENSORFLOW:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_NEEDS_TENSORFLOW[name]}")
    return getattr(module, name)
