"""A user's own studies, and how they can go wrong."""

import pytest

from bnkeras.errors import StudyError
from bnkeras.studies.shipped import load_study

WHOLE = """
replicates = 2
set = ["train.epochs=3"]

[about]
title = "Mine"
source = "nobody"
question = "What is it?"

[[grid]]
models = ["resnet14", "mlp"]
regimes = ["bnonly"]

[[grid]]
models = ["resnet14"]
regimes = ["random4"]
series = "others"

[[variant]]
name = "plain"

[[variant]]
name = "shifted"
set = ["model.beta=constant(1)"]

[[figure]]
kind = "accuracy"
title = "By depth"
x = "depth"

[[paper]]
model = "resnet14"
regime = "bnonly"
variant = "shifted"
value = 40
spread = 0.5
from = "somebody"
"""


@pytest.fixture
def load(tmp_path):
    def _load(*changes):
        text = WHOLE
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return load_study(str(path))

    return _load


@pytest.fixture
def faults(load, tmp_path):
    """Return the lines of the faults of a study with changes, after the first."""

    def _faults(*changes):
        with pytest.raises(StudyError) as caught:
            load(*changes)
        assert caught.value.exit_code == 2
        first, *lines = str(caught.value).splitlines()
        count = "a fault" if len(lines) == 1 else f"{len(lines)} faults"
        assert first == f"The study {tmp_path / 'mine.toml'} has {count}:"
        return [line.removeprefix("  ") for line in lines]

    return _faults


def test_a_file_of_ones_own(load):
    study = load()
    assert study.name == "mine"
    assert study.replicates == 2
    assert study.set == ("train.epochs=3",)
    assert [grid.series for grid in study.grid] == [None, "others"]
    assert study.variant[1].set == ("model.beta=constant(1)",)
    assert study.paper[0].source == "somebody"


def test_a_path_without_an_ending_or_of_no_file(tmp_path):
    text = "No study file"
    with pytest.raises(StudyError, match=text):
        load_study("nowhere/mine")
    (tmp_path / "other.toml").write_text(WHOLE)
    with pytest.raises(StudyError, match=r"In that folder: other\.toml\."):
        load_study(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"replicates = 1\n[about\n", "line 2, column 7: not valid TOML"),
        (b"\xff", "a study is UTF-8 text; byte 0 is not."),
    ],
)
def test_what_is_not_toml_is_placed(tmp_path, content, place):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(StudyError) as caught:
        load_study(path)
    assert str(caught.value).startswith(str(path))
    assert place in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("replicates = 2", "replicates = 0", "replicates: must be an integer ≥ 1; received 0"),
        (
            "replicates = 2",
            "replicas = 2",
            "replicas: is not a setting; received 2. Did you mean 'replicates'?",
        ),
        (
            'title = "Mine"',
            'title = "Mine"\nquestoin = "?"',
            "about.questoin: is not a setting; received \"?\". Did you mean 'about.question'?",
        ),
        (
            'source = "nobody"',
            "",
            "about.source: is missing; it must be text that is not empty",
        ),
        (
            '"random4"]\n',
            '"random4"]\nsereis = "b"\n',
            "grid 2, sereis: is not a setting; received \"b\". Did you mean 'series'?",
        ),
        (
            '"random4"]\n',
            '"random4"]\ncolour = "b"\n',
            'grid 2, colour: is not a setting; received "b". '
            "[[grid]] has models, regimes, set, series.",
        ),
        (
            '["resnet14", "mlp"]',
            '"resnet14"',
            'grid 1, models: must be a list of one or more texts; received "resnet14"',
        ),
        (
            '["resnet14", "mlp"]',
            '["resnet14", "mpl"]',
            "grid 1, models: must be a model of the recipes; received \"mpl\". Did you mean 'mlp'?",
        ),
        (
            '"accuracy"',
            '"acuracy"',
            'figure 1, kind: must be one of "accuracy", "slopes", "scales", "small_scales", '
            '"clamping", "zeros"; received "acuracy". Did you mean \'accuracy\'?',
        ),
        (
            "value = 40",
            "value = 140",
            "paper 1, value: must be a percentage, 0 to 100; received 140",
        ),
        (
            "value = 40",
            "value = 40\nupto = 30.5",
            "paper 1, upto: must be above value = 40.0; received 30.5",
        ),
        (
            "value = 40",
            'value = "40"',
            'paper 1, value: must be a percentage, 0 to 100; received "40". '
            "Write 40 without quotes.",
        ),
        (
            '["train.epochs=3"]',
            '["train.epochs"]',
            'set: must be KEY=VALUE, such as --set train.epochs=2; received "train.epochs"',
        ),
        (
            '["train.epochs=3"]',
            '["train.epochs=none"]',
            'set: train.epochs: must be an integer ≥ 1; received "none" (recipe resnet14_bnonly)',
        ),
        (
            "constant(1)",
            "constnat(1)",
            "variant 2, set: model.beta: No initialisation law 'constnat'",
        ),
        (
            'series = "others"',
            'set = ["model.depht=8"]',
            "grid 2, set: model.depht: is not a setting; received 8. Did you mean 'model.depth'? "
            "(recipe resnet14_random4)",
        ),
        (
            'variant = "shifted"',
            'variant = "shiftde"',
            'paper 1, variant: must be a variant of the study; received "shiftde". '
            "Did you mean 'shifted'?",
        ),
        (
            'variant = "shifted"\n',
            "",
            'paper 1, variant: is missing; it must be one of "plain", "shifted"',
        ),
        (
            'regime = "bnonly"\nvariant',
            'regime = "all"\nvariant',
            'paper 1, regime: must be a regime of the study; received "all". '
            "There are bnonly, random4.",
        ),
        (
            'model = "resnet14"\nregime = "bnonly"',
            'model = "mlp"\nregime = "random4"',
            'paper 1, regime: must be one that the study has with the model "mlp"; '
            'received "random4"',
        ),
        (
            'x = "depth"',
            'x = "depth"\nseries = ["othres"]',
            'figure 1, series: must be a series of the study; received "othres". '
            "Did you mean 'others'?",
        ),
        (
            'x = "depth"',
            'x = "depth"\nmodels = ["vgg11"]',
            'figure 1, models: must be a model of the study; received "vgg11". '
            "There are resnet14, mlp.",
        ),
        (
            'x = "depth"',
            'x = "depth"\nmodels = ["mlp"]',
            'figure 1, x: must be what some of its members have; received "depth", '
            "which none of mlp_bnonly has",
        ),
        (
            'x = "depth"',
            'x = "k"\nmodels = ["mlp"]\nseries = ["others"]',
            'figure 1, models: must have one of its series; received ["mlp"] with ["others"]',
        ),
        (
            'kind = "accuracy"',
            'kind = "slopes"',
            'figure 1, x: must be "parameters" where kind is "slopes"; received "depth"',
        ),
    ],
)
def test_one_fault(faults, old, new, line):
    (found,) = faults((old, new))
    assert found.startswith(line)


def test_a_regime_that_a_model_lacks(faults):
    (line,) = faults(
        ('"random4"]', '"random4"]\n[[grid]]\nmodels=["mlp"]\nregimes=["shortcutoutput"]'),
        ('series = "others"', ""),
    )
    assert line.startswith("grid 3, regimes: No recipe 'mlp_shortcutoutput'")
    assert "since an MLP has no shortcuts" in line


def test_a_regime_that_does_not_exist(faults):
    (line,) = faults(('"random4"', '"bnonyl"'))
    assert line.startswith("grid 2, regimes: No regime 'bnonyl': choose one of all, bnonly, ")
    assert line.endswith("Did you mean 'bnonly'?")


def test_a_figure_of_variants_needs_some(load, tmp_path):
    text = WHOLE[: WHOLE.index("[[variant]]")] + WHOLE[WHOLE.index("[[figure]]") :]
    path = tmp_path / "mine.toml"
    path.write_text(text.replace('x = "depth"', 'x = "variant"'), encoding="utf-8")
    with pytest.raises(StudyError) as caught:
        load_study(path)
    lines = [line.strip() for line in str(caught.value).splitlines()[1:]]
    assert lines == [
        'paper 1, variant: must be unset in a study without any; received "shifted"',
        'figure 1, x: must be something else in a study without variants; received "variant"',
    ]


def test_two_variants_of_one_name(faults):
    first, _ = faults(('name = "shifted"', 'name = "plain"'))
    assert first == 'variant 2, name: must differ from that of variant 1; received "plain"'


def test_all_faults_at_once(faults):
    lines = faults(
        ("replicates = 2", "replicates = 1.5"),
        ('"mlp"]', '"mpl"]'),
        ('"random4"', '"radnom4"'),
        ("constant(1)", "constant(x)"),
        ('title = "By depth"', ""),
        ('x = "depth"', 'x = "deep"'),
        ('variant = "shifted"', 'variant = "none"'),
        ("spread = 0.5", "spread = -1"),
    )
    keys = [line.partition(":")[0] for line in lines]
    assert sorted(keys) == [
        "figure 1, title",
        "figure 1, x",
        "grid 1, models",
        "grid 2, regimes",
        "paper 1, spread",
        "replicates",
        "variant 2, set",
    ]


def test_nothing_but_a_name(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n')
    with pytest.raises(StudyError) as caught:
        load_study(path)
    text = str(caught.value)
    assert 'name: is not a setting; received "mine".' in text
    assert "grid: is missing; it must be one or more tables [[grid]]" in text
    assert "figure: is missing; it must be one or more tables [[figure]]" in text
    assert "about: is missing; it must be a table" in text
