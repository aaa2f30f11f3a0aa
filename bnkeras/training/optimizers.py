"""The papers' optimizers: L2 added to the gradient, inside the optimizer step."""

import keras
from keras import ops

from bnkeras.training.updates import adam, fits, momentum


@keras.saving.register_keras_serializable(package="bnkeras")
class SGD(keras.optimizers.Optimizer):
    """Momentum SGD with coupled L2, as PyTorch computes it:

        g ← ∂loss/∂w + l2 · w
        m ← momentum · m + g
        w ← w − learning_rate · m

    Two things differ from `keras.optimizers.SGD`. Its `weight_decay` is decoupled
    and bypasses the momentum. And its momentum accumulates learning_rate · g, so
    that a drop of the learning rate reaches the running momentum only over the
    next steps; here it scales the whole update at once.

    Args:
        learning_rate: a float or a `keras.optimizers.schedules.LearningRateSchedule`.
        momentum: factor on the running sum, 0 ≤ momentum < 1.
        l2: factor on the weight added to its gradient, γ and β included.
        name: name of the optimizer.
        **kwargs: passed to `keras.optimizers.Optimizer`.

    Source: Frankle et al. 2021, appendix B (SGD, momentum 0.9, weight decay 1e-4).

    Example:
        >>> model.compile(SGD(0.1, momentum=0.9, l2=1e-4), "sparse_categorical_crossentropy")
    """

    def __init__(self, learning_rate=0.1, momentum=0.9, l2=0.0, name="sgd", **kwargs):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.momentum = momentum
        self.l2 = l2

    def build(self, variables):
        """Create one momentum slot per variable."""
        if self.built:
            return
        super().build(variables)
        self.momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable."""
        gradient = _add_l2(gradient, variable, self.l2)
        slot = self.momentums[self._get_variable_index(variable)]
        if fits(gradient, variable):
            momentum(variable, slot, gradient, learning_rate, self.momentum)
            return
        update = ops.cast(self.momentum, variable.dtype) * slot + gradient
        self.assign(slot, update)
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * update)

    def get_config(self):
        """Return the arguments of the constructor."""
        return super().get_config() | {"momentum": self.momentum, "l2": self.l2}


@keras.saving.register_keras_serializable(package="bnkeras")
class Adam(keras.optimizers.Adam):
    """Keras' Adam with coupled L2: l2 · w is added to the gradient before the moments.

    On TensorFlow its kernel computes the update, in a pass over each variable; it differs
    from Keras' computation by rounding (1 − β₂ in float32).

    Sparse gradients are made dense first, as the moments are; see `_add_l2`.

    Args:
        learning_rate: a float or a schedule.
        l2: factor on the weight added to its gradient.
        **kwargs: passed to `keras.optimizers.Adam`.
    """

    def __init__(self, learning_rate=0.001, l2=0.0, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.l2 = l2

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable."""
        gradient = _add_l2(gradient, variable, self.l2)
        if self.amsgrad or not fits(gradient, variable):
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        moments = self._momentums[index], self._velocities[index]
        betas = self.beta_1, self.beta_2
        adam(variable, moments, gradient, learning_rate, betas, self.epsilon, self.iterations + 1)

    def get_config(self):
        """Return the arguments of the constructor."""
        return super().get_config() | {"l2": self.l2}


def _add_l2(gradient, variable, l2: float):
    # The gradient of an embedding comes in slices, several for a word that is repeated.
    # Keras' Adam squares them one by one; the conversion sums them into one dense gradient.
    dense = ops.convert_to_tensor(gradient)
    return dense + ops.cast(l2, variable.dtype) * variable if l2 else dense
