"""What the report of a study says, gathered once: rows of plain values."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bnkeras.recipe import load
from bnkeras.studies.definition import Measure, Study
from bnkeras.studies.drawing import Drawn
from bnkeras.studies.grid import Member
from bnkeras.studies.measures import LABELS, Measures
from bnkeras.studies.orders import compared, ranking
from bnkeras.studies.outcomes import Group, Outcome, groups
from bnkeras.studies.paper_values import published

_NAMED = 4


class Facts:
    """What a report says of a study and of what became of its runs.

    Args:
        study: the study.
        found: what became of its runs, see `bnkeras.studies.outcomes.outcomes`.
        measures: measures them.

    Attributes:
        groups: the runs, replicates together.
        measured: what is measured of them, accuracy first.
    """

    def __init__(self, study: Study, found: Sequence[Outcome], measures: Measures):
        self.study = study
        self.outcomes = found
        self.groups = groups(found)
        self.measures = measures
        self.measured = _measured(study, self.groups)

    def group_rows(self) -> list[dict[str, Any]]:
        """Return a row for each group, of plain values."""
        return [self._group_row(group) for group in self.groups]

    def run_rows(self) -> list[dict[str, Any]]:
        """Return a row for each run, of plain values."""
        rows = []
        for outcome in self.outcomes:
            member, run = outcome.member, outcome.run
            finished = outcome.state == "finished"
            rows.append(
                {
                    **_names(member),
                    "seed": member.replicate,
                    "state": outcome.state,
                    "epochs_done": run.epochs if run else 0,
                    "epochs": member.recipe.train.epochs,
                    **{
                        f"{measure}_percent": self.measures.of(outcome, measure)
                        if finished
                        else None
                        for measure in self.measured
                    },
                    "test_loss": run and run.figure("test_loss"),
                    "seconds": run and run.seconds,
                    "export_bytes": run and run.figure("export_bytes"),
                    "commit": run and _commit(outcome),
                    "directory": member.directory.as_posix(),
                    "reason": outcome.reason,
                }
            )
        return rows

    def as_dict(self, drawn: dict[str, Drawn]) -> dict[str, Any]:
        """Return all that the report says, JSON-ready."""
        about = self.study.about
        return {
            "study": self.study.name,
            "title": about.title,
            "source": about.source,
            "measures": {measure: LABELS[measure] for measure in self.measured},
            "groups": self.group_rows(),
            "runs": self.run_rows(),
            "settings": self.setting_rows(),
            "figures": {
                name: {"title": figure.title, "drawn": one.figure is not None, **one.facts}
                for (name, one), figure in zip(drawn.items(), self.study.figure, strict=True)
            },
            "order": {
                place: [{"series": series, "mean": round(one.mean, 4)} for series, one in ranked]
                for place, ranked in ranking(self.groups, self.measures).items()
            },
            "paper_order": [
                {
                    "place": one.place,
                    "higher": one.statement.higher,
                    "lower": one.statement.lower,
                    "paper": one.statement.by,
                    "difference": round(one.difference, 4),
                    "agrees": one.agrees,
                }
                for one in compared(self.groups, self.measures)
            ],
            "environments": self.environment_rows(),
            "not_analysed": {self.name_of(path): why for path, why in self.measures.faults.items()},
        }

    def setting_rows(self) -> list[dict[str, str]]:
        """Return the settings that differ from the shipped recipes', and in which members."""
        changed: dict[tuple[str, str, str], list[Group]] = {}
        for group in self.groups:
            for key, (there, here) in group.member.recipe.changes.items():
                if key != "seed":
                    changed.setdefault((key, _shown(there), _shown(here)), []).append(group)
        return [
            {"setting": key, "shipped": there, "here": here, "in": self._which(some)}
            for (key, there, here), some in changed.items()
        ]

    def environment_rows(self) -> list[dict[str, Any]]:
        """Return on what the runs were made, and how many on each."""
        counted: Counter[tuple[tuple[str, str], ...]] = Counter()
        for outcome in self.outcomes:
            if outcome.run is not None and outcome.run.starts:
                counted[tuple(_environment(outcome.run.starts[-1]).items())] += 1
        return [{**dict(facts), "runs": count} for facts, count in counted.items()]

    def cost(self, group: Group) -> dict[str, Any]:
        """Return what the finished runs of a group took: parameters, seconds, bytes."""
        runs = [outcome.run for outcome in group.finished]
        counted = [run.parameters for run in runs if run.parameters]
        seconds = [run.seconds for run in runs if run.seconds is not None]
        sizes = [run.figure("export_bytes") for run in runs if run.figure("export_bytes")]
        return {
            "parameters": counted[0]["total"] if counted else None,
            "parameters_trained": counted[0].get("trainable") if counted else None,
            "seconds": round(sum(seconds) / len(seconds), 1) if seconds else None,
            "export_bytes": round(sum(sizes) / len(sizes)) if sizes else None,
        }

    def name_of(self, path: Path) -> str:
        """Return what the run in `path` is called."""
        for outcome in self.outcomes:
            if outcome.run is not None and outcome.run.path == path:
                return outcome.member.directory.as_posix()
        return str(path)

    def _group_row(self, group: Group) -> dict[str, Any]:
        row: dict[str, Any] = {
            **_names(group.member),
            "runs": len(group.outcomes),
            "finished": len(group.finished),
            "epochs": group.member.recipe.train.epochs,
            "shipped_epochs": shipped_epochs(group.member),
        }
        for measure in self.measured:
            summary = self.measures.summary(group, measure)
            paper = published(self.study, group.member, measure)
            row |= {
                f"{measure}_mean": summary and round(summary.mean, 4),
                f"{measure}_sd": None
                if summary is None or summary.sd is None
                else round(summary.sd, 4),
                f"{measure}_n": summary.n if summary else 0,
                f"{measure}_paper": paper and paper.value,
                f"{measure}_paper_upto": paper and paper.upto,
                f"{measure}_paper_sd": paper and paper.spread,
                f"{measure}_paper_source": paper and paper.source,
            }
        return row | self.cost(group)

    def _which(self, some: Sequence[Group]) -> str:
        """Return of which groups something holds, in words."""
        if len(some) == len(self.groups):
            return "all"
        for part in ("variant", "model", "series"):
            inside = {getattr(group.member, part) for group in some}
            whole = [group for group in self.groups if getattr(group.member, part) in inside]
            if None not in inside and len(whole) == len(some) and len(inside) <= _NAMED:
                return ", ".join(dict.fromkeys(getattr(group.member, part) for group in some))
        names = [str(group) for group in some[:_NAMED]]
        more = f" and {len(some) - _NAMED} more" if len(some) > _NAMED else ""
        return ", ".join(names) + more


def shipped_epochs(member: Member) -> int:
    """Return how many epochs the shipped recipe of a member has."""
    return load(f"{member.model}_{member.regime}").train.epochs


def _measured(study: Study, found: Sequence[Group]) -> list[Measure]:
    """Return what the table of values has: what the figures need, accuracy first."""
    measures: list[Measure] = ["accuracy"]
    top5 = any(group.member.recipe.model.classes > 100 for group in found)
    for figure in study.figure:
        if figure.kind in ("accuracy", "slopes"):
            measures.append(figure.measure)
        elif figure.kind in ("scales", "small_scales") and figure.of == "gamma":
            measures.append("small_gamma")
        elif figure.kind == "zeros":
            measures.append("dead_relus")
    return list(dict.fromkeys([*measures[:1], *(["top5"] if top5 else []), *measures[1:]]))


def _names(member: Member) -> dict[str, Any]:
    return {
        "model": member.model,
        "regime": member.regime,
        "series": member.series,
        "variant": member.variant,
    }


def _shown(value: Any) -> str:
    return "unset" if value is None else str(value)


def _commit(outcome: Outcome) -> str | None:
    git = outcome.run.starts[-1].get("git") if outcome.run.starts else None
    return git.get("commit") if isinstance(git, dict) else None


def _environment(start: dict[str, Any]) -> dict[str, str]:
    """Return the facts of one start that a page tells."""
    hardware, versions, git = (
        found if isinstance(found := start.get(name), dict) else {}
        for name in ("hardware", "versions", "git")
    )
    commit = str(git.get("commit", "unknown"))[:12] + (" and changes" if git.get("dirty") else "")
    packages = ("python", "bnkeras", "keras", "tensorflow", "numpy")
    return {
        "processor": f"{hardware.get('processor', 'unknown')}, {hardware.get('cores', '?')} cores",
        "devices": ", ".join(
            str(device) for device in hardware.get("devices", []) if "CPU" not in str(device)
        )
        or "CPU",
        "versions": ", ".join(f"{name} {versions[name]}" for name in packages if name in versions),
        "commit": commit,
    }
