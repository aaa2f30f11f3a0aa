"""The files of a member, below the folder of all members."""

import json
from pathlib import Path

from bnkeras.files import write_json
from bnkeras.studies.grid import Member


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

    def last_failure(self) -> str | None:
        """Return the error with which the member ended when it was last tried, None without one."""
        try:
            found = json.loads(self.failure.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            return f"{self.failure} cannot be read ({error})."
        error = found.get("error") if isinstance(found, dict) else None
        return error if isinstance(error, str) else f"{self.failure} does not say why."

    def record_failure(self, error: str, details: str) -> None:
        """Keep why the member failed."""
        self.failure.parent.mkdir(parents=True, exist_ok=True)
        lines = details.rstrip().splitlines()
        write_json(self.failure, {"member": str(self._member), "error": error, "details": lines})

    def forget_failure(self) -> None:
        """Remove what is kept of a failure."""
        self.failure.unlink(missing_ok=True)
