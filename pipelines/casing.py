"""Python's `str.lower` as tables and a pattern, for a graph that must agree with it.

`tf.strings.lower(x, "utf-8")` does not: it ends at the first NUL, follows the locale of the
process (under a Turkish one, `I` becomes `ı`), and knows another version of Unicode (40
capital letters stay as they are beside Python 3.11).
"""

from collections.abc import Iterator
from functools import cache

import numpy as np

# İ is the one letter whose lower case is two code points: i and a combining dot.
DOTTED_CAPITAL_I, DOTTED_I = "\u0130", "i\u0307"


@cache
def lower_case_table() -> tuple[np.ndarray, np.ndarray]:
    """Return the code points that have a lower case of one code point, and these, int32.

    The first array is ascending. Σ maps to σ; see `final_sigma_pattern`.

    >>> upper, lower = lower_case_table()
    >>> chr(lower[upper.searchsorted(ord("É"))])
    'é'
    """
    pairs = [
        (point, ord(letter.lower()))
        for point, letter in _letters()
        if letter.lower() != letter and letter != DOTTED_CAPITAL_I
    ]
    upper, lower = np.array(pairs, np.int32).T
    return upper, lower


@cache
def final_sigma_pattern() -> str:
    r"""Return the RE2 pattern of a Σ at the end of a word; replace it with `\1ς\2\3`.

    Such a Σ comes after a cased letter and before none, where case-ignorable characters
    (accents, the apostrophe) in between don't count. Its lower case is ς, of any other
    Σ it is σ. RE2 looks neither behind nor ahead, so the pattern takes in the neighbours;
    what it takes in after the Σ can't be the letter before another one.

    Source: The Unicode Standard, section 3.13, `Final_Sigma`.
    """
    # What is cased or ignorable is asked of `str.lower` itself, which is to be matched.
    cased, ignorable = [], []
    for point, letter in _letters():
        if f"{letter}Σ".lower().endswith("ς"):
            cased.append(point)
        elif f"A{letter}Σ".lower().endswith("ς"):
            ignorable.append(point)
    letters, between = _ranges(cased), _ranges(ignorable)
    return f"([{letters}][{between}]*)Σ([{between}]*)([^{letters}{between}]|$)"


def _letters() -> Iterator[tuple[int, str]]:
    """Yield every code point but the surrogates, which UTF-8 does not encode."""
    for point in range(0x110000):
        if not 0xD800 <= point <= 0xDFFF:
            yield point, chr(point)


def _ranges(points: list[int]) -> str:
    r"""Return ascending code points as the inside of a character class: `\x{41}-\x{5a}…`."""
    array = np.array(points)
    breaks = np.flatnonzero(np.diff(array) > 1)
    firsts, lasts = array[np.r_[0, breaks + 1]], array[np.r_[breaks, len(array) - 1]]
    return "".join(
        rf"\x{{{first:x}}}" if first == last else rf"\x{{{first:x}}}-\x{{{last:x}}}"
        for first, last in zip(firsts, lasts, strict=True)
    )
