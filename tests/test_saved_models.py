"""The trained networks of the repository: loaded for ever, and as good as they say."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import bnkeras
from bnkeras.compact.manifest import read_manifest
from bnkeras.compact.verify import keras_logits
from bnkeras.pipelines import evaluation_batches, find, load_split

FOLDER = Path(__file__).resolve().parents[1] / "saved_models"
EXPORTS = sorted(path.parents[1] for path in FOLDER.glob("*/assets.extra/bnkeras.json"))


def test_there_are_some():
    assert EXPORTS


@pytest.mark.parametrize("export", EXPORTS, ids=lambda path: path.name)
def test_it_loads_and_is_as_accurate_as_it_says(export, tmp_path):
    manifest = read_manifest(export)
    result = manifest.training["result"]
    if result["dataset"]["name"] != "digits":
        pytest.skip(f"{result['dataset']['name']} has to be prepared first")
    prepared = find("digits", tmp_path)
    batches = evaluation_batches(
        load_split(prepared, "test"),
        prepared.spec,
        batch_size=360,
        scale=manifest.preprocessing["scale"],
    )
    (images, labels, _) = next(iter(batches))
    model = bnkeras.load_compact(export)
    served = tf.saved_model.load(str(export)).signatures["serving_default"]
    logits = served(image=images)["logits"].numpy()
    # Another machine may sum in another order, which may turn a close call or two.
    np.testing.assert_allclose(logits, keras_logits(model, images), rtol=1e-4, atol=1e-4)
    accuracy = np.mean(logits.argmax(axis=1) == labels.numpy())
    assert accuracy == pytest.approx(result["test_accuracy"], abs=2 / 360)
    assert bnkeras.parameter_counts(model) == result["parameters"]
