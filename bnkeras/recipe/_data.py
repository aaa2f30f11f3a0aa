"""`[data]`: what a recipe trains on, and what is done to it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, Tag

from bnkeras.pipelines import DATASETS
from bnkeras.recipe import _types as t
from bnkeras.settings.section import Section

# That of photographs where a recipe says nothing else.
DEFAULT_IMAGE_SIZE = 224


class DataSettings(Section):
    """What `[data]` has of images and texts alike."""

    dataset: t.Dataset = Field(description="what to train on")
    fingerprint: t.Text | None = Field(
        None, description="refuse data prepared from another source than this"
    )
    validation: t.Percent = Field(0, description="% of the training examples held out")


class ImageData(DataSettings):
    """`[data]` of images."""

    flip: t.Flag = Field(False, description="mirror half of the images, at random")
    scale: Literal["channel", "unit"] = Field(
        "channel", description='"channel": mean and deviation; "unit": [0, 1]'
    )
    translate: t.Amount = Field(0, description="random shift of up to so many pixels")
    image_size: t.Count | None = Field(
        None, description="height and width that photographs are resized to"
    )
    crop_scale: t.CropScale | None = Field(
        None, description="share of a photograph's area in a training crop, from, to"
    )
    crop_aspect: t.CropAspect | None = Field(
        None, description="width over height of a training crop, from, to"
    )


class TextData(DataSettings):
    """`[data]` of texts."""


DATA: dict[str, type[DataSettings]] = {"images": ImageData, "texts": TextData}


def data_kind(dataset: Any) -> str:
    """Return the key in `DATA` of a dataset's settings."""
    spec = DATASETS.get(dataset) if isinstance(dataset, str) else None
    return "texts" if spec is not None and spec.kind == "texts" else "images"


def unused_settings(kind: str, fixed_size: bool) -> dict[str, str]:
    """Return the settings that images of another kind than `kind` have: {name: why}.

    Those of photographs are passed over unless the network has a `fixed_size`: recipes of
    others have them, and small images are taken as they are.
    """
    if kind == "jpegs":
        return {"translate": "is for images of one small size"}
    if kind == "pixels" and fixed_size:
        photographs = ("image_size", "crop_scale", "crop_aspect")
        return dict.fromkeys(photographs, "is for photographs of many sizes")
    return {}


def _tag(value: Any) -> str:
    if isinstance(value, BaseModel):
        return data_kind(value.dataset)
    return data_kind(value.get("dataset") if isinstance(value, dict) else None)


Data = Annotated[
    Annotated[ImageData, Tag("images")] | Annotated[TextData, Tag("texts")], Discriminator(_tag)
]
