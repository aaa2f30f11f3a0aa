"""The Keras initializer over the generator."""

import keras
import numpy as np
import pytest

from bnkeras.errors import SeedingError
from bnkeras.seeding import Law, parse, reference
from bnkeras.seeding.initializer import Seeded, expecting


def test_values_are_those_of_the_reference():
    drawn = Seeded("he_normal", 7, "stem_conv/kernel")((3, 3, 3, 16))
    assert keras.backend.standardize_dtype(drawn.dtype) == "float32"
    np.testing.assert_array_equal(
        drawn, reference.values("he_normal", 7, "stem_conv/kernel", (3, 3, 3, 16))
    )


def test_other_types_are_rounded_from_float32():
    drawn = Seeded("uniform(0, 1)", 7, "gamma")((33,), dtype="bfloat16")
    assert keras.backend.standardize_dtype(drawn.dtype) == "bfloat16"
    expected = keras.ops.cast(reference.values("uniform(0, 1)", 7, "gamma", (33,)), "bfloat16")
    assert bool(keras.ops.all(drawn == expected))


def test_two_calls_give_the_same():
    initializer = Seeded("he_normal", 7, "a")
    np.testing.assert_array_equal(initializer((4, 5)), initializer((4, 5)))
    np.testing.assert_array_equal(initializer((4, 5)), initializer.clone()((4, 5)))


def test_the_global_seed_has_no_part_in_it():
    before = np.array(Seeded("he_normal", 7, "a")((4, 5)))
    keras.utils.set_random_seed(99)
    np.testing.assert_array_equal(before, Seeded("he_normal", 7, "a")((4, 5)))


@pytest.mark.parametrize("seed", [0, 2**64 - 1, np.uint64(5)])
def test_serialisation(seed):
    initializer = Seeded(Law("uniform", (-0.1, 1.0)), seed, "Größe/γ")
    assert initializer.get_config() == {
        "law": "uniform(-0.1, 1)",
        "seed": int(seed),
        "path": "Größe/γ",
    }
    config = keras.saving.serialize_keras_object(initializer)
    assert config["registered_name"] == "bnkeras>Seeded"
    again = keras.saving.deserialize_keras_object(config)
    assert isinstance(again, Seeded)
    assert (again.law, again.seed, again.path) == (initializer.law, int(seed), "Größe/γ")


# Keras itself, when it reads a variable for saving.
def test_in_a_saved_model(tmp_path):
    initializer = Seeded("he_normal", 7, "conv/kernel")
    layer = keras.layers.Conv2D(4, 3, kernel_initializer=initializer, name="conv")
    model = keras.Sequential([keras.Input((8, 8, 3)), layer])
    np.testing.assert_array_equal(
        layer.kernel, reference.values("he_normal", 7, "conv/kernel", (3, 3, 3, 4))
    )
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").get_layer("conv")
    assert again.kernel_initializer.get_config() == initializer.get_config()
    np.testing.assert_array_equal(again.kernel, layer.kernel)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("he_norml", 7, "a"), "he_norml"),
        (("he_normal", -1, "a"), "-1"),
        (("he_normal", 7, ""), "''"),
    ],
)
def test_invalid_arguments_fail_when_it_is_made(arguments, named):
    with pytest.raises(SeedingError, match=named):
        Seeded(*arguments)


def test_the_law_is_kept():
    assert Seeded(" uniform(0,1)", 7, "a").law == parse("uniform(0, 1)")


def test_expecting():
    """Within `expecting`, no variable of another path or shape is made."""
    with expecting({"a": (2, 3)}):
        assert Seeded("he_normal", 7, "a")((2, 3)).shape == (2, 3)
        with pytest.raises(SeedingError, match=r"'a' of shape \(3, 2\).*expected shape: \(2, 3\)"):
            Seeded("he_normal", 7, "a")((3, 2))
        with pytest.raises(SeedingError, match=r"'b' .*expected shape: none"):
            Seeded("he_normal", 7, "b")((2, 3))
    assert Seeded("he_normal", 7, "b")((3, 2)).shape == (3, 2)
