"""What stands before a network of texts: raw strings in, word ids out."""

import shutil
import tempfile
import weakref
from pathlib import Path

import tensorflow as tf

from bnkeras.pipelines import tokenizers
from bnkeras.pipelines.vocabulary import FIRST_WORD, PADDING, UNKNOWN, Vocabulary


class TextFront(tf.Module):
    """Turns raw texts into the word ids that a network takes.

    The words lie in a file that becomes an asset of a SavedModel, so that the graph
    stays small. With the tokenizer `papers` any TensorFlow loads that SavedModel; with the
    others, Python must `import tensorflow_text` before.

    Args:
        vocabulary: the words and how texts are split into them.

    Attributes:
        vocabulary: the same.
        spec: what the front takes: `text`, strings [batch].

    Raises:
        MissingDependencyError: the tokenizer needs tensorflow-text.

    >>> front = TextFront(build_vocabulary([b"so so good good"]))        # doctest: +SKIP
    >>> front(tf.constant(["so good", "bad", ""])).numpy()              # doctest: +SKIP
    array([[3, 2],
           [1, 0],
           [1, 0]], dtype=int32)
    """

    spec = tf.TensorSpec([None], tf.string, name="text")

    def __init__(self, vocabulary: Vocabulary):
        super().__init__(name="text_front")
        self.vocabulary = vocabulary
        folder = Path(tempfile.mkdtemp(prefix="bnkeras-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        file = folder / "vocabulary.txt"
        file.write_bytes("".join(f"{word}\n" for word in vocabulary.words).encode())
        self._table = tf.lookup.StaticHashTable(
            _WordFile(file, vocabulary.sha256), default_value=UNKNOWN
        )
        self._tokenize = {
            "papers": lambda: tokenizers.papers,
            "unicode_script": lambda: tokenizers.unicode_script,
            "wordpiece": lambda: tokenizers.word_pieces(self._table),
        }[vocabulary.tokenizer]()

    def ids(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the word ids of each of `texts`, strings [n], as int32 [n, None].

        A text without a word gets the id of an unknown one, so that no sequence is empty.
        """
        words = self._tokenize(texts)
        ids = words.with_flat_values(tf.cast(self._table.lookup(words.flat_values), tf.int32))
        empty = tf.cast(ids.row_lengths() == 0, tf.int64)
        filler = tf.RaggedTensor.from_row_lengths(
            tf.fill([tf.reduce_sum(empty)], UNKNOWN), empty, validate=False
        )
        return tf.concat([ids, filler], axis=1)

    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Return the word ids of each text, int32 [n, longest], padded at the right with 0."""
        return self.ids(texts).to_tensor(PADDING)


class _WordFile(tf.lookup.TextFileInitializer):
    """Fills a table from a file with one word in a line; the ids go on from `FIRST_WORD`.

    A table is shared by all that have the same name. By default that is made of the
    path, which here is a temporary one that would be written into exports; so it is made
    of the vocabulary.
    """

    def __init__(self, file: Path, sha256: str):
        super().__init__(
            str(file),
            key_dtype=tf.string,
            key_index=tf.lookup.TextFileIndex.WHOLE_LINE,
            value_dtype=tf.int64,
            value_index=tf.lookup.TextFileIndex.LINE_NUMBER,
            value_index_offset=FIRST_WORD,
        )
        self._sha256 = sha256

    @property
    def _shared_name(self) -> str:
        return f"bnkeras/vocabulary/{self._sha256}"
