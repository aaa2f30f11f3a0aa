"""Runs on datasets that a program hands over."""

import numpy as np
import pytest
import tensorflow as tf

import bnkeras
import bnkeras.recipe
from bnkeras.errors import DataError, RecipeError
from bnkeras.training import Data, run

SETTINGS = [
    "data.dataset=given",
    "model.input_shape=[8,8,1]",
    "model.classes=3",
    "train.epochs=3",
    "train.batch_size=16",
    "train.milestones=[]",
]


def dataset(count, batch, drop_remainder=True):
    """Images whose brightness is their class."""
    draw = np.random.default_rng(count)
    labels = draw.integers(0, 3, count).astype(np.int32)
    images = labels[:, None, None, None] + draw.normal(size=(count, 8, 8, 1)) / 4
    whole = tf.data.Dataset.from_tensor_slices((images.astype(np.float32), labels))
    return whole.batch(batch, drop_remainder=drop_remainder)


def recipe(*settings):
    return bnkeras.recipe.load("resnet14_bnoutput", [*SETTINGS, *settings])


class Doubles(tf.Module):
    """Images as integers, twice as bright as the network's."""

    spec = tf.TensorSpec([None, 8, 8, 1], tf.int32, "doubled")

    def __init__(self, dtype=tf.float32):
        super().__init__()
        self.dtype = dtype

    def __call__(self, images):
        return tf.cast(images, self.dtype) / 2


def test_any_dataset_trains(tmp_path):
    data = Data(
        dataset(160, 16),
        dataset(50, 16, drop_remainder=False),
        class_names=["dark", "dim"],
        front=Doubles(),
    )
    # In three epochs it comes less far on some processors.
    result = run(recipe("train.epochs=8"), tmp_path / "run", data=data)
    assert result.figures["test_accuracy"] > 0.8
    assert result.figures["examples"] == {"train": 160, "test": None}
    model = bnkeras.load_compact(result.export)
    right = [
        np.argmax(model(x, training=False).numpy(), axis=1) == y.numpy()
        for x, y in dataset(50, 16, drop_remainder=False)
    ]
    assert np.mean(np.concatenate(right)) == pytest.approx(result.figures["test_accuracy"])
    served = tf.saved_model.load(str(result.export)).signatures
    images = np.random.default_rng(0).integers(-9, 9, (5, 8, 8, 1))
    answers = served["serving_default"](doubled=tf.constant(images, tf.int32))
    wanted = served["network"](image=tf.constant(images / 2, tf.float32))["logits"].numpy()
    np.testing.assert_array_equal(answers["logits"], wanted)
    names = [b"dark", b"dim", b"2"]
    assert answers["labels"].numpy().tolist() == [names[n] for n in wanted.argmax(axis=1)]


@pytest.mark.slow
def test_a_resumed_run_ends_as_one_that_never_stopped(tmp_path):
    import keras

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.optimizer.iterations) == 14:
                raise KeyboardInterrupt

    data = Data(dataset(160, 16), dataset(48, 16), validation=dataset(32, 16))
    best = recipe("train.keep=best")
    whole = run(best, tmp_path / "whole", data=data)
    with pytest.raises(KeyboardInterrupt):
        run(best, tmp_path / "stopped", data=data, callbacks=[Interrupt()])
    again = run(best, tmp_path / "stopped", data=data)
    for one, other in zip(
        bnkeras.load_compact(whole.export).variables,
        bnkeras.load_compact(again.export).variables,
        strict=True,
    ):
        assert np.array_equal(one.numpy(), other.numpy()), one.path


@pytest.mark.parametrize(
    ("front", "message"),
    [
        (Doubles(tf.float64), r"x, float32 \(8, 8, 1\) for .* gives float64 \(8, 8, 1\)"),
        (tf.Module(), r"front is a tf\.Module with a `spec`.* received <"),
        (abs, r"front is a tf\.Module with a `spec`.* received <built-in function abs>"),
    ],
)
def test_a_front_that_does_not_fit_is_refused_before_training(front, message, tmp_path):
    data = Data(dataset(32, 16), dataset(32, 16), front=front)
    with pytest.raises(DataError, match=message):
        run(recipe(), tmp_path / "run", data=data)
    assert not (tmp_path / "run").exists()


def test_data_and_recipe_must_agree(tmp_path):
    with pytest.raises(RecipeError, match=r"exactly when .* received 'given' without data"):
        run(recipe(), tmp_path)
    data = Data(dataset(32, 16), dataset(32, 16))
    with pytest.raises(RecipeError, match="received 'digits' with data"):
        run(bnkeras.recipe.load("digits_resnet14_bnonly"), tmp_path, data=data)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (dataset(32, 16).repeat(), "cardinality is -1"),
        (dataset(40, 16, drop_remainder=False), "all of one size"),
        (dataset(32, 16).map(lambda x, y: x), r"yields batches \(x, y\)"),
        (np.zeros(3), "is a tf.data.Dataset; received ndarray"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(train, message, tmp_path):
    with pytest.raises(DataError, match=message):
        run(recipe(), tmp_path, data=Data(train, dataset(32, 16)))


def test_batches_are_those_of_the_recipe(tmp_path):
    data = Data(dataset(32, 8), dataset(32, 16))
    with pytest.raises(DataError, match=r"received 16 with batches of 8\. Set train.batch_size=8"):
        run(recipe(), tmp_path / "run", data=data)
    larger = recipe("model.input_shape=[28, 28, 1]")
    with pytest.raises(
        DataError, match=r"train yields x of shape \[batch, 8, 8, 1\]; .*\[28, 28, 1\]"
    ):
        run(larger, tmp_path / "run", data=Data(dataset(32, 16), dataset(32, 16)))
    assert not (tmp_path / "run").exists()


def test_a_label_that_is_no_class_is_refused(tmp_path):
    data = Data(dataset(32, 16), dataset(32, 16))
    with pytest.raises(DataError, match="A label is none of the 2 classes, 0 to 1"):
        run(recipe("model.classes=2"), tmp_path / "run", data=data)


def test_the_best_epoch_needs_validation(tmp_path):
    with pytest.raises(DataError, match=r"Give Data\(validation"):
        run(recipe("train.keep=best"), tmp_path, data=Data(dataset(32, 16), dataset(32, 16)))
