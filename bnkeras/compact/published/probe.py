"""What a trained network gave for a few test examples: kept, and compared with what it gives."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bnkeras.compact.published import index
from bnkeras.errors import ExportError

EXAMPLES = 64
# By how much logits may differ, as a share of the largest: other machines sum in other orders.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Probe:
    """Test examples, and what a network gave for them.

    Attributes:
        inputs: what the dataset holds: uint8 [n, height, width, channels], or bytes [n] of
            UTF-8. Exports with a front take them as they are; others, which are of the
            formats 1 and 2, take what their `preprocessing` makes of them.
        labels: int32 [n].
        logits: float32 [n, classes].
    """

    inputs: np.ndarray
    labels: np.ndarray
    logits: np.ndarray

    def right(self, logits: np.ndarray) -> int:
        """Return how many of the examples `logits` classify rightly."""
        return int(np.sum(np.argmax(logits, axis=-1) == self.labels))

    def check(self, logits: np.ndarray, right: int) -> None:
        """Compare what a network gives now with what it gave.

        Args:
            logits: float [n, classes].
            right: how many answers were right.

        Raises:
            ExportError: the logits differ by more than rounding, or more answers are right or
                wrong than rounding can turn.

        Example:
            >>> probe.check(model(inputs), right=29)
        """
        logits = np.asarray(logits, np.float64)
        largest = float(np.abs(self.logits).max())
        if logits.shape != self.logits.shape:
            raise ExportError(f"The logits have the shape {logits.shape}, not {self.logits.shape}.")
        difference = float(np.abs(logits - self.logits).max())
        if not difference <= TOLERANCE * largest:
            raise ExportError(
                f"The logits of {len(self.labels)} examples differ from those that were kept by "
                f"{difference / largest:.2g} of the largest; rounding is at most {TOLERANCE:g}."
            )
        runner_up, first = np.sort(self.logits, axis=-1)[:, -2:].T
        close = int(np.sum(first - runner_up <= 2 * TOLERANCE * largest))
        if abs((found := self.right(logits)) - right) > close:
            raise ExportError(
                f"{found} of {len(self.labels)} answers are right, and {right} were; {close} are "
                f"close enough for rounding to turn."
            )


def read_probe(name: str, network: index.Network) -> Probe:
    """Return the probe of a network of the index."""
    folder = index.FOLDER / index.PROBES
    examples = _read(folder / f"{network.probe}.npz")
    return Probe(examples["inputs"], examples["labels"], _read(folder / f"{name}.npz")["logits"])


def write_probe(name: str, examples: str, probe: Probe) -> None:
    """Write what a network gave for the examples of that name, which are written once.

    Raises:
        ExportError: there are others of that name.
    """
    folder = index.FOLDER / index.PROBES
    folder.mkdir(exist_ok=True)
    file = folder / f"{examples}.npz"
    arrays = {"inputs": probe.inputs, "labels": probe.labels}
    if not file.exists():
        np.savez_compressed(file, **arrays)
    elif not all(np.array_equal(_read(file)[key], values) for key, values in arrays.items()):
        raise ExportError(f"{file} holds other examples than the dataset gives now.")
    np.savez_compressed(folder / f"{name}.npz", logits=probe.logits)


def _read(file: Path) -> dict[str, np.ndarray]:
    with np.load(file) as arrays:
        return dict(arrays)
