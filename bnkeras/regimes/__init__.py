"""Which variables train: the papers' regimes by name, and rule tables of one's own.

Importing this package imports neither Keras nor TensorFlow.
"""

from bnkeras.regimes.names import REGIMES, check_regime
from bnkeras.regimes.setting import regime_of, set_regime

__all__ = ["REGIMES", "check_regime", "regime_of", "set_regime"]
