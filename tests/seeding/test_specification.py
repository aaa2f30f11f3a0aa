"""A third implementation, in plain Python, written from docs/generator.md alone.

It must give the test vectors of that page, and the reference must give the same.
"""

import hashlib
import math
import re
import struct
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bnkeras.seeding import GENERATOR, GENERATOR_VERSION, reference, stream
from bnkeras.seeding.choices import choose

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "generator.md").read_text(encoding="utf-8")


def table(heading):
    """Return the rows of the first table under a heading, as lists of bare text."""
    section = PAGE.split(f"\n### {heading}\n")[-1].split("\n#")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert rows, heading
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows]


def hex_words(text):
    return [int(word, 16) for word in text.split()]


def f32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def philox(counter, key):
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p, q = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (
            (q >> 32) ^ c1 ^ k0,
            q % 2**32,
            (p >> 32) ^ c3 ^ k1,
            p % 2**32,
        )
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return [c0, c1, c2, c3]


def path_hash(path):
    digest = hashlib.sha256(b"bnkeras/1/" + path.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "little")


def word(seed, path, n, index=0):
    h = path_hash(path)
    counter = (n // 4, index, h % 2**32, h >> 32)
    return philox(counter, (seed % 2**32, seed >> 32))[n % 4]


@cache
def exact_quantiles():
    """Return Φ⁻¹((i + ½) / 65,536) by Newton's iteration on the error function."""
    lower, x = [], -4.4
    for i in range(32768):
        step = 1.0
        while abs(step) > 1e-13:
            excess = math.erfc(-x / math.sqrt(2)) / 2 - (i + 0.5) / 65536
            step = excess * math.sqrt(2 * math.pi) * math.exp(x * x / 2)
            x -= step
        lower.append(x)
    return lower + [-x for x in reversed(lower)]


@cache
def quantiles():
    return [round(x * 2**20) * 2.0**-20 for x in exact_quantiles()]


def half(seed, path, i):
    return (word(seed, path, i // 2) >> (16 * (i % 2))) & 0xFFFF


def draw_of(law, shape):
    """Return the draw of a law for a shape, and its numbers."""
    name, _, text = law.rstrip(")").partition("(")
    numbers = [float(number) for number in text.split(",")] if text else []
    n = math.prod(shape[:-1])
    match name:
        case "he_normal":
            return "Normal", f32(math.sqrt(2 / n))
        case "normal":
            return "Normal", f32(numbers[0])
        case "binary":
            return "Sign", f32(math.sqrt(2 / n))
        case "constant":
            return "Constant", f32(numbers[0])
        case "uniform":
            return "Uniform", f32(numbers[0]), f32(numbers[1])
        case "he_uniform":
            return "Uniform", -f32(math.sqrt(6 / n)), f32(math.sqrt(6 / n))
        case "output_bias":
            return "Uniform", -f32(1 / math.sqrt(numbers[0])), f32(1 / math.sqrt(numbers[0]))


def element(draw, seed, path, i):
    """Return element `i` of a variable."""
    match draw:
        case "Constant", value:
            return value
        case "Uniform", low, high:
            u = (word(seed, path, i) >> 8) * 2.0**-24
            return f32(low + f32(high - low) * u)
        case "Normal", std:
            return f32(quantiles()[half(seed, path, i)] * std)
        case "Sign", std:
            return std if half(seed, path, i) >= 32768 else -std


def choices(seed, path, count, size, units):
    """Return the numbers chosen for each unit."""
    if 2 * count > size:
        left_out = choices(seed, path, size - count, size, units)
        return [[i for i in range(size) if i not in unit] for unit in left_out]
    chosen, n = [[] for _ in range(units)], 0
    while any(len(unit) < count for unit in chosen):
        value, unit = word(seed, path, n), chosen[n % units]
        if value < 2**32 // size * size and value % size not in unit and len(unit) < count:
            unit.append(value % size)
        n += 1
    return chosen


def test_the_page_is_about_this_version():
    assert PAGE.startswith(f"# The generator of random weights, version {GENERATOR_VERSION}\n")
    assert f"`{GENERATOR}`, version {GENERATOR_VERSION}." in PAGE


@pytest.mark.parametrize(("counter", "key", "output"), table("Philox4x32-10"))
def test_philox(counter, key, output):
    counter, key, output = map(hex_words, (counter, key, output))
    assert philox(counter, key) == output
    low = np.array([counter[0] | counter[1] << 32], np.uint64)
    theirs = reference.philox(low, counter[2] | counter[3] << 32, key[0] | key[1] << 32)
    assert theirs.tolist() == [output]


@pytest.mark.parametrize(("seed", "path", "index", "h", "words"), table("Words"))
def test_words(seed, path, index, h, words):
    seed, index, words = int(seed), int(index), hex_words(words)
    assert path_hash(path) == int(h, 16) == stream(seed, path)[1]
    assert [word(seed, path, n, index) for n in range(len(words))] == words
    assert reference.words(seed, path, len(words), index).tolist() == words


@pytest.mark.parametrize(("law", "seed", "path", "shape", "first", "digest"), table("Values"))
def test_values(law, seed, path, shape, first, digest):
    seed, shape = int(seed), tuple(map(int, shape.split("×")))
    draw = draw_of(law, shape)
    mine = [element(draw, seed, path, i) for i in range(math.prod(shape))]
    packed = struct.pack(f"<{len(mine)}f", *mine)
    assert [w for (w,) in struct.iter_unpack("<I", packed)][:4] == hex_words(first)
    assert hashlib.sha256(packed).hexdigest() == digest
    theirs = reference.values(law, seed, path, shape)
    assert (theirs.dtype, theirs.shape) == (np.float32, shape)
    assert theirs.astype("<f4").tobytes() == packed


@pytest.mark.parametrize(("seed", "path", "count", "size", "units", "chosen"), table("Choices"))
def test_choices(seed, path, count, size, units, chosen):
    numbers = tuple(map(int, (count, size, units)))
    listed = [list(map(int, unit.split())) for unit in chosen.split(",")]
    assert choices(int(seed), path, *numbers) == listed
    assert choose(int(seed), path, *numbers).T.tolist() == listed


@pytest.mark.parametrize(
    ("law", "seed", "shape"),
    [
        ("he_normal", 2**64 - 1, (3, 3, 64, 65)),
        ("he_uniform", 2**32, (3072, 33)),
        ("binary", 7, (5, 5, 3, 1001)),
        ("uniform(-0.1, 0.3)", 0, (70_001,)),
        ("output_bias(100)", 1, (70_001,)),
    ],
)
def test_elements_anywhere_in_a_large_variable(law, seed, shape):
    theirs = reference.values(law, seed, "Größe/γ", shape).ravel()
    draw = draw_of(law, shape)
    chosen = [*range(0, theirs.size, 997), theirs.size - 1]
    mine = [element(draw, seed, "Größe/γ", i) for i in chosen]
    assert theirs[chosen].tolist() == mine


def test_words_far_into_a_stream():
    # The reference computes blocks in chunks of 2^14; these lie in the third one.
    far = reference.words(2**64 - 1, "far", 2**17 + 7, index=5)[2**17 :]
    assert far.tolist() == [word(2**64 - 1, "far", n, 5) for n in range(2**17, 2**17 + 7)]


def test_the_table_of_quantiles():
    mine = struct.pack("<65536f", *quantiles())
    (digest,) = re.findall(r"^    ([0-9a-f]{64})$", PAGE, re.MULTILINE)
    assert hashlib.sha256(mine).hexdigest() == digest
    assert reference.quantiles().astype("<f4").tobytes() == mine
    total = sum(i * int(q * 2**20) for i, q in enumerate(quantiles()))
    assert f"{total:,}" in PAGE
    assert f"−{-int(quantiles()[0] * 2**20):,} · 2^-20" in PAGE
    assert f"−{-int(quantiles()[1] * 2**20):,} · 2^-20" in PAGE


def test_no_entry_of_the_table_is_near_a_tie():
    margins = [abs(x * 2**20 - math.floor(x * 2**20) - 0.5) / 2**20 for x in exact_quantiles()]
    nearest = min(range(65536), key=margins.__getitem__)
    assert 1.8e-11 < margins[nearest] < 1.81e-11
    assert f"number {min(nearest, 65535 - nearest):,}, and its mirror image) is 1.8e-11" in PAGE


def test_the_table_as_described():
    entries = quantiles()
    assert all(low < high for low, high in pairwise(entries))
    assert all(q == -mirrored for q, mirrored in zip(entries, reversed(entries), strict=True))
    assert (entries[32767], entries[32768]) == (-20 / 2**20, 20 / 2**20)
    assert all(f32(q) == q and abs(q) < 2**3 for q in entries)
    std = math.sqrt(sum(q * q for q in entries) / 65536)
    assert (round(std, 5), round(entries[-1], 4)) == (0.99999, 4.3249)


def test_a_fused_product_and_sum_changes_nothing():
    # width · u has no more than 48 significant bits, so float64 holds it exactly.
    for low, high in [(-0.1, 0.3), (-1, 1), (1e-20, 1e20), (-1e-20, 3e-20), (0.1, 0.1000001)]:
        width = f32(f32(high) - f32(low))
        numerator, denominator = width.as_integer_ratio()
        for n in range(50):
            t = word(1, "fused", n) >> 8
            product = width * (t * 2.0**-24)
            top, bottom = product.as_integer_ratio()
            assert top * denominator * 2**24 == numerator * t * bottom
