"""The networks that the peers train, by their names in recipes."""

from typing import NamedTuple


class Network(NamedTuple):
    """A network and its batch."""

    recipe: str  # `RECIPE_REGIME` is a recipe
    batch: int
    shape: tuple[int, ...]  # of one example: an image, or the number of words
    classes: int

    @property
    def examples(self) -> str:
        """What its examples are called."""
        return "images" if len(self.shape) == 3 else "texts"


VOCABULARY = 24_000
NETWORKS = {
    "resnet14": Network("resnet14", 128, (32, 32, 3), 10),
    "resnet110": Network("resnet110", 128, (32, 32, 3), 10),
    "wrn14x4": Network("wrn14x4", 128, (32, 32, 3), 10),
    "vgg16": Network("vgg16", 128, (32, 32, 3), 10),
    "mlp": Network("mlp", 32, (32, 32, 3), 10),
    "tweets_lstm": Network("tweets_lstm", 32, (30,), 2),
    "resnet50": Network("resnet50", 8, (224, 224, 3), 1000),
}
REGIMES = ("all", "bnonly", "random2")
PRECISIONS = ("float32", "bfloat16")
