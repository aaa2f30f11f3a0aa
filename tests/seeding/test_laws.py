"""Laws as text: what is read, what it resolves to, and what is refused."""

import doctest
import math

import numpy as np
import pytest

from bnkeras.errors import InputError, SeedingError
from bnkeras.seeding import Law, laws, parse
from bnkeras.seeding.laws import Constant, Normal, Orthogonal, Sign, Uniform

FORMS = (
    "he_normal, he_uniform, binary, orthogonal(gain), normal(std), uniform(low, high), "
    "output_bias(fan_in), constant(value)"
)
SIZES = "with numbers that are 0 or between 1e-20 and 1e20 in size"


def f32(value):
    return float(np.float32(value))


def message(text):
    with pytest.raises(SeedingError) as caught:
        parse(text)
    assert isinstance(caught.value, InputError)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("he_normal", "he_normal"),
        ("he_normal()", "he_normal"),
        (" he_uniform ", "he_uniform"),
        ("binary", "binary"),
        ("orthogonal", "orthogonal"),
        ("orthogonal(1.5)", "orthogonal(1.5)"),
        ("normal(0.02)", "normal(0.02)"),
        ("uniform(0,1)", "uniform(0, 1)"),
        ("uniform ( -1.0 , 1e0 )", "uniform(-1, 1)"),
        ("uniform(-0.1, 0.3)", "uniform(-0.1, 0.3)"),
        ("output_bias(64)", "output_bias(64)"),
        ("constant(0)", "constant(0)"),
        ("constant(1e20)", "constant(100000000000000000000)"),
        ("constant(1e-20)", "constant(1e-20)"),
        ("constant(0.1)", "constant(0.1)"),
    ],
)
def test_round_trip(text, canonical):
    law = parse(text)
    assert str(law) == canonical
    assert parse(canonical) == law == parse(law)


def test_minus_zero_is_zero():
    # Its text could not tell the two apart, and they are different bits.
    law = parse("constant(-0.0)")
    assert math.copysign(1, law.resolve((1,)).value) == 1
    assert law == parse("constant(0)")


def test_draws():
    kernel = (3, 3, 16, 32)
    assert parse("he_normal").resolve(kernel) == Normal(f32(math.sqrt(2 / 144)))
    assert parse("binary").resolve(kernel) == Sign(f32(math.sqrt(2 / 144)))
    limit = f32(math.sqrt(6 / 144))
    assert parse("he_uniform").resolve(kernel) == Uniform(-limit, limit)
    assert parse("he_normal").resolve((3072, 1024)) == Normal(f32(math.sqrt(2 / 3072)))
    assert parse("normal(0.1)").resolve((5,)) == Normal(f32(0.1))
    assert parse("uniform(-0.1, 2)").resolve(()) == Uniform(f32(-0.1), 2.0)
    assert parse("output_bias(64)").resolve((10,)) == Uniform(-0.125, 0.125)
    assert parse("constant(0.1)").resolve((2,)) == Constant(f32(0.1))
    assert parse("orthogonal").resolve(kernel) == Orthogonal(1.0)
    assert parse("orthogonal(0.1)").resolve(kernel) == Orthogonal(f32(0.1))


def test_only_orthogonal_is_not_reproducible():
    texts = ["he_normal", "he_uniform", "binary", "normal(1)", "uniform(0, 1)"]
    texts += ["output_bias(1)", "constant(1)"]
    assert all(parse(text).reproducible for text in texts)
    assert not parse("orthogonal").reproducible
    assert set(laws._LAWS) == {parse(text).name for text in [*texts, "orthogonal"]}


@pytest.mark.parametrize(
    "text", ["", "uniform(0, 1", "he normal", "normal((1))", None, 3, ["binary"]]
)
def test_what_is_no_law(text):
    assert message(text) == f"An initialisation is a law such as {FORMS}; received {text!r}."


def test_a_name_that_does_not_exist():
    assert message("he_norml") == (
        f"No initialisation law 'he_norml': choose {FORMS}. Did you mean 'he_normal'?"
    )
    assert message("xyz(1)") == f"No initialisation law 'xyz': choose {FORMS}."


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("uniform(0)", "uniform(low, high)"),
        ("uniform(0, 1, 2)", "uniform(low, high)"),
        ("uniform(0, 1,)", "uniform(low, high)"),
        ("uniform", "uniform(low, high)"),
        ("constant(one)", "constant(value)"),
        ("constant(nan)", "constant(value)"),
        ("constant(inf)", "constant(value)"),
        ("constant(1e39)", "constant(value)"),
        ("normal(1e-30)", "normal(std)"),
        ("orthogonal(1, 2)", "orthogonal(gain)"),
    ],
)
def test_numbers_that_do_not_fit(text, form):
    name = text.partition("(")[0]
    assert message(text) == f"The law {name!r} is written {form}, {SIZES}; received {text!r}."


def test_a_law_without_numbers_is_not_given_any():
    assert message("binary(2)") == ("The law 'binary' is written binary; received 'binary(2)'.")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("uniform(1, 1)", "uniform(low, high): low is below high in float32"),
        ("uniform(1, 0)", "uniform(low, high): low is below high in float32"),
        ("uniform(1, 1.00000000001)", "uniform(low, high): low is below high in float32"),
        ("normal(0)", "normal(std): the std is above 0"),
        ("normal(-1)", "normal(std): the std is above 0"),
        ("orthogonal(0)", "orthogonal(gain): the gain is above 0"),
        ("output_bias(0)", "output_bias(fan_in): fan_in is a whole number above 0"),
        ("output_bias(2.5)", "output_bias(fan_in): fan_in is a whole number above 0"),
    ],
)
def test_numbers_that_break_a_rule(text, fault):
    assert message(text) == f"{fault}; received {text!r}."


@pytest.mark.parametrize("law", ["he_normal", "he_uniform", "binary"])
def test_fan_in_needs_a_kernel(law):
    with pytest.raises(SeedingError) as caught:
        parse(law).resolve((16,))
    assert str(caught.value) == (
        "A law that scales with fan-in needs a kernel of two or more axes; received the shape "
        "(16,). For a vector choose uniform(low, high) or constant(value)."
    )
    with pytest.raises(SeedingError, match=r"needs inputs; received \(0, 3\)\.$"):
        parse(law).resolve((0, 3))


def test_a_law_is_a_value():
    assert Law("uniform", (0.0, 1.0)) == parse("uniform(0, 1)")
    assert len({parse("binary"), parse(" binary"), Law("binary")}) == 1


def test_examples():
    assert doctest.testmod(laws).failed == 0
