"""Running the members of a study one after another, each in a process of its own."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bnkeras.studies.grid import Member
from bnkeras.studies.member import Job
from bnkeras.studies.member_files import MemberFiles
from bnkeras.studies.outcomes import outcome_of
from bnkeras.studies.process import Process


class Watcher:
    """What is told while members run; a subclass overrides what it wants to know."""

    def skipped(self, member: Member, figures: dict[str, Any]) -> None:
        """Hear that `member` had been finished before, and the `figures` of its `result.json`."""

    def started(self, member: Member) -> None:
        """Hear that the process of `member` starts."""

    def progressed(self, member: Member, progress: dict[str, Any]) -> None:
        """Hear how far a member is.

        Args:
            member: the member.
            progress: `step` of `steps`, over all `epochs`; `pace`, seconds per epoch, once it is
                known; `metrics` of the epoch at the end of one.
        """

    def finished(self, member: Member, figures: dict[str, Any], seconds: float) -> None:
        """Hear the `figures` of `member` as in `skipped`, and the `seconds` that this time took."""

    def failed(self, member: Member, error: str, record: Path) -> None:
        """Hear the `error` that ended `member`, and which file, `record`, has the details."""

    def elsewhere(self, member: Member) -> None:
        """Hear that another process trains `member`."""


@dataclass
class Tally:
    """What became of the members in one call.

    Attributes:
        finished: figures by the directory of the member, those of earlier calls included.
        failed: why, likewise.
        elsewhere: those that another process trains.
    """

    finished: dict[Path, dict[str, Any]] = field(default_factory=dict)
    failed: dict[Path, str] = field(default_factory=dict)
    elsewhere: list[Member] = field(default_factory=list)


def run_members(
    members: Sequence[Member],
    folder: Path,
    *,
    data_dir: Path | None = None,
    watcher: Watcher | None = None,
    command: Sequence[str] | None = None,
) -> Tally:
    """Run what is not finished of `members`, and go on after one that fails.

    Each trains in a process of its own, so that its memory is given back and its death is
    not that of the study. One that was stopped goes on from its checkpoint. One that another
    process is training, be it on another machine with the same disk, is left to that one, and
    looked at once more in the end.

    When this process is interrupted or killed, the one that trains stops with a checkpoint.

    Args:
        members: what to run, in this order.
        folder: the folder of all members.
        data_dir: where datasets lie; None for the default.
        watcher: is told what happens.
        command: recorded as the command of each run; that of this process if None.

    Raises:
        KeyboardInterrupt: this process was interrupted; the process that trained has stopped.
    """
    watcher = watcher or Watcher()
    tally = Tally()
    words = tuple(sys.argv if command is None else command)
    for last_look in (False, True):
        waiting = tally.elsewhere if last_look else members
        tally.elsewhere = []
        for member in waiting:
            _run(member, folder, data_dir, words, watcher, tally)
    return tally


def _run(
    member: Member,
    folder: Path,
    data_dir: Path | None,
    command: tuple[str, ...],
    watcher: Watcher,
    tally: Tally,
) -> None:
    files = MemberFiles(folder, member)
    done = outcome_of(member, folder).figures
    files.forget_failure()
    if done is not None:
        tally.finished[member.directory] = done
        watcher.skipped(member, done)
        return
    watcher.started(member)
    began = time.monotonic()
    job = Job(member.recipe, files.directory, data_dir, command)
    with Process(job, member.directory.as_posix()) as process:
        for event in process.events():
            match event["event"]:
                case "progress":
                    watcher.progressed(member, event)
                case "finished":
                    tally.finished[member.directory] = event["figures"]
                    watcher.finished(member, event["figures"], time.monotonic() - began)
                case "failed":
                    files.record_failure(event["error"], event["details"])
                    tally.failed[member.directory] = event["error"]
                    watcher.failed(member, event["error"], files.failure)
                case "elsewhere":
                    tally.elsewhere.append(member)
                    watcher.elsewhere(member)
