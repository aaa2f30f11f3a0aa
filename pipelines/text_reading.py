"""Reading a prepared split of texts into memory."""

from dataclasses import dataclass

import numpy as np

from bnkeras.errors import CorruptDataError
from bnkeras.pipelines.prepared import Prepared
from bnkeras.pipelines.reading import split_parts
from bnkeras.pipelines.shards import read_shard

_FEATURES = {"text": "string", "label": "int64"}


@dataclass(frozen=True)
class TextSplit:
    """Texts and labels of a split, in memory.

    Attributes:
        texts: UTF-8, an array of `bytes` [n].
        labels: int32 [n].
        class_names: the class of each label.
    """

    texts: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.labels)


def load_texts(prepared: Prepared, split: str) -> TextSplit:
    """Read a split of texts, or a slice of one, into memory.

    The records lie in the order of a hash of their keys; see `load_split`.

    Args:
        prepared: what `prepare` or `find` returned.
        split: `"train"`, `"test"`, `"train[:90%]"`, `"train[1000:]"`, as in TFDS.

    Raises:
        DataError: no such split, or an empty slice.
        CorruptDataError: a shard is damaged or shorter than it was; the message names it.

    >>> load_texts(find("tweets"), "train[:90%]").texts[0]              # doctest: +SKIP
    b'@anna so good to see you '
    """
    texts: list[bytes] = []
    labels: list[np.ndarray] = []
    classes = len(prepared.spec.class_names)
    for part in split_parts(prepared, split):
        shard = read_shard(
            part.path, _FEATURES, skip=part.skip, take=part.take, remedy=prepared.remedy
        )
        for batch in shard:
            texts.extend(batch["text"])
            labels.append(batch["label"].astype(np.int32))
            if not 0 <= batch["label"].min() <= batch["label"].max() < classes:
                raise CorruptDataError(
                    f"The shard {part.path} is damaged: a label is {batch['label'].max()}, and "
                    f"there are {classes} classes. {prepared.remedy}"
                )
    return TextSplit(np.array(texts, object), np.concatenate(labels), prepared.spec.class_names)
