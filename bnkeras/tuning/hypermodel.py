"""The networks of a search space, for any tuner of Keras Tuner's."""

import tempfile
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from bnkeras.recipe import Recipe
from bnkeras.training import Data
from bnkeras.training.batches import Batches
from bnkeras.training.run_directory import RunDirectory
from bnkeras.training.setup import compiled_model, open_batches
from bnkeras.tuning.parameters import settings_of
from bnkeras.tuning.request import Request


class HyperModel(keras_tuner.HyperModel):
    """A recipe whose settings lie in a search space.

    `build` makes the network of the recipe with what Keras Tuner has chosen, in its regime and
    compiled; `fit` trains it on the recipe's data and watches the held-out examples, unless a
    tuner is given other data. The metrics are `accuracy`, `cross_entropy` and, of the held-out
    examples, `val_accuracy`, `val_cross_entropy`.

    Args:
        request: recipe, space, and how long a trial trains.
        data_dir: where datasets lie; None for the default.
        data: datasets of your own, for a recipe with `data.dataset = "given"`.

    Raises:
        DataError: the dataset is not prepared; the message says how to. From `build` on.

    Example:
        >>> request = Request("digits_resnet14_bnonly", load_space("initialisation"), epochs=5)
        >>> tuner = keras_tuner.BayesianOptimization(
        ...     HyperModel(request), "val_accuracy", max_trials=30, directory="mine"
        ... )
        >>> tuner.search()
        >>> request.found(settings_of(request.space, tuner.get_best_hyperparameters()[0]))
    """

    def __init__(
        self,
        request: Request,
        *,
        data_dir: str | Path | None = None,
        data: Data | None = None,
    ):
        super().__init__(name=request.base.name)
        self.request = request
        self._data_dir = data_dir
        self._data = data
        self._batches: tuple[object, Batches] | None = None

    def recipe(self, hp: keras_tuner.HyperParameters) -> Recipe:
        """Return the recipe of a trial; what `hp` lacks is declared in it.

        Args:
            hp: hyperparameters of Keras Tuner. `tuner/epochs`, where Hyperband sets it, is how
                many epochs to train.
        """
        values = settings_of(self.request.space, hp)
        epochs = hp.values.get("tuner/epochs")
        return self.request.trial(values, epochs)

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        """Declare all of the space in `hp`."""
        settings_of(self.request.space, hp)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Return the compiled network of the trial with the hyperparameters `hp`."""
        recipe = self.recipe(hp)
        return compiled_model(recipe, self._batches_of(recipe))

    def fit(
        self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any
    ) -> keras.callbacks.History:
        """Train `model`, and return its history.

        Args:
            hp: the hyperparameters it was built with.
            model: what `build` returned.
            *args: data in place of the recipe's, as `keras.Model.fit` takes them.
            **kwargs: what else `keras.Model.fit` takes; `epochs` is the recipe's without it.
        """
        recipe = self.recipe(hp)
        kwargs.setdefault("epochs", recipe.train.epochs)
        if not args and "x" not in kwargs:
            batches = self._batches_of(recipe)
            # They are of the whole run: the loop of Keras has to count.
            kwargs |= {
                "x": batches.train(0),
                "steps_per_epoch": batches.steps,
                "validation_data": batches.evaluation(batches.watched[0]),
                "shuffle": False,  # as they are already
            }
        return model.fit(*args, **kwargs)

    def _batches_of(self, recipe: Recipe) -> Batches:
        # Most searches leave the data alone, and to open them again takes time.
        key = recipe.data, recipe.train.batch_size, recipe.train.epochs
        if self._batches is None or self._batches[0] != key:
            with tempfile.TemporaryDirectory(prefix="bnkeras-tuning-") as folder:
                directory = RunDirectory(Path(folder))
                batches = open_batches(recipe, directory, self._data_dir, self._data)
            self._batches = key, batches
        return self._batches[1]
