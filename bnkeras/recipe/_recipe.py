"""The recipe: typed, validated settings, with what they are and what they should reach."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from bnkeras.recipe._data import DataSettings
from bnkeras.recipe._networks import ModelSettings
from bnkeras.recipe._schema import About, Expected, Settings, StrategySettings, TrainSettings
from bnkeras.settings.section import Section
from bnkeras.settings.toml import literal

# Settings that have no part in what a run comes to.
WITHOUT_EFFECT = (
    "train.checkpoint_minutes",
    "train.steps_per_execution",
    "strategy.timeout_seconds",
)


@dataclass(frozen=True)
class Recipe:
    """A resolved recipe. Two are equal when their settings are.

    Attributes:
        seed: the root seed of weights, shuffling and augmentation.
        model: the network, its initialisation and regime.
        data: dataset and augmentation.
        train: optimizer and schedule.
        strategy: the devices.
        name: the shipped name, or that of the file without its ending.
        about: title, source, hardware and duration.
        expected: the accuracy to expect of just these settings, or None where it is
            unknown; a change to the network, the data or the training makes it unknown.
        base: the shipped recipe that the settings began as, or None.
        changes: what was set otherwise than in `base`: {key: (there, here)}.
    """

    seed: int
    model: ModelSettings
    data: DataSettings
    train: TrainSettings
    strategy: StrategySettings
    name: str = field(compare=False)
    about: About = field(compare=False)
    expected: Expected | None = field(default=None, compare=False)
    base: str | None = field(default=None, compare=False)
    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as nested tables of plain values; what is not set is absent."""
        settings: dict[str, Any] = {"seed": self.seed}
        for name, section in self._sections():
            settings[name] = section.model_dump(mode="json", exclude_none=True)
        return settings

    def differences(self, other: "Recipe") -> dict[str, tuple[Any, Any]]:
        """Return the settings in which this and `other` differ: {key: (own, the other's)}.

        A setting that one of them does not have is None there.
        """
        own, others = dict(_flat(self.as_dict())), dict(_flat(other.as_dict()))
        return {
            key: (own.get(key), others.get(key))
            for key in [*own, *(key for key in others if key not in own)]
            if own.get(key) != others.get(key)
        }

    def seeded(self, seed: int) -> "Recipe":
        """Return the recipe with the root seed `seed`, as `load(..., seed=seed)` would have."""
        there, _ = self.changes.get("seed", (self.seed, None))
        changes = {key: value for key, value in self.changes.items() if key != "seed"}
        if self.base is not None and there != seed:
            changes = {"seed": (there, seed), **changes}
        return replace(self, seed=seed, changes=changes)

    def to_toml(self) -> str:
        """Return the settings as TOML that loads again to an equal recipe.

        What the recipe is stands in comments at the top, for it would not be true
        any more of a copy that somebody changes.
        """
        blocks = ["\n".join(f"# {line}" for line in self._header())]
        blocks.append(_line("seed", self.seed, Settings.model_fields["seed"].description))
        for name, section in self._sections():
            lines = [f"[{name}]"]
            for key, value in section.model_dump(mode="json", exclude_none=True).items():
                lines.append(_line(key, value, self._description(section, key)))
            blocks.append("\n".join(lines))
        return "\n\n".join(blocks) + "\n"

    def _sections(self) -> Iterator[tuple[str, Section]]:
        for name in ("model", "data", "train", "strategy"):
            yield name, getattr(self, name)

    def _description(self, section: Section, key: str) -> str | None:
        description = type(section).model_fields[key].description
        if section is self.train and key in self.train.unused():
            return f"no part in {literal(self.train.schedule)}; {description}"
        return description

    def _header(self) -> list[str]:
        facts = {
            "recipe": f"{self.name}, {self.about.title}" if self.about.title else self.name,
            "source": self.about.source,
            "hardware": self.about.hardware,
            "duration": self.about.duration,
            "expected": _expectation(self.expected),
            "changed": "; ".join(
                f"{key} {_shown(there)} → {_shown(here)}"
                for key, (there, here) in self.changes.items()
            ),
        }
        if self.changes:
            facts["changed"] = f"from {self.base}: {facts['changed']}"
        # One line each, whatever a name or a title holds: they are comments.
        return [f"{key + ':':<10}{' '.join(text.split())}" for key, text in facts.items() if text]


def _expectation(expected: Expected | None) -> str:
    if expected is None:
        return "not known for these settings"
    seeds = {None: "", 1: ", one seed"}.get(expected.seeds, f", mean of {expected.seeds} seeds")
    return f"{expected} test accuracy{seeds} ({expected.source})"


def _line(key: str, value: Any, description: str | None) -> str:
    text = f"{key} = {literal(value)}"
    return f"{text}  # {description}" if description else text


def _shown(value: Any) -> str:
    return "unset" if value is None else literal(value)


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
