"""The plot of predicted throughput against the number of devices."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bnkeras.analysis.cost import StepCost
from bnkeras.reporting import COLOURS, new_figure


def plot_scaling(curves: Mapping[str, Mapping[str, Sequence[StepCost]]], path: Path) -> Path:
    """Draw examples/s against devices: a panel for each link, a curve for each regime.

    Args:
        curves: title of the link → regime → costs by number of devices.
        path: the picture to write; its ending names the format.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    size = (4.5 * len(curves) + 0.5, 4)
    figure, (panels,) = new_figure(1, len(curves), size=size, sharey=True)
    for panel, (title, regimes) in zip(panels, curves.items(), strict=True):
        for (regime, costs), colour in zip(regimes.items(), COLOURS, strict=False):
            devices = [one.devices for one in costs]
            linear = [n / costs[0].devices * costs[0].examples_per_second for n in devices]
            panel.plot(devices, linear, ":", color=colour, linewidth=1)
            rates = [one.examples_per_second for one in costs]
            panel.plot(devices, rates, "o-", color=colour, label=regime, markersize=4)
            panel.annotate(
                f"{rates[-1] / linear[-1]:.0%}",
                (devices[-1], rates[-1]),
                textcoords="offset points",
                xytext=(5, -3),
                fontsize=9,
                color=colour,
            )
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.set_xticks(devices, map(str, devices))
        panel.margins(x=0.14)
        panel.set_title(title)
        panel.set_xlabel("GPUs")
    panels[0].set_ylabel("examples/s; dotted: in proportion")
    panels[0].legend()
    figure.savefig(path, dpi=130)
    return path
