"""ImageNet's ids in English."""

from bnkeras.pipelines import DATASETS, readable_classes

IDS = DATASETS["imagenet"].class_names


def test_a_thousand_names_and_no_two_alike():
    names = readable_classes(IDS)
    assert len(names) == len(set(names)) == 1000
    assert all(name.isascii() and name == name.strip() for name in names)


def test_names_stand_in_the_order_of_the_ids():
    # From WordNet, all over the list: a shift anywhere would show.
    known = {
        "n01440764": "tench",
        "n01530575": "brambling",
        "n02007558": "flamingo",
        "n02123045": "tabby",
        "n02504458": "African elephant",
        "n02701002": "ambulance",
        "n03000684": "chain saw",
        "n03445777": "golf ball",
        "n04254680": "soccer ball",
        "n07753592": "banana",
        "n15075141": "toilet tissue",
    }
    assert dict(zip(IDS, readable_classes(IDS), strict=True)).items() >= known.items()
    assert readable_classes(list(known)) == tuple(known.values())


def test_what_two_ids_share_is_followed_by_the_id():
    assert readable_classes(["n03710721", "n03710637"]) == (
        "maillot (n03710721)",
        "maillot (n03710637)",
    )
    assert readable_classes(["n03710721"]) == ("maillot (n03710721)",)


def test_other_names_stay():
    for name in ("cifar10", "digits", "tweets"):
        names = DATASETS[name].class_names
        assert readable_classes(names) == names
    assert readable_classes(["n01440764", "tench, small"]) == ("tench", "tench, small")
    assert readable_classes([]) == ()
