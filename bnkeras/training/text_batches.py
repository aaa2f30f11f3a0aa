"""Batches of texts as word ids, with the vocabulary and the word vectors behind them."""

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from bnkeras.errors import RecipeError
from bnkeras.pipelines import (
    Prepared,
    TextFront,
    Vocabulary,
    build_vocabulary,
    load_texts,
    read_glove,
    text_evaluation_batches,
    text_training_batches,
)
from bnkeras.pipelines.glove import glove_dimension
from bnkeras.pipelines.share import WHOLE, Share
from bnkeras.recipe import Recipe
from bnkeras.training.prepared_batches import PreparedBatches
from bnkeras.training.run_directory import RunDirectory

_EMBEDDING = "embedding/embeddings"


class TextBatches(PreparedBatches):
    """Batches of word ids; the vocabulary is that of the training texts.

    It is built once, and kept in the run directory: to learn one of word pieces takes
    half a minute.

    Args:
        recipe: the recipe.
        prepared: its dataset.
        directory: the run directory.
        replicas: devices that share a batch.

    Raises:
        RecipeError: the GloVe file is missing, or has vectors of another length.
    """

    def __init__(
        self, recipe: Recipe, prepared: Prepared, directory: RunDirectory, replicas: int = 1
    ):
        super().__init__(recipe, prepared, replicas)
        settings = recipe.model
        if directory.vocabulary.exists():
            self.vocabulary = Vocabulary.load(directory.vocabulary)
        else:
            self.vocabulary = build_vocabulary(
                self._splits["train"].texts, settings.tokenizer, settings.minimum_count
            )
        self.front = TextFront(self.vocabulary)
        self.source |= {"vocabulary_sha256": self.vocabulary.sha256}
        self._glove_file = _find_glove(recipe, prepared) if settings.glove else None

    def _load(self, part: str):
        return load_texts(self.prepared, part)

    def train(self, first_step: int, share: Share = WHOLE) -> tf.data.Dataset:
        """Return the training batches from `first_step` on, of texts of similar lengths."""
        return text_training_batches(
            self._splits["train"],
            self.front,
            first_step=first_step,
            share=share,
            **self._training_arguments,
        )

    def evaluation(self, split: str, share: Share = WHOLE) -> tf.data.Dataset:
        """Return the texts of a split."""
        return text_evaluation_batches(
            self._splits[split], self.front, batch_size=self.evaluation_batch, share=share
        )

    @property
    def build_arguments(self) -> dict[str, Any]:
        """The size of the vocabulary, and the length of the word vectors."""
        arguments = {"vocabulary_size": len(self.vocabulary)}
        if self._glove_file is None:
            return arguments
        dimension = glove_dimension(self._glove_file)
        wanted = self._recipe.model.embedding
        if wanted not in (None, dimension):
            raise RecipeError(
                f"model.embedding is the length of the vectors in {self._glove_file}, which is "
                f"{dimension}; received {wanted}. Leave it unset."
            )
        return {**arguments, "embedding": dimension}

    def initialise(self, model: keras.Model) -> keras.Model:
        """Give the words that have a GloVe vector that vector."""
        if self._glove_file is not None:
            embeddings = model.get_layer("embedding").embeddings
            found = read_glove(self._glove_file, self.vocabulary, embeddings.numpy())
            embeddings.assign(found.values)
            self.source["glove"] = {
                "file": self._glove_file.name,
                "sha256": found.sha256,
                "dimension": found.dimension,
                "words": found.words,
                "found": found.found,
                "occurrences": round(found.occurrences, 4),
            }
        return model

    def begin(self, directory: RunDirectory) -> None:
        """Record the data, and keep the vocabulary."""
        super().begin(directory)
        if not directory.vocabulary.exists():
            self.vocabulary.save(directory.vocabulary)

    def export_arguments(self, model: keras.Model) -> dict[str, Any]:
        """Return class names, how texts become ids, and which vectors are GloVe's."""
        arguments = super().export_arguments(model) | {
            "front": self.front,
            "preprocessing": {
                "tokenizer": self.vocabulary.tokenizer,
                "vocabulary_size": len(self.vocabulary),
                "vocabulary_sha256": self.vocabulary.sha256,
                "glove": self.source.get("glove"),
            },
        }
        if self._glove_file is not None and not model.get_layer("embedding").embeddings.trainable:
            glove = self.source["glove"]
            arguments |= {
                "external": [_EMBEDDING],
                "external_origin": f"{glove['file']}, SHA-256 {glove['sha256']}",
                "copy_external": self._recipe.model.glove_export == "copy",
            }
        return arguments


def _find_glove(recipe: Recipe, prepared: Prepared) -> Path:
    """Return the GloVe file: at its path, or of that name in the data directory's `glove`."""
    given = Path(recipe.model.glove).expanduser()
    places = [given, prepared.data_dir / "glove" / given]
    for place in places:
        if place.is_file():
            return place
    raise RecipeError(
        f"model.glove is the path of a file with GloVe vectors, and there is neither "
        f"{places[0]} nor {places[1]}. The papers' is in glove.twitter.27B.zip "
        f"(https://nlp.stanford.edu/projects/glove); put it there, or name another one: "
        f"--set model.glove=PATH."
    )
