"""Pictures and the page of an analysis, of numbers made up."""

import re

import numpy as np
import pytest

from bnkeras.analysis.activations import ReluZeros
from bnkeras.analysis.analysis import Analysis, LeftOut, Subject
from bnkeras.analysis.analysis_figures import filters_figure, layers_figure, near_zero_figure
from bnkeras.analysis.analysis_report import main_numbers, write_report
from bnkeras.analysis.clamping import Clamping
from bnkeras.analysis.filters import FirstFilters
from bnkeras.analysis.papers import reported
from bnkeras.analysis.recalibration import Recalibration, StatisticsShift
from bnkeras.analysis.scales import NormScales

PICTURES = ("scales", "layers", "near_zero", "clamping", "zeros", "filters", "recalibration")


def made(norms=3, depth=110, **parts):
    draw = np.random.default_rng(0)
    gamma = [np.where(draw.random(20) < 0.3, 0, draw.normal(size=20)) for _ in range(norms)]
    scales = [
        NormScales(f"block{i}_<bn>", one.astype(np.float32), draw.normal(size=20))
        for i, one in enumerate(gamma)
    ]
    return Analysis(
        Subject(
            export="runs/x/export",
            manifest_sha256="abc",
            task=None,
            network="resnet_cifar",
            arguments={"depth": depth, "width": 1, "norm": "batch"},
            regime="bnonly",
            recipe="resnet110_bnonly",
            title="ResNet & more",
            dataset={"name": "cifar10", "source": None, "sha256": "d", "as_trained": False},
            parameters={"total": 1_730_000, "trainable": 8290},
            bnkeras="0",
        ),
        tuple(scales),
        **parts,
    )


@pytest.fixture(scope="module")
def parts():
    draw = np.random.default_rng(1)
    counts = np.array([0, 100, 200, 600])
    return {
        "clamping": Clamping(
            np.array([0, 0.01, 0.1, 1]), counts, 600, np.array([69, 69, 60, 10]), 99 - counts, 100
        ),
        "activations": tuple(
            ReluZeros(f"relu{i}", draw.integers(0, 1001, 20), 1000) for i in range(3)
        ),
        "filters": FirstFilters(
            "stem_conv",
            "stem_bn",
            16,
            np.arange(16),
            np.linspace(2, 0, 16),
            draw.normal(size=(16, 3, 3, 3)).astype(np.float32),
        ),
        "recalibration": Recalibration(
            50, 128, 100, 69, 70, 98, (StatisticsShift("bn", 0.1, 1.1),) * 3
        ),
    }


@pytest.fixture(scope="module")
def page(parts, tmp_path_factory):
    return write_report(made(**parts), tmp_path_factory.mktemp("report"))


def test_the_page_has_the_numbers_and_loads_nothing(page):
    html = page.read_text("utf-8")
    assert page.name == "report.html"
    assert "<title>Analysis: ResNet &amp; more</title>" in html
    assert "block0_&lt;bn&gt;" in html
    assert "1,730,000, of which 8,290 train" in html
    assert "prepared from another source" in html
    assert "69.0%" in html  # the accuracy
    assert "27% (ResNet-110)" in html
    assert "69.00% with the statistics as trained and 70.00% with the new ones" in html
    assert html.count("<figure>") == len(PICTURES)
    sources = re.findall(r'(?:src|href)="([^"]{0,40})', html)
    assert sources
    assert all(source.startswith("data:") for source in sources)
    assert not re.search(r'<(script|link)\b|(src|href)="https?:', html)
    for name in PICTURES:
        assert page.with_name(f"{name}.png").stat().st_size > 5000
        assert page.with_name(f"{name}.svg").stat().st_size > 5000


def test_what_was_left_out_is_said_and_not_drawn(page, tmp_path):
    for name in PICTURES:  # of an earlier analysis
        for ending in ("png", "svg"):
            file = page.with_name(f"{name}.{ending}")
            (tmp_path / file.name).write_bytes(file.read_bytes())
    write_report(made(left_out=(LeftOut("clamping", "no <data>"),)), tmp_path)
    html = (tmp_path / "report.html").read_text("utf-8")
    assert "<td>Small γ set to zero</td><td>no &lt;data&gt;</td>" in html
    assert html.count("<figure>") == 3
    for name in ("clamping", "zeros", "filters", "recalibration"):
        assert not (tmp_path / f"{name}.png").exists()
        assert not (tmp_path / f"{name}.svg").exists()


def test_many_layers_are_counted_and_few_are_named():
    few, many = (layers_figure(made(norms).scales) for norms in (3, 60))
    labels = [label.get_text() for label in few.axes[1].get_xticklabels()]
    assert labels == ["block0_<bn>", "block1_<bn>", "block2_<bn>"]
    assert many.axes[1].get_xlabel() == "norm, from input to output (60)"
    lines = near_zero_figure(made(60).scales).axes[0].get_lines()
    assert [len(line.get_ydata()) for line in lines] == [60, 60, 60]


def test_filters_of_any_number_and_size_are_drawn():
    kernels = np.ones((40, 8, 8, 2), np.float32)
    one = FirstFilters("conv", None, 1, np.arange(1), np.ones(1), kernels[:1])
    many = FirstFilters("dense", "bn", 99, np.arange(40), np.ones(40), kernels)
    (panel,) = filters_figure(one).axes
    assert panel.get_title("left") == "conv: 1 of 1 filters, as they are"
    before, after = filters_figure(many).axes
    assert len(before.images) == len(after.images) == 40
    assert after.get_title("left") == "dense: 40 of 99 filters, after bn"


def test_filters_that_are_switched_off_are_grey():
    kernels = np.random.default_rng(0).normal(size=(2, 3, 3, 3)).astype(np.float32)
    figure = filters_figure(
        FirstFilters("conv", "bn", 2, np.arange(2), np.array([1.0, 0.0]), kernels)
    )
    on, off = figure.axes[1].images
    assert np.all(np.asarray(off.get_array()) == 0.5)
    assert np.std(np.asarray(on.get_array())) > 0.1


def test_a_network_without_norms(tmp_path):
    empty = made(0)
    assert main_numbers(empty) == []
    assert "no norm" in write_report(empty, tmp_path).read_text("utf-8")


def test_numbers_stand_beside_those_of_the_paper(parts):
    rows = {row[""].strip(): row for row in main_numbers(made(**parts))}
    assert rows["|γ| < 0.01"]["paper"] == "27% (ResNet-110)"
    assert rows["γ, standard deviation"]["paper"] == "0.48 (ResNet-110)"
    assert rows["test accuracy"] == {"": "test accuracy", "here": "69.0%", "paper": None}
    assert rows["statistics measured anew"]["here"] == "70.0%"
    assert rows["ReLU channels zero in > 99%"]["paper"] == "28 to 39% (ResNets for CIFAR-10)"


@pytest.mark.parametrize(
    ("network", "arguments", "regime", "share", "remark"),
    [
        ("resnet_cifar", {"depth": 110}, "all", "4%", "of the same network, with all parameters"),
        ("resnet_imagenet", {"depth": 101, "width": 1}, "bnonly", "33%", "of the same network"),
        ("vgg_cifar", {"depth": 16}, "bnonly", "44 to 48%", "of the same network"),
        ("resnet_cifar", {"depth": 14}, "bnonly", "27%", "no γ of this network; those beside"),
        ("resnet_cifar", {"depth": 110, "norm": "group"}, "bnonly", "27%", "no γ of this network"),
        ("mine", None, None, "27%", "no γ of this network"),
    ],
)
def test_what_the_papers_report(network, arguments, regime, share, remark):
    rows, said = reported(network, arguments, regime)
    assert {row.figure: row.value for row in rows}["gamma_below_0.01"] == share
    assert remark in said
