"""Starting TensorFlow without its start-up messages."""

import os
import sys
import tempfile

from bnkeras.errors import MissingDependencyError


def start_tensorflow() -> None:
    """Import TensorFlow and find its devices in silence; on an error, show what was held back.

    TensorFlow 2.21 writes half a dozen lines about its build and about absent GPUs
    to file descriptor 2 before any setting of its log level is read.
    """
    # Even its errors: what matters is raised, and the others are of its own graph rewriting
    # ("NodeDef mentions attribute use_unbounded_threadpool …").
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            import tensorflow as tf

            for gpu in tf.config.list_physical_devices("GPU"):
                # Not all of its memory at once: others, such as the quickstart's fresh
                # process, may want some.
                tf.config.experimental.set_memory_growth(gpu, True)
            # From here on its Python side speaks of deprecations, too.
            tf.get_logger().setLevel("ERROR")
        except Exception as error:
            if isinstance(error, ModuleNotFoundError) and error.name == "tensorflow":
                raise MissingDependencyError(
                    "This command needs TensorFlow, and none is installed: pip install tensorflow. "
                    "`bnkeras compact inspect` works without it, and `bnkeras compact expand` with "
                    "KERAS_BACKEND=jax."
                ) from error
            held_back.seek(0)
            os.write(stderr, held_back.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
