"""ImageNet's classes in English."""

import runpy
from collections import Counter
from collections.abc import Sequence
from functools import cache

from bnkeras.pipelines.registry import DATASETS, tfds_resource


def readable_classes(class_names: Sequence[str]) -> tuple[str, ...]:
    """Return `class_names` with ImageNet's ids in English; all other names stay.

    An id is called by the first of its synonyms in WordNet. Where two ids share that, it is
    followed by the id.

    Source: TensorFlow Datasets carries the names, for its dataset `siscore`.

    >>> readable_classes(["n01440764", "n03710637", "cat"])
    ('tench', 'maillot (n03710637)', 'cat')
    """
    ids = DATASETS["imagenet"].class_names
    if not set(ids).intersection(class_names):
        return tuple(class_names)
    english = dict(zip(ids, _names(), strict=True))
    counts = Counter(english.values())
    return tuple(
        f"{english[name]} ({name})" if counts[english.get(name)] > 1 else english.get(name, name)
        for name in class_names
    )


@cache
def _names() -> list[str]:
    # Run as a file: the import of the package around it takes a second.
    labels = runpy.run_path(str(tfds_resource("datasets/siscore/labels.py")))
    return [synonyms.partition(",")[0] for synonyms in labels["IMAGENET_LABELS_LIST"]]
