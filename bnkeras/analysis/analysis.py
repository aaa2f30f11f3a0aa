"""All that an analysis of a network found: numbers, written as JSON and CSV and read again."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bnkeras.analysis.activations import MOSTLY_ZERO, ReluZeros
from bnkeras.analysis.clamping import Clamping
from bnkeras.analysis.filters import FirstFilters
from bnkeras.analysis.recalibration import Recalibration, StatisticsShift
from bnkeras.analysis.scales import SHARE_THRESHOLDS, NormScales, joined, share_below, summary
from bnkeras.errors import InputError
from bnkeras.files import write_csv, write_text

FORMAT_VERSION = 1
NUMBERS = "analysis.json"
_TABLES = ("scales", "norms", "clamping", "activations", "relus", "recalibration", "filters")


@dataclass(frozen=True)
class Subject:
    """What was analysed.

    Args:
        export: path of the export, as it was given.
        manifest_sha256: of the export's manifest file; another export has another.
        task: which network of an export of several; None of one.
        network: name of the network.
        arguments: those that it is built with; None of a network of another origin.
        regime: which variables trained; None for a selection made by hand.
        recipe: name of the recipe; None where none is recorded.
        title: what it is, in words.
        dataset: of the numbers that need data: name, origin and SHA-256; else None.
        parameters: counts, see `bnkeras.parameter_counts`; None where the network could not
            be built.
        bnkeras: version that made the analysis.
    """

    export: str
    manifest_sha256: str
    task: str | None
    network: str
    arguments: dict[str, Any] | None
    regime: str | None
    recipe: str | None
    title: str
    dataset: dict[str, Any] | None
    parameters: dict[str, int] | None
    bnkeras: str


@dataclass(frozen=True)
class LeftOut:
    """A part that could not be had.

    Args:
        part: `clamping`, `activations`, `filters` or `recalibration`.
        why: in words.
    """

    part: str
    why: str


@dataclass(frozen=True, eq=False)
class Analysis:
    """What training did to a network.

    Two are equal when all their numbers are.

    Args:
        subject: what was analysed.
        scales: γ and β, by norm.
        clamping: the accuracy with small γ set to zero; None where it was left out.
        activations: how often each channel behind a ReLU is zero, by ReLU; None likewise.
        filters: those of the first layer; None likewise.
        recalibration: the accuracy with moving statistics measured anew; None likewise.
        left_out: what is None, and why.
    """

    subject: Subject
    scales: tuple[NormScales, ...]
    clamping: Clamping | None = None
    activations: tuple[ReluZeros, ...] | None = None
    filters: FirstFilters | None = None
    recalibration: Recalibration | None = None
    left_out: tuple[LeftOut, ...] = ()

    @cached_property
    def gamma(self) -> np.ndarray:
        """All scales γ, float32."""
        return joined(norm.gamma for norm in self.scales)

    @cached_property
    def beta(self) -> np.ndarray:
        """All shifts β, float32."""
        return joined(norm.beta for norm in self.scales)

    @property
    def shares(self) -> dict[float, float]:
        """The share of |γ| below each of `SHARE_THRESHOLDS`; none without γ."""
        if not self.gamma.size:
            return {}
        return {threshold: share_below(self.gamma, threshold) for threshold in SHARE_THRESHOLDS}

    @cached_property
    def zero_probabilities(self) -> np.ndarray | None:
        """For each channel of each ReLU, how often it is zero; None where that was left out."""
        if self.activations is None:
            return None
        return np.concatenate([relu.probability for relu in self.activations])

    @property
    def mostly_zero(self) -> float | None:
        """The share of channels that are zero with a probability above 0.99."""
        found = self.zero_probabilities
        return None if found is None else float(np.mean(found > MOSTLY_ZERO))

    @property
    def accuracy(self) -> float | None:
        """Test accuracy of the network as it is; None where it was left out."""
        return None if self.clamping is None else float(self.clamping.accuracy[0])

    @property
    def is_complete(self) -> bool:
        """Whether there is all that needs data."""
        return self.clamping is not None and self.activations is not None

    def __eq__(self, other: object) -> bool:
        """Whether all numbers are the same."""
        return isinstance(other, Analysis) and self.as_dict() == other.as_dict()

    __hash__ = None

    def as_dict(self) -> dict[str, Any]:
        """Return everything, JSON-ready: what `analysis.json` holds."""
        return {"format_version": FORMAT_VERSION, "summary": self.summary(), **_plain(asdict(self))}

    def summary(self) -> dict[str, Any]:
        """Return the main numbers, JSON-ready; what was left out is None."""
        clamping, moved = self.clamping, self.recalibration
        curve = clamping and dict(
            zip(clamping.thresholds.tolist(), clamping.accuracy.tolist(), strict=True)
        )
        return {
            "gamma": summary(self.gamma),
            "beta": summary(self.beta),
            "gamma_below": _by_threshold(self.shares),
            "accuracy": self.accuracy,
            "accuracy_with_gamma_below_zeroed": curve and _by_threshold(curve),
            "relus_mostly_zero": self.mostly_zero,
            "accuracy_recalibrated": moved and moved.accuracy_after,
        }

    def write(self, folder: str | Path) -> Path:
        """Write the numbers into `folder` as JSON and as tables, and return its path.

        `read_analysis` reads them again; `bnkeras.analysis.analysis_report.write_report` adds
        pictures and a page.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tables = {name: list(getattr(self, f"_{name}")()) for name in _TABLES}
        for name, rows in tables.items():
            if rows:
                write_csv(folder / f"{name}.csv", rows)
            else:  # one of an earlier analysis would not belong to this
                (folder / f"{name}.csv").unlink(missing_ok=True)
        text = json.dumps(self.as_dict(), indent=1, ensure_ascii=False)
        write_text(folder / NUMBERS, _in_lines(text) + "\n")
        return folder

    def _scales(self) -> Iterator[dict[str, Any]]:
        """Yield γ and β of each channel."""
        for norm in self.scales:
            gamma, beta = (_exact(part) for part in (norm.gamma, norm.beta))
            for channel in range(max(len(gamma), len(beta))):
                yield {
                    "norm": norm.layer,
                    "channel": channel,
                    "gamma": gamma[channel] if gamma else None,
                    "beta": beta[channel] if beta else None,
                }

    def _norms(self) -> Iterator[dict[str, Any]]:
        """Yield what sums up γ and β of each norm."""
        for norm in self.scales:
            row: dict[str, Any] = {
                "norm": norm.layer,
                "channels": max(norm.gamma.size, norm.beta.size),
            }
            for name, values in (("gamma", norm.gamma), ("beta", norm.beta)):
                facts = summary(values)
                row |= {
                    f"{name}_{key}": facts.get(key)
                    for key in ("mean", "std", "min", "median", "max")
                }
            for threshold in SHARE_THRESHOLDS:
                below = share_below(norm.gamma, threshold) if norm.gamma.size else None
                row[f"gamma_below_{threshold:g}"] = below
            yield row

    def _clamping(self) -> Iterator[dict[str, Any]]:
        found = self.clamping
        for place, threshold in enumerate(found.thresholds.tolist() if found else ()):
            yield {
                "threshold": threshold,
                "gamma_zeroed": int(found.clamped[place]),
                "share": float(found.share[place]),
                "right": int(found.right[place]),
                "accuracy": float(found.accuracy[place]),
                "same_answers": int(found.same[place]),
                "examples": found.examples,
            }

    def _activations(self) -> Iterator[dict[str, Any]]:
        """Yield each channel of each ReLU."""
        for relu in self.activations or ():
            pairs = zip(relu.zeros.tolist(), relu.probability.tolist(), strict=True)
            for channel, (zeros, probability) in enumerate(pairs):
                yield {
                    "relu": relu.layer,
                    "channel": channel,
                    "zeros": zeros,
                    "positions": relu.positions,
                    "zero_probability": probability,
                }

    def _relus(self) -> Iterator[dict[str, Any]]:
        """Yield what sums up each ReLU."""
        for relu in self.activations or ():
            facts = summary(relu.probability)
            yield {
                "relu": relu.layer,
                "channels": facts["count"],
                "zero_probability_mean": facts["mean"],
                "zero_probability_median": facts["median"],
                "mostly_zero": float(np.mean(relu.probability > MOSTLY_ZERO)),
            }

    def _recalibration(self) -> Iterator[dict[str, Any]]:
        for shift in self.recalibration.shifts if self.recalibration else ():
            yield {
                "norm": shift.layer,
                "mean_moved_by": shift.mean,
                "variance_multiplied_by": shift.variance,
            }

    def _filters(self) -> Iterator[dict[str, Any]]:
        found = self.filters
        for place, unit in enumerate(found.units.tolist() if found else ()):
            yield {
                "layer": found.layer,
                "unit": unit,
                "scale": float(found.scale[place]),
                "norm_before": float(np.linalg.norm(found.kernels[place].astype(np.float64))),
                "norm_after": float(np.linalg.norm(found.scaled[place])),
            }


def read_analysis(folder: str | Path) -> Analysis:
    """Read what `Analysis.write` wrote into `folder`.

    Raises:
        InputError: there is no analysis, or it is damaged or of another format version.
    """
    file = Path(folder) / NUMBERS
    if not file.is_file():
        raise InputError(
            f"{folder} holds no analysis: it has no {NUMBERS}. Make one with\n"
            f"  bnkeras analyze RUN_OR_EXPORT --out {folder}"
        )
    try:
        content = json.loads(file.read_text("utf-8"))
        version = content["format_version"]
        if version == FORMAT_VERSION:
            return _analysis(content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{file} is damaged ({type(error).__name__}: {error}). Make the analysis again."
        ) from error
    raise InputError(
        f"{file} has format version {version!r}; this version of bnkeras reads {FORMAT_VERSION}. "
        f"Make the analysis again."
    )


def _analysis(content: dict[str, Any]) -> Analysis:
    clamping, activations = content["clamping"], content["activations"]
    filters, moved = content["filters"], content["recalibration"]
    kinds = {"clamped": np.int64, "right": np.int64, "same": np.int64, "units": np.int64}
    single = dict.fromkeys(("gamma", "beta", "kernels"), np.float32)

    def made(kind: type, values: dict[str, Any], **given: Any) -> Any:
        arrays = {
            name: np.array(value, {**kinds, **single}.get(name, np.float64))
            for name, value in values.items()
            if isinstance(value, list) and name not in given
        }
        known = {field.name: values[field.name] for field in fields(kind)}
        return kind(**known | arrays | given)

    return Analysis(
        subject=Subject(**content["subject"]),
        scales=tuple(made(NormScales, one) for one in content["scales"]),
        clamping=clamping and made(Clamping, clamping),
        activations=activations
        and tuple(
            made(ReluZeros, one, zeros=np.array(one["zeros"], np.int64)) for one in activations
        ),
        filters=filters and made(FirstFilters, filters),
        recalibration=moved
        and made(
            Recalibration,
            moved,
            shifts=tuple(StatisticsShift(**one) for one in moved["shifts"]),
        ),
        left_out=tuple(LeftOut(**one) for one in content["left_out"]),
    )


def _plain(value: Any) -> Any:
    """Return `value` as JSON has it; arrays of float32 in the fewest digits that give them back."""
    if isinstance(value, np.ndarray):
        return _exact(value)
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


def _exact(array: np.ndarray) -> list:
    if array.ndim > 1:
        return [_exact(part) for part in array]
    if array.dtype == np.float32:
        return [float(str(value)) for value in array]
    return array.tolist()


def _by_threshold(values: dict[float, float]) -> dict[str, float]:
    return {f"{threshold:g}": value for threshold, value in values.items()}


def _in_lines(text: str) -> str:
    """Put each list of plain values in one line. A line break in JSON is never within a string."""
    return re.sub(r"\[[^\[\]{}]*\]", lambda found: re.sub(r"\n\s*", " ", found[0]), text)
