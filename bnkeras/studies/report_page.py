"""The page of a study's report."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from bnkeras.reporting import Page, Picture
from bnkeras.studies.arrangement import model_title
from bnkeras.studies.drawing import Drawn
from bnkeras.studies.facts import Facts, shipped_epochs
from bnkeras.studies.measures import LABELS
from bnkeras.studies.orders import compared, ranking
from bnkeras.studies.paper_values import published

_FULL = "The paper's values are those of its full training, with its own settings."


def report_page(
    facts: Facts, drawn: dict[str, Drawn], pictures: dict[str, Picture], commands: Sequence[str]
) -> Page:
    """Return the page of a report.

    Args:
        facts: what it says.
        drawn: its figures, by the names of their files.
        pictures: those that were written.
        commands: what makes the runs and the report again.
    """
    about = facts.study.about
    page = Page(about.title)
    page.text(about.question)
    page.text(f"Source: {about.source}.")
    if about.found:
        page.text(f"The paper found: {about.found}")
    page.heading("What was run")
    page.text(_extent(facts))
    settings = facts.setting_rows()
    if settings:
        page.table(settings, "Settings that differ from those of the shipped recipes")
    page.heading("Figures")
    for (name, one), figure in zip(drawn.items(), facts.study.figure, strict=True):
        if name in pictures:
            page.figure(pictures[name], f"{figure.title}. {one.caption}")
        else:
            page.text(f"Not drawn: {figure.title}: {one.caption}")
    page.heading("Values")
    page.table(_value_rows(facts), f"Mean ± standard deviation (runs). {_FULL}")
    _order(facts, page)
    _not_finished(facts, page)
    _origin(facts, page)
    if commands:
        page.heading("To make it again")
        page.code("\n".join(commands))
    return page


def _value_rows(facts: Facts) -> list[dict[str, Any]]:
    rows = []
    with_variants = any(group.member.variant for group in facts.groups)
    for group in facts.groups:
        member = group.member
        row: dict[str, Any] = {"network": model_title(member.model, member.regime)}
        row["what trains"] = member.series
        if with_variants:
            row["variant"] = member.variant
        for measure in facts.measured:
            summary = facts.measures.summary(group, measure)
            paper = published(facts.study, member, measure)
            row[LABELS[measure]] = "–" if summary is None else str(summary)
            row["the paper" + (f", {measure}" if measure != facts.measured[0] else "")] = (
                "" if paper is None else str(paper)
            )
        cost = facts.cost(group)
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


def _extent(facts: Facts) -> str:
    done = sum(outcome.state == "finished" for outcome in facts.outcomes)
    seeds = len({outcome.member.replicate for outcome in facts.outcomes})
    pairs = sorted({(shipped_epochs(g.member), g.member.recipe.train.epochs) for g in facts.groups})
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
        f"{done} of {len(facts.outcomes)} runs are finished: {len(facts.groups)} settings with "
        f"{of_seeds}. {length} {_FULL}"
    )


def _order(facts: Facts, page: Page) -> None:
    ranked = ranking(facts.groups, facts.measures)
    found = compared(facts.groups, facts.measures)
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


def _not_finished(facts: Facts, page: Page) -> None:
    left = [outcome for outcome in facts.outcomes if outcome.state != "finished"]
    if not left and not facts.measures.faults:
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
    if facts.measures.faults:
        page.table(
            [
                {"run": facts.name_of(path), "not analysed, or not in full": why}
                for path, why in facts.measures.faults.items()
            ]
        )


def _origin(facts: Facts, page: Page) -> None:
    environments = facts.environment_rows()
    if environments:
        page.heading("Where they ran")
        page.table(environments)
    sources: Counter[tuple[tuple[str, str], ...]] = Counter()
    for outcome in facts.outcomes:
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
