"""What the tests of regimes share: a small network of every builder, and data to learn."""

import keras
import numpy as np
import pytest

import bnkeras
from bnkeras.training.optimizers import SGD

SMALL = {
    "resnet_cifar": {"depth": 8, "width": 0.25, "input_shape": (12, 12, 3), "classes": 4},
    "resnet_imagenet": {"depth": 18, "width": 1 / 8, "input_shape": (24, 24, 3), "classes": 4},
    "vgg_cifar": {"depth": 11, "width": 1 / 16, "classes": 4},
    "mlp": {"hidden": (24, 16), "input_shape": (12, 12, 3), "classes": 4},
    "tweet_lstm": {"vocabulary_size": 40, "embedding": 7, "units": 5, "classes": 4},
}


@pytest.fixture(scope="session")
def network():
    """Build the small network of a builder, from the seed 7."""

    def _network(name="resnet_cifar", regime=None, **arguments):
        model = bnkeras.build(name, **({"seed": 7} | SMALL[name] | arguments))
        return model if regime is None else bnkeras.set_regime(model, regime)

    return _network


@pytest.fixture(scope="session")
def examples():
    """Make examples of four classes for a network: images of colour and place, or texts."""

    def _examples(model, count=32):
        random = np.random.default_rng(0)
        y = np.arange(count) % 4
        if len(model.input_shape) == 2:
            x = random.integers(2, 40, (count, 9)).astype(np.int32)
            x[:, 0] = 2 + y
            for row, length in zip(x, random.integers(3, 10, count), strict=True):
                row[length:] = 0
            return x, y
        size = model.input_shape[1]
        x = random.normal(0, 0.5, (count, size, size, 3)).astype(np.float32)
        half = size // 2
        for image, label in zip(x, y, strict=True):
            top, left = (half * part for part in divmod(label, 2))
            image[top : top + half, left : left + half, label % 3] += 2
        return x, y

    return _examples


@pytest.fixture(scope="session")
def compiled():
    """Compile a model, with the papers' optimizer if no other is given."""

    def _compiled(model, optimizer=None):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer or SGD(0.1, momentum=0.9, l2=1e-4), loss)
        return model

    return _compiled


@pytest.fixture(scope="session")
def values():
    """Read all variables of a model, by their paths."""
    return lambda model: {variable.path: np.array(variable) for variable in model.variables}


@pytest.fixture(scope="session")
def changed():
    """Tell which variables of a model have other bits than they had."""

    def _changed(before, model):
        return {
            variable.path
            for variable in model.variables
            if before[variable.path].tobytes() != np.array(variable).tobytes()
        }

    return _changed


@pytest.fixture(scope="session")
def refusal():
    """Return the message of the RegimeError that a regime meets, which changes nothing."""
    from bnkeras.errors import InputError, RegimeError

    def _state(model):
        layers = [type(layer) for layer in model._flatten_layers()]
        return layers, [(id(variable), variable.trainable) for variable in model.variables]

    def _refusal(model, regime):
        before = _state(model)
        with pytest.raises(RegimeError) as caught:
            bnkeras.set_regime(model, regime)
        assert isinstance(caught.value, InputError)
        assert _state(model) == before
        return str(caught.value)

    return _refusal
