"""The report of a study, made from its run directories: a page, tables and figures."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bnkeras.files import write_csv, write_json
from bnkeras.recipe import load
from bnkeras.reporting import Page, Picture, check_matplotlib, write_figure
from bnkeras.studies.arrangement import model_title
from bnkeras.studies.definition import Measure, Study
from bnkeras.studies.drawing import Drawn, draw
from bnkeras.studies.grid import Member
from bnkeras.studies.measures import LABELS, Measures, Progress
from bnkeras.studies.orders import compared, ranking
from bnkeras.studies.outcomes import Group, Outcome, groups, outcomes
from bnkeras.studies.paper_values import published

_FULL = "The paper's values are those of its full training, with its own settings."
_NAMED = 4


def write_report(
    study: Study,
    members: Sequence[Member],
    root: Path,
    folder: Path,
    data_dir: Path | None = None,
    progress: Progress | None = None,
    *,
    commands: Sequence[str] = (),
) -> Path:
    """Write `report.html`, its figures, `results.csv`, `runs.csv` and `results.json` to `folder`.

    All comes from the run directories: the same runs give the same bytes, and runs that are
    missing, unfinished or damaged are listed.

    Args:
        study: the study.
        members: its runs, one or more, as they were asked for.
        root: where they lie.
        folder: the folder of the report.
        data_dir: where datasets lie, for figures that need an analysis of the runs.
        progress: is told how far the analyses are.
        commands: what makes the runs and the report again, for the page.

    Returns:
        The path of the page.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    check_matplotlib()
    folder.mkdir(parents=True, exist_ok=True)
    report = _Report(study, outcomes(members, root), Measures(data_dir, progress))
    drawn, pictures = {}, {}
    for number, figure in enumerate(study.figure, 1):
        name = f"{number}_{figure.kind}"
        drawn[name] = draw(study, figure, report.groups, report.measures)
        if drawn[name].figure is not None:
            pictures[name] = write_figure(drawn[name].figure, folder, name)
    write_csv(folder / "results.csv", report.group_rows())
    write_csv(folder / "runs.csv", report.run_rows())
    write_json(folder / "results.json", report.as_dict(drawn))
    return report.page(drawn, pictures, commands).write(folder / "report.html")


class _Report:
    """What a report says, gathered once."""

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
            "not_analysed": {
                _below(path, self.outcomes): why for path, why in self.measures.faults.items()
            },
        }

    def page(
        self, drawn: dict[str, Drawn], pictures: dict[str, Picture], commands: Sequence[str]
    ) -> Page:
        """Return the page."""
        about = self.study.about
        page = Page(about.title)
        page.text(about.question)
        page.text(f"Source: {about.source}.")
        if about.found:
            page.text(f"The paper found: {about.found}")
        page.heading("What was run")
        page.text(self._extent())
        settings = self.setting_rows()
        if settings:
            page.table(settings, "Settings that differ from those of the shipped recipes")
        page.heading("Figures")
        for (name, one), figure in zip(drawn.items(), self.study.figure, strict=True):
            if name in pictures:
                page.figure(pictures[name], f"{figure.title}. {one.caption}")
            else:
                page.text(f"Not drawn: {figure.title}: {one.caption}")
        page.heading("Values")
        page.table(self._value_rows(), f"Mean ± standard deviation (runs). {_FULL}")
        self._order(page)
        self._not_finished(page)
        self._origin(page)
        if commands:
            page.heading("To make it again")
            page.code("\n".join(commands))
        return page

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

    def _group_row(self, group: Group) -> dict[str, Any]:
        row: dict[str, Any] = {
            **_names(group.member),
            "runs": len(group.outcomes),
            "finished": len(group.finished),
            "epochs": group.member.recipe.train.epochs,
            "shipped_epochs": _shipped_epochs(group.member),
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
        return row | self._cost(group)

    def _cost(self, group: Group) -> dict[str, Any]:
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

    def _value_rows(self) -> list[dict[str, Any]]:
        rows = []
        with_variants = any(group.member.variant for group in self.groups)
        for group in self.groups:
            member = group.member
            row: dict[str, Any] = {"network": model_title(member.model, member.regime)}
            row["what trains"] = member.series
            if with_variants:
                row["variant"] = member.variant
            for measure in self.measured:
                summary = self.measures.summary(group, measure)
                paper = published(self.study, member, measure)
                row[LABELS[measure]] = "–" if summary is None else str(summary)
                row["the paper" + (f", {measure}" if measure != self.measured[0] else "")] = (
                    "" if paper is None else str(paper)
                )
            cost = self._cost(group)
            seconds = cost["seconds"]
            row |= {
                "epochs": member.recipe.train.epochs,
                "trained": cost["parameters_trained"],
                "s/run": None if seconds is None else round(seconds),
                "export, KB": None
                if cost["export_bytes"] is None
                else round(cost["export_bytes"] / 1000),
            }
            rows.append(row)
        return rows

    def _extent(self) -> str:
        done = sum(outcome.state == "finished" for outcome in self.outcomes)
        seeds = len({outcome.member.replicate for outcome in self.outcomes})
        pairs = sorted(
            {(_shipped_epochs(g.member), g.member.recipe.train.epochs) for g in self.groups}
        )
        if all(there == here for there, here in pairs):
            length = "They train for all epochs of the shipped recipes."
        else:
            each = ", ".join(f"{here} of {there}" for there, here in pairs)
            length = (
                f"They train for a part of the epochs of the shipped recipes ({each}), so that "
                f"they are not repetitions of the paper's runs: accuracies differ for that alone."
            )
        of_seeds = "one seed each" if seeds == 1 else f"{seeds} seeds each"
        return (
            f"{done} of {len(self.outcomes)} runs are finished: {len(self.groups)} settings with "
            f"{of_seeds}. {length} {_FULL}"
        )

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

    def _order(self, page: Page) -> None:
        ranked = ranking(self.groups, self.measures)
        found = compared(self.groups, self.measures)
        if not ranked:
            return
        page.heading("Order")
        page.table(
            [
                {
                    "network": place,
                    "from the highest mean accuracy to the lowest, %": " > ".join(
                        f"{series} {one.mean:.1f}" for series, one in reached
                    ),
                }
                for place, reached in ranked.items()
            ]
        )
        if not found:
            return
        page.table(
            [
                {
                    "in the paper": f"{one.names[0]} above {one.names[1]}",
                    "by": one.statement.by,
                    "network": one.place,
                    "here, points": f"{one.difference:+.1f}",
                    "runs": f"{one.higher.n} and {one.lower.n}",
                    "order": "the same" if one.agrees else "reversed",
                }
                for one in found
            ],
            "Differences of the means of the runs",
        )
        agree = sum(one.agrees for one in found)
        page.text(f"{agree} of {len(found)} of these have the paper's order.")

    def _not_finished(self, page: Page) -> None:
        left = [outcome for outcome in self.outcomes if outcome.state != "finished"]
        if not left and not self.measures.faults:
            return
        page.heading("What is missing")
        if left:
            page.table(
                [
                    {
                        "run": str(outcome.member),
                        "state": outcome.state,
                        "epochs": f"{outcome.run.epochs if outcome.run else 0} of "
                        f"{outcome.member.recipe.train.epochs}",
                        "why": outcome.reason or "",
                    }
                    for outcome in left
                ]
            )
        if self.measures.faults:
            page.table(
                [
                    {"run": _below(path, self.outcomes), "not analysed, or not in full": why}
                    for path, why in self.measures.faults.items()
                ]
            )

    def _origin(self, page: Page) -> None:
        environments = self.environment_rows()
        if environments:
            page.heading("Where they ran")
            page.table(environments)
        sources: Counter[tuple[tuple[str, str], ...]] = Counter()
        for outcome in self.outcomes:
            data = outcome.run and outcome.run.figure("dataset")
            if isinstance(data, dict):
                names = ("name", "source", "sha256")
                sources[tuple((name, str(data.get(name, ""))) for name in names)] += 1
        if sources:
            page.table([{**dict(facts), "runs": count} for facts, count in sources.items()], "Data")
            if any("jpeg" in dict(facts)["source"].lower() for facts in sources):
                page.text(
                    "Images that were kept as JPEG have other pixels than the original archive, "
                    "which the papers used."
                )


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


def _shipped_epochs(member: Member) -> int:
    return load(f"{member.model}_{member.regime}").train.epochs


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


def _below(path: Path, found: Sequence[Outcome]) -> str:
    for outcome in found:
        if outcome.run is not None and outcome.run.path == path:
            return outcome.member.directory.as_posix()
    return str(path)
