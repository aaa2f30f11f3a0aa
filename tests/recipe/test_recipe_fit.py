"""Rules between settings: the network, its dataset, and what is done to the examples."""

import pytest

from bnkeras import recipe
from bnkeras.errors import RecipeError


def faults(name, *overrides):
    with pytest.raises(RecipeError) as caught:
        recipe.load(name, overrides)
    return str(caught.value).splitlines()[1:]


@pytest.mark.parametrize(
    ("name", "override", "sentence"),
    [
        ("resnet50_bnonly", "model.depth=100", "received 100"),
        ("vgg16_bnonly", "model.depth=100", "received 100"),
        ("resnet14_bnonly", "model.depth=100", "The nearest valid: 98 and 104"),
        ("resnet50_bnonly", "model.classes=10", 'must be 1000, as data.dataset is "imagenet"'),
        ("resnet50_bnonly", "data.translate=4", "is for images of one small size"),
        ("resnet14_bnonly", "data.image_size=64", "is for photographs of many sizes"),
        ("resnet50_bnonly", "data.crop_scale=[0.5, 0.1]", "the smaller first; received [0.5, 0.1]"),
        ("resnet50_bnonly", "data.crop_scale=[0.5, 2]", "two numbers > 0 and ≤ 1"),
        ("resnet50_bnonly", "data.crop_aspect=[1]", "a list of two numbers > 0"),
        ("tweets_lstm_bnonly", "data.flip=true", "data.flip: is not a setting; received true."),
        ("tweets_lstm_bnonly", "model.classes=3", "must be 2"),
        ("tweets_lstm_bnonly", "model.tokenizer=bpe", '"unicode_script", "wordpiece"; received'),
        ("tweets_lstm_bnonly", "model.glove=3", "received 3"),
        ("resnet14_bnonly", "model.norm=btach", "received \"btach\". Did you mean 'batch'?"),
        ("resnet14_bnonly", "model.regime=random0", "No regime 'random0'"),
        ("resnet14_bnonly", "model.regime=random17", "has one with 16; k is at most that"),
        ("mlp_bnonly", "model.norm=instance", 'must be "batch", "group" or "layer" in mlp'),
        ("tweets_lstm_bnonly", "model.norm=instance", 'or "layer" in tweet_lstm'),
        ("resnet14_bnonly", "data.dataset=folders/mine", "Unknown dataset 'folders/mine'"),
    ],
)
def test_a_fault_says_what_it_is(name, override, sentence):
    (line,) = faults(name, override)
    assert sentence in line
    assert line.endswith(f"(--set {override})")


def test_a_network_of_words_has_texts_and_others_do_not():
    lines = faults("mlp_bnonly", "data.dataset=tweets")
    assert any('model.network: must be one of "tweet_lstm", as' in line for line in lines)
    lines = faults("tweets_lstm_bnonly", "data.dataset=cifar10")
    (line,) = lines
    assert line.startswith('  model.network: must be one of "resnet_cifar", "resnet_imagenet", ')
    assert 'received "tweet_lstm"' in line


def test_a_cifar_network_takes_crops_of_its_size():
    settings = ["model.classes=1000", "data.translate=0", "data.dataset=imagenet"]
    (line,) = faults("resnet14_bnonly", *settings)
    assert 'must be [224, 224, 3], as data.dataset is "imagenet"; received [32, 32, 3]' in line
    loaded = recipe.load("resnet14_bnonly", [*settings, "data.image_size=32"])
    assert loaded.data.image_size == 32


def test_a_network_of_any_size_takes_small_images_as_they_are():
    loaded = recipe.load("resnet18_bnonly", ["data.dataset=cifar10", "model.classes=10"])
    assert loaded.data.image_size == 224


def test_k_beyond_the_fan_in_of_a_name():
    with pytest.raises(RecipeError, match="k is at most that"):
        recipe.load("resnet14_random17")
    assert recipe.load("resnet14_random16").model.regime == "random16"


def test_a_dataset_of_ones_own_is_known_only_when_prepared():
    settings = ["data.dataset=folder/flowers", "model.classes=5"]
    loaded = recipe.load("resnet14_bnonly", settings)
    assert loaded.data.dataset == "folder/flowers"
    assert recipe.load("resnet14_bnonly", ["data.dataset=tfds/svhn_cropped"]).expected is None


def test_the_best_epoch_needs_examples_held_out_unless_data_are_given():
    (line,) = faults("resnet14_bnonly", "train.keep=best")
    assert "data.validation = 0" in line
    loaded = recipe.load("resnet14_bnonly", ["train.keep=best", "data.dataset=given"])
    assert loaded.train.keep == "best"


def test_another_schedule_needs_no_care_for_milestones():
    for schedule in ("cosine", "one_cycle"):
        loaded = recipe.load("resnet14_bnonly", [f"train.schedule={schedule}"])
        assert loaded.train.milestones == (80, 120)
        assert loaded.train.unused() == ("milestones", "decay")
        assert loaded.expected is None
    assert recipe.load("resnet14_bnonly").train.schedule == "steps"
    assert recipe.load("resnet14_bnonly").train.unused() == ()


def test_one_cycle_has_no_warm_up_beside_it():
    sentence = (
        '  train.warmup_epochs: must be 0 with train.schedule = "one_cycle", which rises by itself '
        "for 30% of all steps; received 5. Set it to 0, or train.schedule to "
        '"cosine", which has a warm-up.'
    )
    (line,) = faults("resnet50_bnonly", "train.schedule=one_cycle")
    assert line.startswith(f"{sentence} (file ")
    assert line.endswith("_resnet_imagenet.toml)")
    lines = faults(
        "resnet14_bnonly", "train.schedule=one_cycle", "train.warmup_epochs=5", "train.epochs=0"
    )
    assert lines == [
        "  train.epochs: must be an integer ≥ 1; received 0 (--set train.epochs=0)",
        f"{sentence} (--set train.warmup_epochs=5)",
    ]
    both = ["train.schedule=one_cycle", "train.warmup_epochs=0"]
    assert recipe.load("resnet50_bnonly", both).train.schedule == "one_cycle"
    assert recipe.load("resnet50_bnonly", ["train.schedule=cosine"]).train.warmup_epochs == 5


@pytest.mark.parametrize("norm", ["instance", "group", "layer"])
def test_a_norm_is_a_setting(norm):
    loaded = recipe.load("resnet14_bnonly", [f"model.norm={norm}"])
    assert loaded.model.build_arguments()["norm"] == norm
    assert loaded.expected is None
