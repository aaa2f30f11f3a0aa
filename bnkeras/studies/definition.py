"""What a study is: grids of recipes, the figures drawn of them, and the paper's values."""

from typing import Annotated, Literal

from pydantic import Field, Strict

from bnkeras.settings import types as t
from bnkeras.settings.section import Section

Measure = Literal["accuracy", "top5", "small_gamma", "dead_relus"]
Axis = Literal["depth", "width", "k", "parameters", "model", "variant"]


class About(Section):
    """`[about]`: what a study asks, and of which figure it is."""

    title: t.Text = Field(description="what it is, in one line")
    source: t.Text = Field(description="paper and figure")
    question: t.Text = Field(description="what its report opens with")
    found: t.Text | None = Field(
        None, description="what the paper found, as far as it is not a value of one member"
    )


class Grid(Section):
    """`[[grid]]`: each of these models with each of these regimes, and every variant."""

    models: t.Some = Field(description="model parts of recipes, such as resnet14")
    regimes: t.Some = Field(description="regimes, such as bnonly or random2")
    set: t.Texts = Field((), description="settings as after --set")
    series: t.Text | None = Field(None, description="its name in figures, in place of the regime's")


class Variant(Section):
    """`[[variant]]`: settings with which every member of every grid runs once."""

    name: t.Text = Field(description="its name, in figures too")
    set: t.Texts = Field((), description="settings as after --set")


class Figure(Section):
    """`[[figure]]`: one picture of the report."""

    kind: Literal["accuracy", "slopes", "scales", "small_scales", "clamping", "zeros"] = Field(
        description="what is drawn"
    )
    title: t.Text = Field(description="its title")
    x: Axis = Field(
        "depth",
        description="what stands along the axis, or makes the columns of panels; along k, series "
        'without one are horizontal lines; "parameters" are those that train',
    )
    lines: Literal["series", "variant", "model"] = Field(
        "series", description="what has a colour of its own, or makes the rows of panels"
    )
    measure: Measure = Field("accuracy", description='what is drawn where the kind is "accuracy"')
    of: Literal["gamma", "beta"] = Field("gamma", description="what is drawn of scales")
    series: t.Texts = Field(
        (), description="the series to draw, in this order; all, where none is named"
    )
    models: t.Texts = Field((), description="the models to draw; all, where none is named")


class PaperValue(Section):
    """`[[paper]]`: a value that a paper gives of a member, in %.

    What the recipes themselves expect need not be repeated.
    """

    model: t.Text = Field(description="the model part of its recipe")
    regime: t.Text = Field(description="its regime")
    variant: t.Text | None = Field(None, description="its variant")
    measure: Measure = Field("accuracy", description="what the value is of")
    value: t.Accuracy = Field(description="the value, %")
    upto: t.Accuracy | None = Field(
        None, description="where the paper gives a range: its upper end, and value the lower"
    )
    spread: t.NotNegative | None = Field(None, description="standard deviation, %")
    source: t.Text = Field(alias="from", description="where it stands")


class Document(Section):
    """A study as its file gives it."""

    about: About
    replicates: t.Count = Field(5, description="seeds 0, 1, … of each member")
    set: t.Texts = Field((), description="settings of all members, as after --set")
    grid: Annotated[
        tuple[Grid, ...], Strict(False), Field(min_length=1), t.Rule("one or more tables [[grid]]")
    ]
    variant: Annotated[tuple[Variant, ...], Strict(False), t.Rule("tables [[variant]]")] = ()
    figure: Annotated[
        tuple[Figure, ...],
        Strict(False),
        Field(min_length=1),
        t.Rule("one or more tables [[figure]]"),
    ]
    paper: Annotated[tuple[PaperValue, ...], Strict(False), t.Rule("tables [[paper]]")] = ()


class Study(Document):
    """A study, with the name of its file."""

    name: t.Text = Field(description="what it is called: the name of its file without .toml")
