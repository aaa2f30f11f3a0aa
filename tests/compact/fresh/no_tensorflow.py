"""Import this first, and TensorFlow cannot be found, as where it is not installed.

With None in `sys.modules` an import fails too, but Keras looks there for whether it is in use.
"""

import sys
from importlib.machinery import PathFinder


class WithoutTensorFlow(PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname.partition(".")[0] == "tensorflow":
            return None
        return super().find_spec(fullname, path, target)


sys.meta_path[:] = [WithoutTensorFlow if f is PathFinder else f for f in sys.meta_path]
