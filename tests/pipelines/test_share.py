"""The shares of all workers, put together, are the batches that one worker makes."""

import numpy as np
import pytest

from bnkeras.errors import DataError
from bnkeras.pipelines import (
    DATASETS,
    Share,
    crop_evaluation_batches,
    crop_training_batches,
    evaluation_batches,
    load_encoded,
    prepare,
    training_batches,
)
from bnkeras.pipelines.reading import Split
from bnkeras.pipelines.text_batches import text_evaluation_batches, text_training_batches
from bnkeras.pipelines.text_front import TextFront
from bnkeras.pipelines.vocabulary import Vocabulary

from .photos import encoded, pixels
from .texts import make_split

SPEC, BATCH = DATASETS["cifar10"], 8
TRAINING = {"seed": 11, "epochs": 2, "first_step": 1}


@pytest.fixture(scope="module")
def makers(tmp_path_factory):
    """Return what makes the batches of 21 images, photographs and texts, by kind."""
    random = np.random.default_rng(0)
    images = random.integers(1, 256, (21, 12, 12, 3), np.uint8)
    split = Split(images, np.arange(21, dtype=np.int32) % 10, SPEC.class_names)

    root = tmp_path_factory.mktemp("photographs")
    for number in range(21):
        for folder in ("train", "test"):
            path = root / "source" / folder / "ab"[number % 2] / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(pixels(40 + number, 50, number)))
    prepared = prepare("folder/photographs", root / "source", root / "data")
    photographs = load_encoded(prepared, "train")

    lengths = random.integers(1, 12, 21)
    texts = make_split([b" ".join([b"w"] * length) for length in lengths], np.arange(21) % 2)
    front = TextFront(Vocabulary("papers", 1, ("w",), (1,)))
    crops = {"image_size": 16}
    return {
        "training": lambda **given: training_batches(split, SPEC, **TRAINING, **given),
        "evaluation": lambda **given: evaluation_batches(split, SPEC, **given),
        "crop training": lambda **given: crop_training_batches(
            photographs, prepared.spec, **TRAINING, **crops, **given
        ),
        "crop evaluation": lambda **given: crop_evaluation_batches(
            photographs, prepared.spec, **crops, **given
        ),
        "text training": lambda **given: text_training_batches(texts, front, **TRAINING, **given),
        "text evaluation": lambda **given: text_evaluation_batches(texts, front, **given),
    }


@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.parametrize(
    "kind",
    [
        f"{data}{purpose}"
        for data in ("", "crop ", "text ")
        for purpose in ("training", "evaluation")
    ],
)
def test_shares_make_up_the_whole(kind, workers, makers):
    whole = list(makers[kind](batch_size=BATCH))
    assert len(whole) == 3
    shares = [
        list(makers[kind](batch_size=BATCH, share=Share(index, workers)))
        for index in range(workers)
    ]
    for batch, *parts in zip(whole, *shares, strict=True):
        for value, *own in zip(batch, *parts, strict=True):
            assert {part.shape[0] for part in own} == {BATCH // workers}
            np.testing.assert_array_equal(np.concatenate([part.numpy() for part in own]), value)


def test_a_batch_is_shared_evenly():
    assert [Share(index, 4).rows(8) for index in (0, 3)] == [slice(0, 2), slice(6, 8)]
    message = "evenly among 3 workers: batch_size must be a multiple of that; received 8"
    with pytest.raises(DataError, match=message):
        Share(0, 3).rows(8)


@pytest.mark.parametrize("index", [-1, 2])
def test_a_share_is_one_of_those_there_are(index):
    with pytest.raises(DataError, match=f"0 to count - 1; received {index} with a count of 2"):
        Share(index, 2)
