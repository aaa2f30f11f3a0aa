"""The tables of `training_step.py`."""

import statistics
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from peers.networks import NETWORKS

# The peer and the setting that the others are compared with.
OURS = ("bnkeras", "loop")
# The large product that the machine's rate is measured by.
SQUARE = (3072, 3072, 3072)


def tables(found: dict[str, Any]) -> str:
    """Return the tables of one network in one precision."""
    network = NETWORKS[found["network"]]
    hardware, versions = (found["environment"][key] for key in ("hardware", "versions"))
    versions = {**versions, "torch": found["pytorch"] or "missing, so without it"}
    lines = [
        f"{found['network']}, {found['precision']}, batches of {network.batch}, "
        f"{found['parameters']:,} parameters",
        f"{hardware['processor']}, {hardware['cores']} cores; "
        + ", ".join(f"{name} {version}" for name, version in versions.items()),
        found["command"],
        f"square products of {SQUARE[0]}: {spread(np.divide(found['squares'], 1e9), '.0f')} "
        f"GFLOP/s; copies: {found['copying'] / 1e9:.0f} GB/s read and written",
    ]
    for regime, least in found["floors"].items():
        lines += ["", *group(found, regime, least)]
    return "\n".join([*lines, "", *comparisons(found)]) + "\n"


def group(found: dict[str, Any], regime: str, least: dict[str, float]) -> Iterator[str]:
    """Yield the table of a regime."""
    network = NETWORKS[found["network"]]
    steps = [step for step in found["steps"] if step["regime"] == regime]
    ours = seconds_of(found, regime, *OURS)
    yield (
        f"{regime}, {steps[0]['trainable']:,} train: {least['operations'] / 1e9:.1f} GFLOP and "
        f"{least['bytes'] / 1e6:.0f} MB, at least {1e3 * least['seconds']:.2f} ms (products "
        f"{1e3 * least['computing']:.2f}, values {1e3 * least['moving']:.2f}, partly at once)"
    )
    yield (
        f"{'':24}{'ms':>8}{'10-90%':>17}{network.examples + '/s':>10}{'times ours':>12}"
        f"{'10-90%':>12}{'GFLOP/s':>9}{'of square':>11}{'of floor':>10}"
    )
    for step in steps:
        own = np.asarray(step["seconds"])
        low, high = np.percentile(1e3 * own, [10, 90])
        least_ratio, most_ratio = np.percentile(own / ours, [10, 90])
        rates, middle = least["operations"] / own, statistics.median(own)
        yield (
            f"{step['peer'] + ', ' + step['setting']:24}{1e3 * middle:8.2f}"
            f"{f'{low:.2f}-{high:.2f}':>17}{network.batch / middle:10.0f}"
            f"{statistics.median(own / ours):12.2f}{f'{least_ratio:.2f}-{most_ratio:.2f}':>12}"
            f"{statistics.median(rates) / 1e9:9.0f}"
            f"{statistics.median(rates / found['squares']):11.0%}{least['seconds'] / middle:10.0%}"
        )


def comparisons(found: dict[str, Any]) -> Iterator[str]:
    """Yield what is compared across regimes, and ways to run our model."""
    whole = seconds_of(found, "all", *OURS)
    for regime in found["floors"]:
        if regime != "all" and whole is not None:
            yield f"{regime} / all: {spread(seconds_of(found, regime, *OURS) / whole, '.2f')}"
    for setting in ("fit", "run"):
        own = seconds_of(found, "bnonly", "bnkeras", setting)
        if own is not None:
            bare = seconds_of(found, "bnonly", *OURS)
            yield f"{setting} / bare step: {spread(own / bare, '.3f')}"


def summary(stored: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each network, precision and regime, of our own step.

    Under Keras and PyTorch stands how many times as long as ours theirs takes.
    """
    yield (
        f"{'':12}{'':10}{'':9}{'ms':>8}{'a second':>10}{'Keras':>7}{'PyTorch':>9}{'of square':>11}"
        f"{'of floor':>10}{'of all':>8}{'fit':>7}{'run':>7}"
    )
    for found in stored:
        for regime, least in found["floors"].items():
            ours = seconds_of(found, regime, *OURS)
            middle = statistics.median(ours)
            cells = {
                "Keras": (seconds_of(found, regime, "Keras"), ours, 7),
                "PyTorch": (seconds_of(found, regime, "PyTorch"), ours, 9),
                "all": (ours, seconds_of(found, "all", *OURS), 8),
                "fit": (seconds_of(found, regime, "bnkeras", "fit"), ours, 7),
                "run": (seconds_of(found, regime, "bnkeras", "run"), ours, 7),
            }
            shown = {
                name: f"{'' if one is None or two is None else f'{np.median(one / two):.2f}':>{w}}"
                for name, (one, two, w) in cells.items()
            }
            share = statistics.median(least["operations"] / ours / found["squares"])
            yield (
                f"{found['network']:12}{found['precision']:10}{regime:9}{1e3 * middle:8.2f}"
                f"{NETWORKS[found['network']].batch / middle:10.0f}{shown['Keras']}"
                f"{shown['PyTorch']}{share:11.0%}{least['seconds'] / middle:10.0%}{shown['all']}"
                f"{shown['fit']}{shown['run']}"
            )


def seconds_of(
    found: dict[str, Any], regime: str, peer: str, setting: str | None = None
) -> np.ndarray | None:
    """Return the times of a peer, round by round, in its fastest setting if none is given.

    None where it has none.
    """
    own = [
        np.asarray(step["seconds"])
        for step in found["steps"]
        if (step["regime"], step["peer"]) == (regime, peer) and setting in (None, step["setting"])
    ]
    return min(own, key=np.median, default=None)


def spread(values: Iterable[float], form: str) -> str:
    """Return the median, and the limits between which the middle 80% lie."""
    low, high = np.percentile(values, [10, 90])
    return f"{statistics.median(values):{form}} ({low:{form}}-{high:{form}})"
