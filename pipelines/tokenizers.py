"""From texts to tokens, inside the graph."""

from collections.abc import Callable, Iterator, Sequence
from types import ModuleType

import tensorflow as tf

from bnkeras.errors import MissingDependencyError
from bnkeras.pipelines.casing import (
    DOTTED_CAPITAL_I,
    DOTTED_I,
    final_sigma_pattern,
    lower_case_table,
)

# From strings [n] to the tokens of each, strings [n, None].
Tokenizer = Callable[[tf.Tensor], tf.RaggedTensor]

# What the papers' rule puts a space in place of, and what is whitespace to Python and not to
# `tf.strings.split`.
_SEPARATORS = (
    r"[.,!?'()=\x{1c}-\x{1f}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}"
    r"\x{205f}\x{3000}]"
)
_CHUNK = 8192


def papers(texts: tf.Tensor) -> tf.RaggedTensor:
    r"""Split texts into words as Torri (2022) does.

    Equal to `re.sub("[.,!?'()=]", " ", text).lower().split()` for every text, that of
    bytes which are no UTF-8 included: they count as `text.decode("utf-8", "replace")`.
    Only core operations of TensorFlow are used, so that a SavedModel loads everywhere.

    Args:
        texts: UTF-8, strings [n].

    Returns:
        The words, strings [n, None].

    Source: Torri (2022), https://github.com/Alessandro1999/BatchNormOnly.

    >>> papers(tf.constant(["It's GOOD (really)!", ""])).to_list()
    [[b'it', b's', b'good', b'really'], []]
    """
    texts = tf.strings.regex_replace(texts, _SEPARATORS, " ")
    texts = tf.strings.lower(texts)  # of ASCII alone
    # Few texts have other characters, and those take longer.
    rows = tf.where(~tf.strings.regex_full_match(texts, r"[\x00-\x7f]*"))
    texts = tf.tensor_scatter_nd_update(texts, rows, _lower_case(tf.gather_nd(texts, rows)))
    return tf.strings.split(texts)


def _lower_case(texts: tf.Tensor) -> tf.Tensor:
    """Return Python's `str.lower` of each text."""
    upper, lower = lower_case_table()
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
    texts = tf.strings.regex_replace(texts, DOTTED_CAPITAL_I, DOTTED_I)
    texts = tf.strings.regex_replace(texts, final_sigma_pattern(), r"\1ς\2\3")
    points = tf.strings.unicode_decode(texts, "UTF-8")
    flat = points.flat_values
    place = tf.minimum(tf.searchsorted(upper, flat), len(upper) - 1)
    flat = tf.where(tf.gather(upper, place) == flat, tf.gather(lower, place), flat)
    return tf.strings.unicode_encode(points.with_flat_values(flat), "UTF-8")


def unicode_script(texts: tf.Tensor) -> tf.RaggedTensor:
    """Split texts where the script changes and at whitespace, with tensorflow-text.

    Digits and punctuation together are a script of their own, so that `it's` becomes
    three tokens and `2:30!` one. Before that, texts are case-folded and normalised to
    NFKC: `Straße ﬁn` becomes `strasse fin`.

    Args:
        texts: UTF-8, strings [n].

    Returns:
        The tokens, strings [n, None].

    Raises:
        MissingDependencyError: tensorflow-text is not installed.
    """
    text = _tensorflow_text("unicode_script")
    # Without `keep_whitespace` it takes the whitespace out of `1 2` and returns `12`.
    splitter = text.UnicodeScriptTokenizer(keep_whitespace=True)
    tokens = splitter.tokenize(text.case_fold_utf8(texts))
    space = tf.strings.regex_full_match(tokens.flat_values, r"[\s\v\x{85}\p{Z}]*")
    return tf.ragged.boolean_mask(tokens, tokens.with_flat_values(~space))


def whole_words(texts: tf.Tensor) -> tf.RaggedTensor:
    """Split texts into the words that `word_pieces` cuts up, as BERT does.

    Texts are case-folded (NFKC), decomposed (NFD) and stripped of accents; a word ends at
    whitespace, and punctuation and Chinese characters stand alone.

    Raises:
        MissingDependencyError: tensorflow-text is not installed.
    """
    _tensorflow_text("wordpiece")
    # Its learner takes it from here too; it is no public name.
    from tensorflow_text.python.ops.bert_tokenizer import BasicTokenizer

    return BasicTokenizer(lower_case=True).tokenize(texts)


def word_pieces(table: tf.lookup.StaticHashTable) -> Tokenizer:
    """Return the tokenizer into WordPiece's pieces, of which `table` has the known ones.

    From the start of a word (see `whole_words`) the longest known piece is cut off, again
    and again; `##` begins every piece but the first. A word that can't be cut up so
    becomes `[UNK]`.

    Raises:
        MissingDependencyError: tensorflow-text is not installed.

    Source: Schuster and Nakajima (2012); Devlin et al. (2019).
    """
    text = _tensorflow_text("wordpiece")
    pieces = text.WordpieceTokenizer(table, token_out_type=tf.string)
    return lambda texts: pieces.tokenize(whole_words(texts)).merge_dims(-2, -1)


def in_chunks(
    function: Callable[[tf.Tensor], tf.RaggedTensor], texts: Sequence[bytes]
) -> Iterator[tf.RaggedTensor]:
    """Yield `function` of a few thousand texts at a time, in their order, on all cores."""
    # As a tensor of the host, the function refers to it. An array would be written into
    # the graph as a constant.
    with tf.device("CPU:0"):
        texts = tf.constant(texts, tf.string)

    @tf.autograph.experimental.do_not_convert
    def chunk(start: tf.Tensor) -> tf.RaggedTensor:
        return function(texts[start : start + _CHUNK])

    yield from tf.data.Dataset.range(0, len(texts), _CHUNK).map(
        chunk, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )


def _tensorflow_text(tokenizer: str) -> ModuleType:
    """Return the package `tensorflow_text`.

    Raises:
        MissingDependencyError: it cannot be imported; `tokenizer` needs it.
    """
    try:
        import tensorflow_text
    # The latter when it was built for another TensorFlow.
    except (ImportError, tf.errors.NotFoundError) as error:
        raise MissingDependencyError(
            f"The tokenizer {tokenizer!r} needs tensorflow-text, which can't be imported "
            f"({error}):\n  pip install 'bnkeras[text]'\nIt has wheels for Linux on x86-64 and "
            f"for macOS on ARM; exports with this tokenizer load only after `import "
            f"tensorflow_text`. The tokenizer 'papers' needs neither."
        ) from error
    return tensorflow_text
