"""How far a member is, read from its files."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnkeras.errors import RecipeError
from bnkeras.files import write_json
from bnkeras.recipe import load
from bnkeras.studies.grid import Member


@dataclass(frozen=True)
class State:
    """What the files of a member say.

    Attributes:
        figures: its `result.json`, None until it is finished.
        rows: its `metrics.json`: a row per epoch.
        failure: the error with which it ended when it was last tried, or None.
        begun: whether there is a run of it.
    """

    figures: dict[str, Any] | None
    rows: list[dict[str, Any]]
    failure: str | None
    begun: bool

    @property
    def name(self) -> str:
        """`finished`, `failed`, `unfinished` (stopped, or it runs now) or `not begun`."""
        if self.figures is not None:
            return "finished"
        if self.failure is not None:
            return "failed"
        return "unfinished" if self.begun else "not begun"


class MemberFiles:
    """The files of one member below the folder of all members.

    | file | content |
    |---|---|
    | `NAME/seed0/` | the run directory |
    | `NAME/seed0.failure.json` | why it failed when it was last tried |
    """

    def __init__(self, folder: Path, member: Member):
        self.directory = folder / member.directory
        self.failure = self.directory.with_name(f"{self.directory.name}.failure.json")
        self._member = member

    def state(self) -> State:
        """Return how far the member is.

        What cannot be read is as if it were not there: training says what is wrong with it.
        """
        failure = _read(self.failure, dict) or {}
        if not self._is_of_the_recipe():
            return State(None, [], failure.get("error"), begun=False)
        return State(
            figures=_read(self.directory / "result.json", dict),
            rows=_read(self.directory / "metrics.json", list) or [],
            failure=failure.get("error"),
            begun=True,
        )

    def record_failure(self, error: str, details: str) -> None:
        """Keep why the member failed."""
        self.failure.parent.mkdir(parents=True, exist_ok=True)
        lines = details.rstrip().splitlines()
        write_json(self.failure, {"member": str(self._member), "error": error, "details": lines})

    def forget_failure(self) -> None:
        """Remove what is kept of a failure."""
        self.failure.unlink(missing_ok=True)

    def _is_of_the_recipe(self) -> bool:
        # Not the finer comparison of RunDirectory: to import it is to wait for TensorFlow. Where
        # this one finds a difference, a process is started, and finds out whether it matters.
        recipe = self.directory / "recipe.toml"
        try:
            return recipe.exists() and load(recipe) == self._member.recipe
        except (OSError, RecipeError):
            return False


def _read(file: Path, kind: type) -> Any:
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, kind) else None
