"""The shipped studies: all are found and load, and every figure of the papers has one."""

import re
from functools import cache
from pathlib import Path

import pytest

from bnkeras import recipe
from bnkeras.errors import StudyError
from bnkeras.models.sizes import counts
from bnkeras.models.small_networks import nearest
from bnkeras.studies.grid import members
from bnkeras.studies.paper_values import published
from bnkeras.studies.shipped import FOLDER, load_study, names

ROOT = Path(__file__).resolve().parents[2]

# The figures of Frankle et al. 2021 that show results; 15 to 25 are of all networks.
FIGURES = range(1, 26)


@cache
def study(name):
    return load_study(name)


@cache
def runs_of(name):
    return members(study(name))


def test_every_file_is_found():
    files = {path.stem for path in (ROOT / "recipes" / "studies").glob("*.toml")}
    assert len(files) > 20
    assert set(names()) == files
    assert (ROOT / "recipes" / "studies").samefile(FOLDER)


@pytest.mark.parametrize("name", names())
def test_it_loads_with_every_recipe_of_it(name):
    assert study(name).name == name
    assert runs_of(name)
    replicates = {member.replicate for member in runs_of(name)}
    assert replicates == set(range(study(name).replicates))
    assert len({member.directory for member in runs_of(name)}) == len(runs_of(name))
    assert len({str(member) for member in runs_of(name)}) == len(runs_of(name))


@pytest.mark.parametrize("name", names())
def test_its_first_lines_say_how_many_runs_it_is(name):
    text = (FOLDER / f"{name}.toml").read_text("utf-8")
    head = text.partition("\n\n")[0]
    assert all(line.startswith("# ") for line in head.splitlines())
    assert f"# {len(runs_of(name))} runs; " in head


@pytest.mark.parametrize("name", names())
def test_replicates_are_those_of_the_paper(name):
    datasets = {member.recipe.data.dataset for member in runs_of(name)}
    assert len(datasets) == 1, "who has the one data need not have the other"
    few = "imagenet" in datasets or study(name).about.source.startswith("Torri 2022, ")
    few = few and name != "norms"
    assert study(name).replicates == (3 if few else 5)


def _numbers(text):
    """Return the numbers of the figures that `text` names.

    >>> sorted(_numbers("Figures 4 to 7"))
    [4, 5, 6, 7]
    """
    found = set()
    for first, last in re.findall(r"(\d+)(?: to (\d+))?", text.partition("Figure")[2]):
        found |= set(range(int(first), int(last or first) + 1))
    return found


def test_every_figure_of_the_papers_has_a_study():
    sources = [study(name).about.source for name in names()]
    frankle = [source for source in sources if source.startswith("Frankle")]
    assert set().union(*map(_numbers, frankle)) == set(FIGURES)
    assert any("Appendix E.1" in source for source in frankle)
    for part in ("image experiment", "tweet experiment", "open question"):
        assert f"Torri 2022, {part}" in sources


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("bn_parameters", {"slopes"}),
        ("gamma", {"scales", "small_scales"}),
        ("clamping", {"clamping"}),
        ("zero_activations", {"zeros", "accuracy"}),
        ("imagenet_gamma", {"scales", "small_scales", "clamping", "accuracy"}),
        ("distributions_depth", {"scales", "zeros"}),
    ],
)
def test_it_draws_what_the_figure_shows(name, kinds):
    assert {figure.kind for figure in study(name).figure} == kinds


def test_the_regimes_stand_in_the_order_of_the_papers():
    for name in ("cifar_depth", "cifar_width", "imagenet_depth", "vgg"):
        regimes = ("all", "bnonly", "bnoutput", "output", "random2")
        assert study(name).grid[0].regimes == regimes


@pytest.mark.parametrize(
    ("name", "model", "regime", "variant", "measure", "value"),
    [
        ("cifar_depth", "resnet14", "bnonly", None, "accuracy", 48),
        ("cifar_depth", "resnet110", "bnonly", None, "accuracy", 69.5),
        ("cifar_depth", "resnet866", "bnonly", None, "accuracy", 82),
        ("cifar_width", "wrn14x32", "bnonly", None, "accuracy", 73),
        ("imagenet_depth", "resnet50", "bnonly", None, "top5", 17),
        ("imagenet_depth", "resnet101", "bnonly", None, "top5", 25),
        ("imagenet_depth", "resnet200", "bnonly", None, "top5", 32),
        ("imagenet_depth", "resnet200", "bnoutput", None, "top5", 57),
        ("imagenet_depth", "resnet200", "bnoutput", None, "accuracy", 32),
        ("imagenet_depth", "resnet200", "output", None, "top5", 2.7),
        ("gamma", "resnet110", "bnonly", None, "small_gamma", 27),
        ("gamma", "resnet110", "all", None, "small_gamma", 4),
        ("imagenet_gamma", "resnet101", "bnonly", None, "small_gamma", 33),
        ("imagenet_gamma", "resnet101", "all", None, "small_gamma", 5),
        ("bn_initialisations", "resnet866", "bnonly", "γ ~ U[0, 1], β = 1", "accuracy", 84),
        ("bn_initialisations", "resnet866", "bnonly", "γ ~ U[0, 1], β = 0", "accuracy", 82),
        ("bn_initialisations", "wrn14x32", "bnonly", "γ ~ U[0, 1], β = 1", "accuracy", 75),
        ("imagenet_bn_initialisations", "resnet200", "bnonly", "γ ~ U[0, 1], β = 1", "top5", 37),
        ("shortcuts", "resnet14", "bnshortcutoutput", None, "accuracy", 63),
        ("shortcuts", "resnet14", "shortcutoutput", None, "accuracy", 49),
        ("shortcuts", "resnet110", "bnshortcutoutput", None, "accuracy", 74.6),
        ("shortcuts", "wrn14x32", "bnshortcutoutput", None, "accuracy", 87),
        ("imagenet_shortcuts", "resnet101", "bnshortcutoutput", None, "top5", 72),
        ("imagenet_shortcuts", "resnet101", "shortcutoutput", None, "top5", 35),
        ("vgg", "vgg11", "bnonly", None, "accuracy", 57),
        ("vgg", "vgg19", "bnonly", None, "accuracy", 61),
        ("vgg", "vgg11", "output", None, "accuracy", 41),
        ("vgg", "vgg19", "output", None, "accuracy", 27),
        ("torri_mlp", "mlp", "all", None, "accuracy", 54),
        ("torri_mlp", "mlp", "bnoutput", None, "accuracy", 45),
        ("torri_tweets", "tweets_lstm", "bnonly", None, "accuracy", 67),
        ("torri_tweets", "tweets_lstm_glove", "bnonly", None, "accuracy", 74),
        ("feature_initialisations", "resnet14", "bnonly", "binary", "accuracy", None),
    ],
)
def test_the_paper_stands_beside_it(name, model, regime, variant, measure, value):
    (member,) = [
        one
        for one in runs_of(name)
        if (one.model, one.regime, one.variant, one.replicate) == (model, regime, variant, 0)
    ]
    found = published(study(name), member, measure)
    assert (found and found.value) == value


def test_ranges_of_the_paper_stay_ranges():
    ranges = {
        (value.model, value.regime, value.measure): (value.value, value.upto)
        for name in ("vgg", "zero_activations")
        for value in study(name).paper
    }
    assert ranges["vgg11", "bnonly", "small_gamma"] == (44, 48)
    assert ranges["resnet110", "bnonly", "dead_relus"] == (28, 39)
    assert ranges["resnet110", "all", "dead_relus"] == (0, 10)


@pytest.mark.parametrize("name", names())
def test_it_repeats_nothing_that_recipes_expect(name):
    for value in study(name).paper:
        expected = recipe.load(f"{value.model}_{value.regime}").expected
        known = expected and {True: "top5", False: "accuracy"}[expected.top5]
        assert value.variant is not None or value.measure != known


def test_the_small_networks_are_the_nearest():
    found = {
        member.at("parameters")
        for member in runs_of("small_networks")
        if member.series == "small network, all parameters"
    }
    depths = [int(model.removeprefix("resnet")) for model in study("small_networks").grid[0].models]
    budgets = [counts("resnet_cifar", depth=depth)["batchnorm"] for depth in depths]
    assert found == {nearest(budget, 1)[0].total for budget in budgets}
    assert len(found) == len(depths) == 7


def test_initialisations_are_those_of_the_paper():
    laws = {
        (member.recipe.model.gamma, member.recipe.model.beta)
        for member in runs_of("bn_initialisations")
    }
    assert laws == {
        ("uniform(0, 1)", "constant(0)"),
        ("constant(1)", "constant(0)"),
        ("uniform(-1, 1)", "constant(0)"),
        ("uniform(0, 1)", "constant(1)"),
    }
    features = {member.recipe.model.features for member in runs_of("feature_initialisations")}
    assert features == {"he_normal", "he_uniform", "binary", "orthogonal"}


def test_the_page_on_figures_tells_of_every_study():
    text = (ROOT / "docs" / "figures.md").read_text("utf-8")
    rows = [re.split(r" *\| *", line)[1:-1] for line in text.splitlines() if line[:3] == "| `"]
    found = {row[0].strip("`"): row[1:] for row in rows if len(row) == 4}
    assert set(found) == set(names())
    for name, (of, title, number) in found.items():
        assert study(name).about.source.endswith(of)
        assert title == study(name).about.title
        assert int(number) == len(runs_of(name))
    total = len({member.directory for name in names() for member in runs_of(name)})
    assert f"come to {total:,} runs" in text.replace("\n", " ")


def test_an_unknown_name_is_told_the_nearest():
    with pytest.raises(StudyError) as caught:
        load_study("cifar_dept")
    assert caught.value.exit_code == 2
    assert "No study 'cifar_dept'. Did you mean 'cifar_depth'?" in str(caught.value)
    assert "`bnkeras study list`" in str(caught.value)
