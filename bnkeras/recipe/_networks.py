"""`[model]`: the networks of recipes, their settings, defaults and meaning."""

from typing import Annotated, Any, Literal

from pydantic import Field

from bnkeras.recipe import _types as t
from bnkeras.settings.section import Section


class ModelSettings(Section):
    """What every network's `[model]` table has."""

    network: str = Field(description="the builder of the network")
    regime: t.Regime = Field(description="which variables train")
    features: t.Law = Field("he_normal", description="initialisation law of the kernels")
    gamma: t.Law = Field("uniform(0, 1)", description="law of the scales γ of the norm layers")
    beta: t.Law = Field("constant(0)", description="law of the shifts β of the norm layers")
    norm: Literal["batch", "instance", "group", "layer"] = Field(
        "batch", description='what is normalized: "batch", "instance", "group" or "layer"'
    )
    classes: t.Count = Field(10, description="number of logits")

    def build_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments for `bnkeras.build(network, ...)`, without the seed."""
        return self.model_dump(exclude={"network", "regime"}, exclude_none=True)


class ResnetCifar(ModelSettings):
    """`[model]` of a CIFAR ResNet."""

    network: Literal["resnet_cifar"] = Field(description="the builder of the network")
    depth: t.CifarDepth = Field(description="layers with weights: 6n + 2")
    width: t.CifarWidth = Field(1, description="factor on the 16, 32 and 64 channels")
    input_shape: t.Shape = Field((32, 32, 3), description="height, width, channels")


class ResnetImagenet(ModelSettings):
    """`[model]` of an ImageNet ResNet, which takes images of any size."""

    network: Literal["resnet_imagenet"] = Field(description="the builder of the network")
    depth: t.ImagenetDepth = Field(description="layers with weights: 18, 34, 50, 101 or 200")
    width: t.Width = Field(1, description="factor on the 64, 128, 256 and 512 channels")
    classes: t.Count = Field(1000, description="number of logits")


class VggCifar(ModelSettings):
    """`[model]` of a VGG network for small images."""

    network: Literal["vgg_cifar"] = Field(description="the builder of the network")
    depth: t.VggDepth = Field(description="layers with weights: 11, 13, 16 or 19")
    width: t.Width = Field(1, description="factor on the 64, 128, 256 and 512 channels")
    input_shape: t.Shape = Field((32, 32, 3), description="height, width, channels")


class Mlp(ModelSettings):
    """`[model]` of the image perceptron."""

    network: Literal["mlp"] = Field(description="the builder of the network")
    hidden: t.Units = Field((1024, 512, 256), description="units of the hidden layers")
    input_shape: t.Shape = Field((32, 32, 3), description="height, width, channels")


class TweetLstm(ModelSettings):
    """`[model]` of the LSTM over words, with what makes words of a text."""

    network: Literal["tweet_lstm"] = Field(description="the builder of the network")
    features: t.Law | None = Field(
        None, description="law of the LSTM's and output kernels; unset: PyTorch's"
    )
    gamma: t.Law = Field("constant(1)", description="law of the scales γ of the norm layers")
    embedding: t.Count | None = Field(
        None, description="values of a word's vector; unset: 200, or as the GloVe file has"
    )
    units: t.Count = Field(100, description="units of the LSTM")
    classes: t.Count = Field(2, description="number of logits")
    tokenizer: Literal["papers", "unicode_script", "wordpiece"] = Field(
        "papers", description='"papers", or of tensorflow-text "unicode_script", "wordpiece"'
    )
    minimum_count: t.Count = Field(
        2, description="occurrences in the training texts that give a word its own vector"
    )
    glove: t.Text | None = Field(
        None, description="GloVe vectors: the path of their text format, gzipped or not"
    )
    glove_export: Literal["reference", "copy"] = Field(
        "reference", description='GloVe vectors lie beside the export, or in it: "copy"'
    )

    def build_arguments(self) -> dict[str, Any]:
        """Return what is known of the arguments before the texts are read."""
        text = {"tokenizer", "minimum_count", "glove", "glove_export"}
        return {key: value for key, value in super().build_arguments().items() if key not in text}


Network = Annotated[
    ResnetCifar | ResnetImagenet | VggCifar | Mlp | TweetLstm, Field(discriminator="network")
]

# A new network is a class above and an entry in both of these.
NETWORKS: dict[str, type[ModelSettings]] = {
    "resnet_cifar": ResnetCifar,
    "resnet_imagenet": ResnetImagenet,
    "vgg_cifar": VggCifar,
    "mlp": Mlp,
    "tweet_lstm": TweetLstm,
}
