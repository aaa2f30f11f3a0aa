"""Optimizer updates by TensorFlow's kernels, one pass over a variable and its slots.

What Keras' optimizers compute takes a dozen operations on a variable, each of which reads
and writes all of it: for the four million values of a perceptron that is two thirds of a
training step.
"""

import keras


def fits(gradient, variable) -> bool:
    """Whether the kernels below take `gradient` and `variable`.

    They do on TensorFlow, of data type float32. XLA has its own fusion, and compiles them too.
    """
    return keras.backend.backend() == "tensorflow" and all(
        keras.backend.standardize_dtype(each.dtype) == "float32" for each in (gradient, variable)
    )


def momentum(variable, slot, gradient, learning_rate, factor: float) -> None:
    """Update `variable` and its running sum.

        slot ← factor · slot + gradient
        variable ← variable − learning_rate · slot

    Args:
        variable: a `tf.Variable` of one device, float32.
        slot: a Keras variable of its shape.
        gradient: a dense tensor of its shape.
        learning_rate: float32 scalar.
        factor: the momentum.

    Source: Frankle et al. 2021, appendix B, with PyTorch's form of momentum.
    """
    import tensorflow as tf

    tf.raw_ops.ResourceApplyMomentum(
        var=_handle(variable),
        accum=_handle(slot),
        lr=tf.cast(learning_rate, tf.float32),
        grad=gradient,
        momentum=tf.cast(factor, tf.float32),
    )


def adam(variable, moments, gradient, learning_rate, betas, epsilon: float, step) -> None:
    """Update `variable` and its two moments.

        m ← m + (1 − β₁) · (g − m)
        v ← v + (1 − β₂) · (g² − v)
        variable ← variable − rate · √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + ε)

    Args:
        variable: a `tf.Variable` of one device, float32.
        moments: m and v, Keras variables of its shape.
        gradient: g, a dense tensor of its shape.
        learning_rate: the rate, float32 scalar.
        betas: β₁ and β₂.
        epsilon: ε.
        step: t, the number of this update, from 1 on.

    Source: Kingma and Ba 2015, section 2, the second form.
    """
    import tensorflow as tf

    first, second = (tf.constant(beta, tf.float32) for beta in betas)
    count = tf.cast(step, tf.float32)
    tf.raw_ops.ResourceApplyAdam(
        var=_handle(variable),
        m=_handle(moments[0]),
        v=_handle(moments[1]),
        beta1_power=tf.pow(first, count),
        beta2_power=tf.pow(second, count),
        lr=tf.cast(learning_rate, tf.float32),
        beta1=first,
        beta2=second,
        epsilon=tf.constant(epsilon, tf.float32),
        grad=gradient,
    )


def _handle(variable):
    """Return the resource behind a variable of Keras or TensorFlow, on the current replica."""
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle
