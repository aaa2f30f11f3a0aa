"""What became of the runs of a study, read from their directories."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Literal, NamedTuple

from bnkeras.analysis.runs import RunRecord, read_run
from bnkeras.errors import RunDirectoryError, RunError
from bnkeras.recipe import WITHOUT_EFFECT
from bnkeras.studies.grid import Member
from bnkeras.studies.member_files import MemberFiles

RunState = Literal["finished", "unfinished", "not begun", "failed", "unreadable"]


@dataclass(frozen=True)
class Outcome:
    """What became of one run.

    Attributes:
        member: which run.
        state: `failed` if it ended with an error when it was last tried; `unreadable` if its
            directory is damaged, or holds the run of another recipe.
        run: what is there of it; None of one that was not begun or cannot be read.
        reason: why it failed or cannot be read.
    """

    member: Member
    state: RunState
    run: RunRecord | None = None
    reason: str | None = None

    @property
    def figures(self) -> dict[str, Any] | None:
        """The `result.json` of one that came to its end, else None."""
        return self.run.result if self.state == "finished" else None

    @property
    def rows(self) -> tuple[dict[str, Any], ...]:
        """The rows of its epochs so far."""
        return () if self.run is None else self.run.rows


class Summary(NamedTuple):
    """What replicates come to.

    Args:
        mean: of their values.
        sd: the sample's standard deviation; None of a single one.
        n: how many.
    """

    mean: float
    sd: float | None
    n: int

    def __str__(self) -> str:
        """Return it as tables show it, such as `43.9 ± 0.4 (3)`."""
        spread = "" if self.sd is None else f" ± {self.sd:.1f}"
        return f"{self.mean:.1f}{spread} ({self.n})"


@dataclass(frozen=True)
class Group:
    """The replicates of what is the same but for the seed.

    Attributes:
        outcomes: one for each seed asked for, one or more.
    """

    outcomes: tuple[Outcome, ...]

    @property
    def member(self) -> Member:
        """The first of them."""
        return self.outcomes[0].member

    @property
    def finished(self) -> tuple[Outcome, ...]:
        """Those that came to their end."""
        return tuple(outcome for outcome in self.outcomes if outcome.state == "finished")

    def __str__(self) -> str:
        """Return what it is, in one line."""
        return str(self.member).rpartition(", seed")[0]


def outcomes(members: Iterable[Member], root: Path) -> list[Outcome]:
    """Return what became of each of `members`, whose runs lie below `root`.

    A directory that cannot be read is an outcome too.
    """
    return [outcome_of(member, root) for member in members]


def groups(found: Iterable[Outcome]) -> list[Group]:
    """Put the replicates of each member together, in the order of the first of each."""
    together: dict[Path, list[Outcome]] = {}
    for outcome in found:
        together.setdefault(outcome.member.directory.parent, []).append(outcome)
    return [Group(tuple(replicates)) for replicates in together.values()]


def summarize(values: Sequence[float]) -> Summary | None:
    """Return mean, sample standard deviation and number of `values`; None without any.

    >>> summarize([1.0, 2.0, 3.0])
    Summary(mean=2.0, sd=1.0, n=3)
    """
    if not values:
        return None
    return Summary(mean(values), stdev(values) if len(values) > 1 else None, len(values))


def outcome_of(member: Member, root: Path) -> Outcome:
    """Return what became of one member, whose run lies below `root`."""
    files = MemberFiles(root, member)
    failure = files.last_failure()
    if not (files.directory / "recipe.toml").is_file():
        return Outcome(member, "not begun" if failure is None else "failed", None, failure)
    try:
        run = read_run(files.directory)
    except (RunDirectoryError, RunError, OSError) as error:
        return Outcome(member, "unreadable", None, str(error))
    others = {
        key: values
        for key, values in member.recipe.differences(run.recipe).items()
        if key not in WITHOUT_EFFECT and not key.startswith("strategy.")
    }
    if others:
        listed = ", ".join(
            f"{key} = {there!r} in place of {here!r}" for key, (here, there) in others.items()
        )
        return Outcome(
            member,
            "unreadable",
            None,
            f"{files.directory} holds the run of another recipe: {listed}.",
        )
    if run.finished and not isinstance(run.figure("test_accuracy"), int | float):
        reason = f"{files.directory / 'result.json'} has no test_accuracy."
        return Outcome(member, "unreadable", None, reason)
    if run.finished:
        return Outcome(member, "finished", run)
    if failure is not None:
        return Outcome(member, "failed", run, failure)
    return Outcome(member, "unfinished", run)
