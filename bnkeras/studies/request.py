"""What was asked for of a study, kept so that its report knows its members."""

import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bnkeras.errors import InputError
from bnkeras.files import write_json
from bnkeras.studies.budget import FULL, Budget
from bnkeras.studies.definition import Study
from bnkeras.studies.grid import Member, members

_FILE = "study.json"


@dataclass(frozen=True)
class Request:
    """A study and the options that choose its members.

    Attributes:
        study: a shipped name, or the absolute path of a TOML file.
        budget: how long each member trains.
        replicates: how many seeds; None for as many as the study has.
        models: only these; all, where none is named.
        regimes: likewise.

    Example:
        >>> request = Request("cifar_depth", Budget(0.02), replicates=2, models=("resnet14",))
        >>> request.write(Path("runs/studies/cifar_depth"))
        >>> Request.read(Path("runs/studies/cifar_depth")) == request
        True
    """

    study: str
    budget: Budget = FULL
    replicates: int | None = None
    models: tuple[str, ...] = ()
    regimes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the folder of the study's reports is called."""
        return Path(self.study).stem if os.sep in self.study else self.study

    def members(self, study: Study) -> list[Member]:
        """Return the members of `study`, which is the one that the request names."""
        return members(
            study,
            self.budget,
            replicates=self.replicates,
            models=self.models,
            regimes=self.regimes,
        )

    def write(self, folder: Path) -> None:
        """Write `study.json` into the folder of the study's reports."""
        folder.mkdir(parents=True, exist_ok=True)
        # Shards that start together write the same, each a file of its own until it is renamed.
        own = folder / f".{uuid.uuid4().hex}"
        write_json(own, self._as_dict())
        own.replace(folder / _FILE)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return what `folder` says was asked for.

        Raises:
            InputError: it says nothing, or nothing that can be understood.
        """
        file = folder / _FILE
        try:
            asked = json.loads(file.read_text("utf-8"))
            return cls(
                study=str(asked["study"]),
                budget=Budget.parse(str(asked["budget"])),
                replicates=asked["replicates"],
                models=tuple(asked["models"]),
                regimes=tuple(asked["regimes"]),
            )
        except FileNotFoundError:
            raise InputError(
                f"{folder} has no {_FILE}, which a study writes when it begins. Run it first, "
                f"with the same --out: bnkeras study run NAME."
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{file} cannot be read ({error}). `bnkeras study run` writes it anew."
            ) from error

    def _as_dict(self) -> dict[str, Any]:
        return {
            "study": self.study,
            "budget": str(self.budget),
            "replicates": self.replicates,
            "models": list(self.models),
            "regimes": list(self.regimes),
        }
