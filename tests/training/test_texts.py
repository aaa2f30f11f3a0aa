"""Runs on texts: from a CSV to an export that takes raw strings."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import bnkeras
import bnkeras.recipe
from bnkeras.errors import RecipeError, RunError
from bnkeras.pipelines import prepare
from bnkeras.training import run

EXHAUSTIVE = pytest.mark.exhaustive
WORDS = {0: ["awful", "rain", "sad"], 4: ["lovely", "sun", "glad"]}
SHORT = ["train.epochs=3", "data.validation=20", "model.units=8", "train.learning_rate=0.02"]


def write_tweets(path, count, seed):
    """Write tweets of which every word tells the polarity, but for fillers."""
    draw = np.random.default_rng(seed)
    with path.open("w", newline="", encoding="iso-8859-1") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        for number in range(count):
            polarity = 4 * int(draw.integers(2))
            fillers = [f"filler{draw.integers(20)}" for _ in range(draw.integers(1, 9))]
            text = " ".join([*fillers, str(draw.choice(WORDS[polarity])), f"unique{number}!"])
            writer.writerow([polarity, number, "date", "NO_QUERY", "user", text])


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    source = tmp_path_factory.mktemp("tweets")
    write_tweets(source / "train.csv", 800, 1)
    write_tweets(source / "test.csv", 200, 2)
    data_dir = tmp_path_factory.mktemp("data")
    prepare("tweets", source, data_dir)
    return data_dir


@pytest.fixture(scope="module")
def everything(data_dir, tmp_path_factory):
    recipe = bnkeras.recipe.load("tweets_lstm_all", [*SHORT, "model.embedding=16"])
    return run(recipe, tmp_path_factory.mktemp("runs") / "all", data_dir=data_dir)


def test_the_network_learns_what_the_words_say(everything):
    assert everything.figures["test_accuracy"] > 0.9
    assert everything.figures["examples"] == {"train": 640, "validation": 160, "test": 200}


def test_the_vocabulary_is_that_of_the_training_texts_and_kept(everything):
    record = json.loads((everything.directory / "data.json").read_text())
    manifest = json.loads((everything.export / "assets.extra" / "bnkeras.json").read_text())
    preprocessing = manifest["manifest"]["preprocessing"]
    assert preprocessing["vocabulary_sha256"] == record["vocabulary_sha256"]
    # Padding, out of vocabulary, six words that tell and twenty that do not.
    assert preprocessing["vocabulary_size"] == 2 + 6 + 20
    kept = (everything.directory / "vocabulary.json").read_text()
    assert "filler7" in kept
    assert "unique" not in kept


FRESH = """
import sys
sys.modules["bnkeras"] = sys.modules["keras"] = None
import tensorflow as tf
served = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
answers = served(text=tf.constant(["A LOVELY sun, glad!", "sad awful=rain", ""]))
best = answers["probabilities"].numpy().argmax(axis=1).tolist()
names = [b"negative", b"positive"]
assert answers["labels"].numpy().tolist() == [names[label] for label in best]
print(best)
"""


def test_the_export_takes_raw_strings_without_bnkeras(everything):
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(everything.export)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert len(answers) == 3
    assert answers[:2] == [1, 0]


@pytest.mark.parametrize(
    "regime",
    [
        "bnonly",
        "random2",
        *(pytest.param(r, marks=EXHAUSTIVE) for r in ("bnoutput", "output", "frozenbn")),
    ],
)
def test_a_regime_trains_what_it_says(regime, data_dir, tmp_path):
    settings = [*SHORT, "train.epochs=1", "model.embedding=16"]
    recipe = bnkeras.recipe.load(f"tweets_lstm_{regime}", settings)
    result = run(recipe, tmp_path / "run", data_dir=data_dir)
    trained = bnkeras.load_compact(result.export)
    initial = bnkeras.build(
        "tweet_lstm", vocabulary_size=28, embedding=16, units=8, gamma="constant(1)"
    )
    before = {variable.path: variable.numpy() for variable in initial.variables}
    statistics = ("moving_mean", "moving_variance")
    for variable in trained.variables:
        if variable.path not in before or variable.path.endswith(statistics):
            continue
        same = np.array_equal(variable.numpy(), before[variable.path])
        assert same != variable.trainable, variable.path


def test_a_run_resumes_to_the_same_bits(everything, data_dir, tmp_path):
    import keras

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch >= 7 and int(self.model.optimizer.iterations) > 20:
                raise KeyboardInterrupt

    recipe = bnkeras.recipe.load("tweets_lstm_all", [*SHORT, "model.embedding=16"])
    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path / "run", data_dir=data_dir, callbacks=[Interrupt()])
    again = run(recipe, tmp_path / "run", data_dir=data_dir)
    first, second = (bnkeras.load_compact(one.export) for one in (everything, again))
    for one, other in zip(first.variables, second.variables, strict=True):
        assert np.array_equal(one.numpy(), other.numpy()), one.path
    assert again.figures["test_loss"] == everything.figures["test_loss"]


@pytest.fixture
def vectors(tmp_path):
    draw = np.random.default_rng(0)
    words = [*WORDS[0], *WORDS[4], "filler1", "nowhere"]
    lines = [
        f"{word} {' '.join(f'{value:.4f}' for value in draw.normal(size=5))}" for word in words
    ]
    path = tmp_path / "vectors.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def glove_recipe(vectors, *settings):
    overrides = [*SHORT, "train.epochs=1", f"model.glove={vectors}", *settings]
    return bnkeras.recipe.load("tweets_lstm_glove_bnonly", overrides)


def test_glove_vectors_stay_as_they_are_and_lie_beside_the_export(vectors, data_dir, tmp_path):
    result = run(glove_recipe(vectors), tmp_path / "run", data_dir=data_dir)
    # γ and β: of 5 embedded values, 8 units and 2 logits.
    assert result.figures["parameters"]["trainable"] == 2 * (5 + 8 + 2)
    glove = result.figures["dataset"]["glove"]
    assert (glove["found"], glove["words"], glove["dimension"]) == (7, 26, 5)
    table = bnkeras.load_compact(result.export).get_layer("embedding").embeddings.numpy()
    vocabulary = json.loads((result.directory / "vocabulary.json").read_text())["words"]
    rows = dict(line.split(" ", 1) for line in vectors.read_text().splitlines())
    for word in (*WORDS[0], *WORDS[4], "filler1"):
        expected = np.array(rows[word].split(), np.float32)
        assert np.array_equal(table[2 + vocabulary.index(word)], expected), word
    assert not table[0].any()
    (external,) = (result.directory / "external").iterdir()
    assert external.stat().st_size == 4 * table.size
    served = tf.saved_model.load(str(result.export)).signatures["serving_default"]
    assert served(text=tf.constant(["sun"]))["logits"].shape == (1, 2)


def test_glove_vectors_are_copied_in_on_request(vectors, data_dir, tmp_path):
    recipe = glove_recipe(vectors, "model.glove_export=copy")
    result = run(recipe, tmp_path / "run", data_dir=data_dir)
    moved = result.export.rename(tmp_path / "elsewhere")
    assert not (result.directory / "external").exists()
    served = tf.saved_model.load(str(moved)).signatures["serving_default"]
    assert served(text=tf.constant(["sun"]))["logits"].shape == (1, 2)


def test_missing_vectors_say_where_they_are_looked_for(data_dir, tmp_path):
    recipe = bnkeras.recipe.load("tweets_lstm_glove_bnonly", SHORT)
    with pytest.raises(RecipeError, match=r"neither glove\.twitter\.27B\.200d\.txt nor .*glove"):
        run(recipe, tmp_path / "run", data_dir=data_dir)
    assert not (tmp_path / "run" / "recipe.toml").exists()


def test_an_embedding_of_another_length_than_the_vectors_is_refused(vectors, data_dir, tmp_path):
    with pytest.raises(RecipeError, match=r"model\.embedding .* is 5; received 200"):
        run(glove_recipe(vectors, "model.embedding=200"), tmp_path / "run", data_dir=data_dir)


def test_other_vectors_at_a_resume_are_refused(vectors, data_dir, tmp_path):
    import keras

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    recipe = glove_recipe(vectors)
    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path / "run", data_dir=data_dir, callbacks=[Interrupt()])
    vectors.write_text(vectors.read_text().replace("sun ", "moon "))
    with pytest.raises(RunError, match=r"began with other data:\n  glove: .*'found': 7"):
        run(recipe, tmp_path / "run", data_dir=data_dir)
