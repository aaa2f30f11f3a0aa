"""What an export needs TensorFlow for: its graph."""

import keras

from bnkeras.errors import BackendError


def check_backend() -> None:
    """Raise BackendError unless Keras runs on TensorFlow."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise BackendError(
            f"To write an export or to run its graph, Keras has to run on TensorFlow; in this "
            f"process it runs on {backend!r}. Start it with KERAS_BACKEND=tensorflow; weights get "
            f"there by model.save_weights and load_weights. load_compact works on every backend, "
            f"and checks all but the graph."
        )
