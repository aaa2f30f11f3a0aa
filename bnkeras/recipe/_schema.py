"""The settings of a recipe: their names, types, defaults and meaning."""

from typing import Literal

from pydantic import Field

from bnkeras.recipe import _types as t
from bnkeras.recipe._data import DATA, Data
from bnkeras.recipe._networks import NETWORKS, Network
from bnkeras.settings.section import Section


class About(Section):
    """What a recipe is, where it comes from, what it takes."""

    title: t.Text | None = Field(None, description="what it is, in one line")
    source: t.Text | None = Field(None, description="paper and section, or who chose the settings")
    hardware: t.Text | None = Field(None, description="what the duration was measured on")
    duration: t.Text | None = Field(None, description="how long it takes there")


class Expected(Section):
    """The test accuracy that a recipe is expected to reach."""

    accuracy: t.Accuracy = Field(description="test accuracy, %")
    top5: t.Flag = Field(False, description="whether it is enough to be among the first five")
    spread: t.NotNegative | None = Field(None, description="standard deviation over the seeds, %")
    seeds: t.Count | None = Field(None, description="how many runs the accuracy is the mean of")
    source: t.Text = Field(alias="from", description='"paper: …" or "measured here: …"')

    def __str__(self) -> str:
        """Return the accuracy with its spread, such as `48.0% ± 0.6`."""
        spread = "" if self.spread is None else f" ± {self.spread:g}"
        return f"{self.accuracy:.1f}%{spread}{' top-5' if self.top5 else ''}"


class TrainSettings(Section):
    """`[train]`: the optimizer, its schedule, and what is kept."""

    epochs: t.Count = Field(description="passes over the training examples")
    batch_size: t.Count = Field(description="examples in a step, over all devices")
    optimizer: Literal["sgd", "adam"] = Field(description='"sgd" or "adam"')
    learning_rate: t.Positive = Field(description="the highest: at the start, or after the rise")
    momentum: t.Fraction = Field(0.0, description="of sgd; adam has none")
    l2: t.NotNegative = Field(0.0, description="coupled: gradient += l2 · weight, γ and β too")
    schedule: Literal["steps", "cosine", "one_cycle"] = Field(
        "steps",
        description='"steps": drops at milestones; "cosine": falls to 0; "one_cycle": rises for '
        "30% of all steps, then falls; the momentum stays",
    )
    milestones: t.Milestones = Field(
        (), description='of "steps": the rate drops as these epochs start, if there are so many'
    )
    decay: t.Factor = Field(0.1, description='of "steps": the factor of each drop')
    warmup_epochs: t.Amount = Field(
        0, description='of "steps" and "cosine": epochs of linear rise to the learning rate'
    )
    precision: Literal["float32", "mixed_bfloat16", "auto"] = Field(
        "float32",
        description='"float32", "mixed_bfloat16", or "auto": what a few steps show to be faster',
    )
    keep: Literal["last", "best"] = Field(
        "last", description='weights of the "last" epoch, or of the "best" validation loss'
    )
    checkpoint_minutes: t.Positive = Field(5.0, description="minutes between checkpoints")
    steps_per_execution: t.Count = Field(
        1, description="steps in one call into TensorFlow, for small networks; changes no bit"
    )

    def unused(self) -> tuple[str, ...]:
        """Return the settings that have no part in the schedule.

        They are no fault, so that a recipe with milestones can be given another schedule.
        """
        return () if self.schedule == "steps" else ("milestones", "decay")


class StrategySettings(Section):
    """`[strategy]`: the devices."""

    name: Literal["auto", "single", "mirrored", "multiworker"] = Field(
        "auto",
        description='"single" device, "mirrored" over all GPUs, "multiworker" after TF_CONFIG, '
        'or "auto"',
    )
    sync_bn: t.Flag = Field(
        False, description="whether batch statistics are of the whole batch, not each device's"
    )
    logical_cpus: t.Count = Field(
        2, description='CPU devices that "mirrored" makes of one machine without GPUs'
    )
    timeout_seconds: t.Positive = Field(
        600.0, description="how long a worker waits for one that is missing or stuck"
    )


class Settings(Section):
    """All that decides what a run does."""

    seed: t.Seed = Field(0, description="of weights, shuffling and augmentation")
    model: Network
    data: Data
    train: TrainSettings
    strategy: StrategySettings = StrategySettings()


class Document(Settings):
    """Everything that the parts and files of a recipe may hold, but for `extends`."""

    about: About = About()
    expected: dict[t.Regime, Expected] = Field({})
    excludes: dict[t.Regime, t.Text] = Field({})


def keys(network: str | None = None) -> list[str]:
    """Return the dotted names of all settings, of one network or of all."""
    found = ["seed"]
    chosen = [NETWORKS[network]] if network in NETWORKS else list(NETWORKS.values())
    sections: list[tuple[str, type[Section]]] = [("model", section) for section in chosen]
    sections += [("data", section) for section in DATA.values()]
    sections += [("train", TrainSettings), ("strategy", StrategySettings)]
    for name, section in sections:
        found += [f"{name}.{key}" for key in section.model_fields]
    return list(dict.fromkeys(found))
