"""Networks of sequences: exports for every device, batch and length."""

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnkeras
from bnkeras.compact.manifest import read_manifest


def _tokens(batch, length, vocabulary=60):
    tokens = np.random.default_rng(length).integers(1, vocabulary, (batch, length))
    for row in range(batch):
        tokens[row, max(1, length - row) :] = 0
    return tokens.astype(np.int32)


@pytest.fixture(scope="module")
def model(trained):
    return trained("tweet_lstm", vocabulary_size=60, embedding=16, units=12, seed=41)


def test_any_batch_and_length(model, logits, tmp_path):
    export = bnkeras.save_compact(model, tmp_path / "export")
    served = tf.saved_model.load(str(export)).signatures["serving_default"]
    for batch, length in ((1, 1), (1, 9), (4, 2), (7, 40)):
        tokens = _tokens(batch, length)
        given = served(tokens=tf.constant(tokens))["logits"].numpy()
        np.testing.assert_array_equal(given, logits(model, tokens))
    provenances = {row.path: row.provenance for row in read_manifest(export).variables}
    assert provenances["embedding/embeddings"] == "seeded"
    assert provenances["lstm/lstm_cell/recurrent_kernel"] == "seeded"


@pytest.mark.parametrize("layer", [keras.layers.LSTM, keras.layers.GRU])
def test_what_is_exported_on_a_gpu_runs_without_one(monkeypatch, logits, tmp_path, layer):
    inputs = keras.Input((None,), dtype="int32", name="tokens")
    x = keras.layers.Embedding(60, 8, name="embedding")(inputs)
    model = keras.Model(inputs, layer(6, name="recurrent")(x))
    wanted = logits(model, _tokens(3, 5))
    # Keras traces cuDNN's operation, which has no kernel for a CPU.
    backend = importlib.import_module("keras.src.backend.tensorflow.rnn")
    monkeypatch.setattr(backend, "_is_gpu_available", lambda: True)
    traced = tf.function(lambda x: model(x)).get_concrete_function(tf.constant(_tokens(3, 5)))
    assert any("Cudnn" in node.op for node in _nodes(traced.graph.as_graph_def()))
    export = bnkeras.save_compact(model, tmp_path / "export")
    monkeypatch.undo()
    assert model.get_layer("recurrent").use_cudnn == "auto"
    served = tf.saved_model.load(str(export)).signatures["serving_default"]
    (given,) = served(tokens=tf.constant(_tokens(3, 5))).values()
    np.testing.assert_allclose(given, wanted, rtol=1e-5, atol=1e-7)


def _nodes(graph):
    return [*graph.node, *(node for f in graph.library.function for node in f.node_def)]


def test_a_large_stored_table_is_not_copied_at_each_call(trained, logits, tmp_path):
    """Its values lie among the others', and are a variable of the graph by themselves."""
    model = trained("tweet_lstm", "all", vocabulary_size=9000, embedding=8, units=4, seed=42)
    export = bnkeras.save_compact(model, tmp_path / "export")
    variables = [
        shape for _, shape in tf.train.list_variables(str(export / "variables" / "variables"))
    ]
    assert [9000 * 8] in variables
    assert bnkeras.verify_compact(export)["largest_difference"] == 0.0
    for mine, loaded in zip(model.weights, bnkeras.load_compact(export).weights, strict=True):
        np.testing.assert_array_equal(mine, loaded)
    served = tf.saved_model.load(str(export)).signatures["serving_default"]
    tokens = _tokens(3, 7)
    given = served(tokens=tf.constant(tokens))["logits"]
    np.testing.assert_array_equal(given, logits(model, tokens))
