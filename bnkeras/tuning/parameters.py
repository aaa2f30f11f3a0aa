"""A search space as Keras Tuner's hyperparameters, and their values as settings of a recipe."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras_tuner

from bnkeras.tuning.checking import condition, has_x, with_x
from bnkeras.tuning.definition import Choice, Document, Law, Parameter, Range

# A rate of 0.0417 does what one of 0.041698271 does, and can be read.
_DIGITS = 3


def settings_of(space: Document, hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    """Ask `hp` for everything that is searched, and return the values by setting.

    Numbers are rounded to three digits. What is searched only `when` something else has a
    certain value is left out where it has not.

    Args:
        space: the search space.
        hp: hyperparameters; what they lack is declared in them.

    Example:
        >>> settings_of(load_space("initialisation"), keras_tuner.HyperParameters())
        {'model.features': 'he_normal', 'model.gamma': 'constant(0.5)', 'model.beta': 'constant(0)'}
    """
    values = {}
    for parameter in space.parameters:
        with _scope(parameter, hp):
            value = _value(parameter, hp)
        if value is not None:
            values[parameter.setting] = value
    return values


def declared(space: Document) -> keras_tuner.HyperParameters:
    """Return the hyperparameters of a space, at their first values."""
    hp = keras_tuner.HyperParameters()
    settings_of(space, hp)
    return hp


def _scope(parameter: Parameter, hp: keras_tuner.HyperParameters) -> AbstractContextManager[object]:
    if parameter.when is None:
        return nullcontext()
    setting, value = condition(parameter.when)
    return hp.conditional_scope(setting, [value])


def _value(parameter: Parameter, hp: keras_tuner.HyperParameters) -> Any:
    # Keras Tuner drops the value of a name that is inactive anywhere: one name for each `when`.
    name = parameter.setting + (f", {parameter.when}" if parameter.when else "")
    match parameter:
        case Choice():
            value = hp.Choice(name, list(parameter.values))
            # Keras Tuner makes 0 and 1 of booleans.
            return None if value is None else type(parameter.values[0])(value)
        case Range():
            return _number(hp, name, parameter)
        case Law():
            law = hp.Choice(name, list(parameter.laws))
            with hp.conditional_scope(name, [*filter(has_x, parameter.laws)]):
                x = _number(hp, f"{name}, x", parameter)
            return law if law is None or x is None else with_x(law, x)


def _number(hp: keras_tuner.HyperParameters, name: str, bounds: Range | Law) -> float | None:
    if bounds.low is None or bounds.high is None:
        return None
    value = hp.Float(name, bounds.low, bounds.high, sampling=bounds.scale)
    return None if value is None else float(f"{value:.{_DIGITS}g}")
