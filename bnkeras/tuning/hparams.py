"""The trials of a search on TensorBoard's HPARAMS page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorboard.plugins.hparams import api


class HParams(keras.callbacks.Callback):
    """Writes the settings of a trial beside the curves of its run, when it begins to train.

    Args:
        run: the run directory.
        name: of the trial.
        values: what is searched, by setting.
    """

    def __init__(self, run: Path, name: str, values: Mapping[str, Any]):
        super().__init__()
        self._logs = run / "tensorboard"
        self._name = name
        self._values = dict(values)

    def on_train_begin(self, logs=None):
        """Write them."""
        with tf.summary.create_file_writer(str(self._logs)).as_default():
            api.hparams(self._values, trial_id=self._name)


def write_experiment(folder: Path, settings: Mapping[str, list[Any]]) -> None:
    """Write which settings a search has and what judges it, for the whole HPARAMS page.

    Args:
        folder: of the search, which TensorBoard is started with.
        settings: the values to offer as a filter, by setting; none for numbers.
    """
    parameters = [
        api.HParam(setting, api.Discrete(values) if values else None)
        for setting, values in settings.items()
    ]
    metrics = [
        api.Metric("epoch_accuracy", group="validation", display_name="validation accuracy"),
        api.Metric("epoch_accuracy", group="train", display_name="training accuracy"),
    ]
    with tf.summary.create_file_writer(str(folder)).as_default():
        api.hparams_config(parameters, metrics)
