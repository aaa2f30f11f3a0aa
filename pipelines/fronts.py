"""The front of an export, made again of what its manifest says."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf


def front_of(
    preprocessing: Mapping[str, Any] | None, spec: "tf.TensorSpec", assets: Path
) -> "tf.Module | None":
    """Return the front that a run exported its network with, or None where it is another's.

    Args:
        preprocessing: what the manifest of the export says of it.
        spec: what the front takes.
        assets: the folder of the export with the files that its graph reads.

    Raises:
        DataError: it says what no front does.

    >>> pixels = tf.TensorSpec([None, 8, 8, 1], tf.uint8, "image")       # doctest: +SKIP
    >>> front_of({"scale": "unit"}, pixels, Path("assets"))              # doctest: +SKIP
    """
    from bnkeras.pipelines.image_front import ImageFront
    from bnkeras.pipelines.text_front import TextFront
    from bnkeras.pipelines.vocabulary import Vocabulary

    said = dict(preprocessing or {})
    if spec == TextFront.spec and "tokenizer" in said:
        words = _words(assets, said.get("vocabulary_size"))
        # How often each occurred is not in an export, and no front asks.
        if words is None:
            return None
        return TextFront(Vocabulary(said["tokenizer"], 1, words, (0,) * len(words)))
    if said.get("scale") in ("channel", "unit") and len(spec.shape) == 4:
        front = ImageFront(
            (said.get("mean", ()), said.get("std", ())),
            spec.shape[1:],
            crop=said.get("image_size"),
            scale=said["scale"],
        )
        return front if front.spec == spec else None
    return None


def _words(assets: Path, size: int | None) -> tuple[str, ...] | None:
    """Return the words of a vocabulary of `size`; None where it is not there, or one of several.

    Each task of an export can have its own, and what tells them apart is in the graph alone.
    """
    texts = {file.read_text("utf-8") for file in assets.glob("vocabulary.txt*")}
    found = [words for text in texts if _is_of_size(words := tuple(text.split("\n")[:-1]), size)]
    return found[0] if len(found) == 1 else None


def _is_of_size(words: tuple[str, ...], size: int | None) -> bool:
    from bnkeras.pipelines.vocabulary import FIRST_WORD

    return size is None or FIRST_WORD + len(words) == size
