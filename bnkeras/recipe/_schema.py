"""The settings of a recipe: their names, types, defaults and meaning."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bnkeras.pipelines import DATASETS
from bnkeras.recipe import _types as t
from bnkeras.regimes import REGIMES


class Section(BaseModel):
    """A table of a recipe: nothing unknown, nothing converted, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class About(Section):
    """What a recipe is, where it comes from, what it takes."""

    title: t.Text | None = Field(None, description="what it is, in one line")
    source: t.Text | None = Field(None, description="paper and section, or who chose the settings")
    hardware: t.Text | None = Field(None, description="what the duration was measured on")
    duration: t.Text | None = Field(None, description="how long it takes there")


class Expected(Section):
    """The test accuracy that a recipe is expected to reach."""

    accuracy: t.Accuracy = Field(description="test accuracy, %")
    spread: t.NotNegative | None = Field(None, description="standard deviation over the seeds, %")
    seeds: t.Count | None = Field(None, description="how many runs the accuracy is the mean of")
    source: t.Text = Field(alias="from", description='"paper: …" or "measured here: …"')

    def __str__(self) -> str:
        """Return the accuracy with its spread, such as `48.0% ± 0.6`."""
        spread = "" if self.spread is None else f" ± {self.spread:g}"
        return f"{self.accuracy:.1f}%{spread}"


class ModelSettings(Section):
    """What every network's `[model]` table has."""

    network: str = Field(description="the builder of the network")
    regime: Annotated[str, t.OneOf(lambda: REGIMES)] = Field(description="which variables train")
    features: t.Law = Field("he_normal", description="initialisation law of the kernels")
    gamma: t.Law = Field("uniform(0, 1)", description="law of the BatchNorm scales")
    beta: t.Law = Field("constant(0)", description="law of the BatchNorm shifts")

    def build_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments for `bnkeras.build(network, ...)`, without the seed."""
        return self.model_dump(exclude={"network", "regime"})


class ResnetCifar(ModelSettings):
    """`[model]` of a CIFAR ResNet."""

    network: Literal["resnet_cifar"] = Field(description="the builder of the network")
    depth: t.Depth = Field(description="layers with weights: 6n + 2")
    width: t.Width = Field(1, description="factor on the 16, 32 and 64 channels")
    classes: t.Count = Field(10, description="number of logits")
    input_shape: t.Shape = Field((32, 32, 3), description="height, width, channels")


class Mlp(ModelSettings):
    """`[model]` of the image perceptron."""

    network: Literal["mlp"] = Field(description="the builder of the network")
    hidden: t.Units = Field((1024, 512, 256), description="units of the hidden layers")
    classes: t.Count = Field(10, description="number of logits")
    input_shape: t.Shape = Field((32, 32, 3), description="height, width, channels")


# A new network is a class above and an entry here and in `Document.model`.
NETWORKS: dict[str, type[ModelSettings]] = {"resnet_cifar": ResnetCifar, "mlp": Mlp}


class DataSettings(Section):
    """`[data]`: the images and what is done to them."""

    dataset: Annotated[str, t.OneOf(lambda: DATASETS)] = Field(description="what to train on")
    fingerprint: t.Text | None = Field(
        None, description="refuse data prepared from another source than this"
    )
    validation: t.Percent = Field(0, description="% of the training images held out")
    translate: t.Amount = Field(0, description="random shift of up to so many pixels")
    flip: t.Flag = Field(False, description="mirror half of the images, at random")
    scale: Literal["channel", "unit"] = Field(
        "channel", description='"channel": mean and deviation; "unit": [0, 1]'
    )


class TrainSettings(Section):
    """`[train]`: the optimizer, its schedule, and what is kept."""

    epochs: t.Count = Field(description="passes over the training images")
    batch_size: t.Count = Field(description="images in a step, over all devices")
    optimizer: Literal["sgd", "adam"] = Field(description='"sgd" or "adam"')
    learning_rate: t.Positive = Field(description="at the start, or after the warm-up")
    momentum: t.Fraction = Field(0.0, description="of sgd; adam has none")
    l2: t.NotNegative = Field(0.0, description="coupled: gradient += l2 · weight, γ and β too")
    milestones: t.Milestones = Field(
        (), description="the rate drops as these epochs start, if there are so many"
    )
    decay: t.Factor = Field(0.1, description="the factor of each drop")
    warmup_epochs: t.Amount = Field(0, description="epochs of linear rise to the learning rate")
    precision: Literal["float32", "mixed_bfloat16"] = Field(
        "float32", description='"float32" or "mixed_bfloat16"'
    )
    keep: Literal["last", "best"] = Field(
        "last", description='weights of the "last" epoch, or of the "best" validation loss'
    )
    checkpoint_minutes: t.Positive = Field(5.0, description="minutes between checkpoints")


class StrategySettings(Section):
    """`[strategy]`: the devices."""

    name: Literal["auto", "single", "mirrored"] = Field(
        "auto", description='"auto", "single" device, or "mirrored" over all GPUs'
    )


class Settings(Section):
    """All that decides what a run does."""

    seed: t.Seed = Field(0, description="of weights, shuffling and augmentation")
    model: Annotated[ResnetCifar | Mlp, Field(discriminator="network")]
    data: DataSettings
    train: TrainSettings
    strategy: StrategySettings = StrategySettings()


class Document(Settings):
    """Everything that the parts and files of a recipe may hold, but for `extends`."""

    about: About = About()
    expected: dict[Annotated[str, t.OneOf(lambda: REGIMES)], Expected] = {}
    excludes: dict[Annotated[str, t.OneOf(lambda: REGIMES)], t.Text] = {}


def keys(network: str | None = None) -> list[str]:
    """Return the dotted names of all settings, of one network or of all."""
    found = ["seed"]
    chosen = [NETWORKS[network]] if network in NETWORKS else list(NETWORKS.values())
    sections = [("model", section) for section in chosen]
    sections += [("data", DataSettings), ("train", TrainSettings), ("strategy", StrategySettings)]
    for name, section in sections:
        found += [f"{name}.{key}" for key in section.model_fields]
    return list(dict.fromkeys(found))
