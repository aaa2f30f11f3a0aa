"""What a search space is: the settings of a recipe that are searched, and between which values."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, Strict

from bnkeras.settings import types as t
from bnkeras.settings.section import Section

Scale = Literal["linear", "log"]

_SETTING = "a setting of recipes, such as train.learning_rate"
_WHEN = "only where a [[choice]] has this value, such as train.optimizer=adam"
_SCALE = '"linear", or "log": as likely between 0.01 and 0.1 as between 0.1 and 1'


def _several(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(values) < 2:
        raise AssertionError
    return values


Values = Annotated[
    tuple[str | bool | int | float, ...],
    Strict(False),
    AfterValidator(_several),
    t.Rule("a list of two or more values"),
]
Number = Annotated[float, t.Rule("a number")]


class About(Section):
    """`[about]`: what a space is."""

    title: t.Text = Field(description="what is searched, in one line")
    source: t.Text | None = Field(None, description="where the bounds come from")


class Choice(Section):
    """`[[choice]]`: a setting that has one of these values."""

    setting: t.Text = Field(description=_SETTING)
    values: Values = Field(description="the values, all of one kind")
    when: t.Text | None = Field(None, description=_WHEN)


class Range(Section):
    """`[[range]]`: a setting that is a number between two others."""

    setting: t.Text = Field(description=_SETTING)
    low: Number = Field(alias="from", description="the least value")
    high: Number = Field(alias="to", description="the greatest value")
    scale: Scale = Field("linear", description=_SCALE)
    when: t.Text | None = Field(None, description=_WHEN)


class Law(Section):
    """`[[law]]`: a setting that is an initialisation law, and the number x in it."""

    setting: t.Text = Field(description="a setting that is a law, such as model.gamma")
    laws: t.Some = Field(description='laws, with an x in them or without, such as "uniform(0, x)"')
    low: Number | None = Field(None, alias="from", description="the least x")
    high: Number | None = Field(None, alias="to", description="the greatest x")
    scale: Scale = Field("linear", description=_SCALE)
    when: t.Text | None = Field(None, description=_WHEN)


Parameter = Choice | Range | Law


def _tables(section: type[Section], name: str) -> Any:
    return Annotated[tuple[section, ...], Strict(False), t.Rule(f"tables [[{name}]]")]


class Document(Section):
    """A search space as its file gives it."""

    about: About
    epochs: t.Count = Field(8, description="that a trial trains, where the command says nothing")
    set: t.Texts = Field((), description="settings of all trials, as after --set")
    choice: _tables(Choice, "choice") = ()
    range: _tables(Range, "range") = ()
    law: _tables(Law, "law") = ()

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All that is searched; what others depend on comes first."""
        found: tuple[Parameter, ...] = (*self.choice, *self.law, *self.range)
        return tuple(sorted(found, key=lambda parameter: parameter.when is not None))


class Space(Document):
    """A search space, with the name of its file."""

    name: t.Text = Field(description="what it is called: the name of its file without .toml")
