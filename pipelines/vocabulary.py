"""The words that a network knows: counted once, stored with their hash."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bnkeras.errors import CorruptDataError, DataError, did_you_mean

if TYPE_CHECKING:
    import tensorflow as tf

    from bnkeras.pipelines.tokenizers import Tokenizer

# All but the first need tensorflow-text.
TOKENIZERS = ("papers", "unicode_script", "wordpiece")

PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2

# How many pieces `wordpiece` learns at most.
PIECES = 8192

_FORMAT_VERSION = 1


@dataclass(frozen=True)
class Vocabulary:
    """Words and their ids: 0 is padding, 1 any other word, and from 2 on come `words`.

    Attributes:
        tokenizer: what splits texts into words, one of `TOKENIZERS`.
        minimum_count: how often a word had to occur in the training texts.
        words: in the order of their ids; of `wordpiece`, the pieces.
        counts: how often each occurs in the training texts.
    """

    tokenizer: str
    minimum_count: int
    words: tuple[str, ...]
    counts: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of ids, which is the `vocabulary_size` of a network."""
        return FIRST_WORD + len(self.words)

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of all of it, as compact JSON with sorted keys."""
        canonical = json.dumps(
            asdict(self), ensure_ascii=False, sort_keys=True, separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode()).hexdigest()

    def save(self, path: Path | str) -> None:
        """Write it as JSON with its hash; the file `path` is complete or not there at all."""
        path = Path(path)
        record = {"format_version": _FORMAT_VERSION, "sha256": self.sha256, **asdict(self)}
        partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            partial.write_text(json.dumps(record, ensure_ascii=False, indent=0) + "\n", "utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path | str) -> "Vocabulary":
        """Read what `save` wrote to `path`.

        Raises:
            DataError: the file cannot be read, or is of a later format.
            CorruptDataError: it is not what was written.
        """
        try:
            record = json.loads(Path(path).read_text("utf-8"))
            version, sha256 = record.pop("format_version"), record.pop("sha256")
            if version != _FORMAT_VERSION:
                raise DataError(
                    f"The vocabulary {path} has format version {version!r}; this version of "
                    f"bnkeras reads {_FORMAT_VERSION}."
                )
            record |= {key: tuple(record[key]) for key in ("words", "counts")}
            vocabulary = cls(**record)
        except OSError as error:
            raise DataError(f"The vocabulary {path} cannot be read: {error.strerror}.") from error
        except DataError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CorruptDataError(
                f"The vocabulary {path} is damaged or none at all ({error})."
            ) from error
        if vocabulary.sha256 != sha256:
            raise CorruptDataError(
                f"The vocabulary {path} is damaged: its content has the SHA-256 "
                f"{vocabulary.sha256}, and {sha256} was written with it."
            )
        return vocabulary


def build_vocabulary(
    texts: Sequence[bytes], tokenizer: str = "papers", minimum_count: int = 2
) -> Vocabulary:
    """Return the vocabulary of the training texts.

    Known are the words that occur at least `minimum_count` times, in the order of their
    code points. Of `wordpiece`, the pieces are learned from these words, at most
    `PIECES`; tensorflow-text's learner puts first the characters, then by frequency.

    Args:
        texts: UTF-8; those of the training split alone.
        tokenizer: one of `TOKENIZERS`.
        minimum_count: how often a word must occur, from 1.

    Raises:
        DataError: an argument is out of range, or no word occurs often enough.
        MissingDependencyError: the tokenizer needs tensorflow-text.

    Source: Torri (2022), https://github.com/Alessandro1999/BatchNormOnly.

    >>> build_vocabulary([b"so good", b"So so", b"bad"]).words           # doctest: +SKIP
    ('so',)
    """
    if tokenizer not in TOKENIZERS:
        raise DataError(
            f"Unknown tokenizer {tokenizer!r}.{did_you_mean(tokenizer, TOKENIZERS)} "
            f"Known: {', '.join(TOKENIZERS)}."
        )
    if minimum_count < 1:
        raise DataError(f"minimum_count must be at least 1; received {minimum_count}.")
    from bnkeras.pipelines import tokenizers

    words_of = {
        "papers": tokenizers.papers,
        "unicode_script": tokenizers.unicode_script,
        "wordpiece": tokenizers.whole_words,
    }
    counts = _count(words_of[tokenizer], texts)
    frequent = {word: count for word, count in counts.items() if count >= minimum_count}
    if not frequent:
        raise DataError(
            f"No word occurs {minimum_count} times in these {len(texts):,} texts, so there is "
            f"no vocabulary. Give more texts or a lower minimum_count."
        )
    words = sorted(frequent)
    if tokenizer == "wordpiece":
        words = _learn_pieces(frequent)
        counts = _count(tokenizers.word_pieces(_table(words)), texts)
    return Vocabulary(
        tokenizer=tokenizer,
        minimum_count=minimum_count,
        words=tuple(word.decode() for word in words),
        counts=tuple(counts[word] for word in words),
    )


def _count(tokenizer: "Tokenizer", texts: Sequence[bytes]) -> Counter[bytes]:
    from bnkeras.pipelines.tokenizers import in_chunks

    counts: Counter[bytes] = Counter()
    for tokens in in_chunks(tokenizer, texts):
        counts.update(tokens.flat_values.numpy().tolist())
    return counts


def _learn_pieces(counts: dict[bytes, int]) -> list[bytes]:
    from tensorflow_text.tools.wordpiece_vocab import wordpiece_tokenizer_learner_lib as learner

    words = [(word.decode(), count) for word, count in sorted(counts.items())]
    return [piece.encode() for piece in learner.learn(words, PIECES, reserved_tokens=[])]


def _table(words: list[bytes]) -> "tf.lookup.StaticHashTable":
    import tensorflow as tf

    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(words, tf.range(len(words), dtype=tf.int64)), -1
    )
