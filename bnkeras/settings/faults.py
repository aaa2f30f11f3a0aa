"""What is wrong with settings, in sentences: the rule, the value received, the choices."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: where, what, and where the value came from."""

    key: str
    sentence: str
    origin: str | None = None

    def __str__(self) -> str:
        """Return the fault as a line of a message."""
        return f"{self.key}: {self.sentence}" + (f" ({self.origin})" if self.origin else "")


def report(noun: str, name: str, faults: Sequence[Fault]) -> str:
    """Return the message of a `noun` (recipe, study) with these faults, one line each."""
    count = "a fault" if len(faults) == 1 else f"{len(faults)} faults"
    return "\n  ".join([f"The {noun} {name} has {count}:", *map(str, faults)])


def suggest(key: str, known: Iterable[str]) -> str:
    """Return ` Did you mean '…'?` with the nearest dotted key.

    >>> suggest("epochs", ["train.epochs", "data.flip"])
    " Did you mean 'train.epochs'?"
    """
    section, _, last = key.rpartition(".")
    known = list(known)
    # The name alone is compared, in its own section first: the section in front
    # would make any two of its settings look alike.
    for candidates in ([name for name in known if name.rpartition(".")[0] == section], known):
        by_name = {name.rpartition(".")[2]: name for name in reversed(candidates)}
        if nearest := difflib.get_close_matches(last, by_name, n=1):
            return f" Did you mean '{by_name[nearest[0]]}'?"
    return ""
