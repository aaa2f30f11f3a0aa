"""The base of every table of settings."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of settings: nothing unknown, nothing converted, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
